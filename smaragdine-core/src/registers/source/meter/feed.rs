//! What one meter tells, kept for whoever hears it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use super::answer::{dcmi, redfish};
use super::ask::{Answer, ask};
use super::line::Lines;
use super::named::{Named, Place};
use crate::clock::{ClockPair, monotonic_ns};

/// Management controllers renew their values once a second at most, and an answer costs some milliseconds of CPU.
const PERIOD: Duration = Duration::from_secs(2);
/// Slower ones are given up.
const LIMIT: Duration = Duration::from_secs(5);
/// A file that has ended may go on.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Values that wait: more than come in the seconds between two reads.
const MOST: usize = 4_096;
/// Lines are no longer.
const LONGEST_LINE: u64 = 4_096;
/// A stamp may be so far ahead: clocks of two machines are never one.
const AHEAD_NS: i64 = 1_000_000_000;

/// A value at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Told {
    /// Watts.
    Power(f64),
    /// Joules since whenever.
    Energy(f64),
}

/// What was told, or why it is nothing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    /// `CLOCK_MONOTONIC`
    pub(super) at_ns: i64,
    pub(super) told: Result<Told, String>,
}

/// What answers are asked for with.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Holds `USER:PASSWORD`.
    pub credentials: Option<PathBuf>,
    /// Certificates of authorities, beside the system's own.
    pub authorities: Option<PathBuf>,
}

impl Access {
    /// # Errors
    /// Where others of this machine may read the credentials, or nobody may.
    pub fn check(&self) -> Result<(), String> {
        let Some(path) = &self.credentials else { return Ok(()) };
        let file = std::fs::metadata(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        if file.permissions().mode() & 0o077 != 0 {
            let path = path.display();
            return Err(format!("others may read the credentials in {path}\nhint: chmod 600 {path}"));
        }
        Ok(())
    }
}

/// A meter whose thread runs for as long as a handle is kept.
#[derive(Debug, Clone)]
pub struct Meter(Arc<Feed>);

/// Two handles are of one meter.
impl PartialEq for Meter {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Meter {}

#[derive(Debug)]
struct Feed {
    named: Named,
    access: Access,
    log: Mutex<Log>,
    joined: Condvar,
}

#[derive(Debug, Default)]
struct Log {
    /// How many were told before those that are kept.
    before: u64,
    said: VecDeque<Said>,
    listeners: usize,
}

impl Meter {
    /// Starts to hear a meter.
    ///
    /// # Errors
    /// Where the system grants no thread.
    pub fn start(named: Named, access: Access) -> io::Result<Self> {
        let feed = Arc::new(Feed { named, access, log: Mutex::default(), joined: Condvar::new() });
        let (weak, place) = (Arc::downgrade(&feed), feed.named.place.clone());
        thread::Builder::new().name("hear a meter".to_owned()).spawn(move || match place {
            Place::Stream(path) => stream(&weak, path.as_deref()),
            Place::Redfish(address) => answers(&weak, |feed| of_redfish(&address, &feed.access)),
            Place::Ipmi(program) => answers(&weak, |_| of_ipmi(&program)),
        })?;
        Ok(Self(feed))
    }

    pub(super) fn name(&self) -> &str {
        &self.0.named.domain
    }

    pub(super) fn hear(&self) -> Cursor {
        let mut log = self.0.log();
        log.listeners += 1;
        let next = log.before + log.said.len() as u64;
        drop(log);
        self.0.joined.notify_all();
        Cursor { feed: Arc::clone(&self.0), next }
    }
}

impl Feed {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, said: Said) {
        let mut log = self.log();
        log.said.push_back(said);
        if log.said.len() > MOST {
            log.said.pop_front();
            log.before += 1;
        }
    }
}

/// How far one listener has heard.
#[derive(Debug)]
pub(super) struct Cursor {
    feed: Arc<Feed>,
    next: u64,
}

impl Cursor {
    /// What was told since the last time.
    pub(super) fn since(&mut self) -> Vec<Said> {
        let log = self.feed.log();
        let skipped = self.next.saturating_sub(log.before) as usize;
        self.next = log.before + log.said.len() as u64;
        log.said.iter().skip(skipped).cloned().collect()
    }

    /// What was told last, if that is no value.
    pub(super) fn problem(&self) -> Option<String> {
        self.feed.log().said.back()?.told.clone().err()
    }

    pub(super) fn identity(&self) -> String {
        format!("{} {:p}", self.feed.named.place, Arc::as_ptr(&self.feed))
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.feed.log().listeners -= 1;
    }
}

/// Reads a stream to its end, and a file beyond: another may write to it.
fn stream(feed: &Weak<Feed>, path: Option<&Path>) {
    let name = path.map_or("standard input".to_owned(), |path| path.display().to_string());
    let say = |at_ns: i64, told| feed.upgrade().map(|feed| feed.say(Said { at_ns, told }));
    let opened: io::Result<Box<dyn Read>> = match path {
        Some(path) => File::open(path).map(|file| Box::new(file) as _),
        None => Ok(Box::new(io::stdin())),
    };
    let mut reader = match opened {
        Ok(reader) => BufReader::new(reader),
        Err(error) => {
            say(monotonic_ns(), Err(format!("cannot read {name}: {error}")));
            return;
        }
    };
    let (mut lines, mut line, mut last_ns) = (Lines::default(), Vec::new(), i64::MIN);
    loop {
        let length = match reader.by_ref().take(LONGEST_LINE - line.len() as u64).read_until(b'\n', &mut line) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            length => length,
        };
        let is_whole = line.ends_with(b"\n") || line.len() as u64 == LONGEST_LINE;
        match length {
            Ok(0) if path.is_some() => thread::sleep(LOOK_AGAIN),
            Ok(0) => {
                say(monotonic_ns(), Err(format!("{name} has ended")));
                return;
            }
            Ok(_) => {}
            Err(error) => {
                say(monotonic_ns(), Err(format!("cannot read {name}: {error}")));
                return;
            }
        }
        if feed.strong_count() == 0 {
            return;
        }
        if !is_whole {
            continue;
        }
        let read = lines.read(&String::from_utf8_lossy(&line));
        line.clear();
        let Some(read) = read else { continue };
        let now_ns = monotonic_ns();
        let told = read.and_then(|(stamp_ns, told)| Ok((placed(stamp_ns, now_ns, last_ns)?, told)));
        match told {
            Ok((at_ns, told)) => {
                last_ns = at_ns;
                say(at_ns, Ok(told));
            }
            Err(problem) => {
                say(now_ns, Err(format!("{name}: {problem}")));
            }
        }
    }
}

/// The moment of a stamp of the wall clock, if it can be one; without a stamp, now.
fn placed(stamp_ns: Option<i64>, now_ns: i64, last_ns: i64) -> Result<i64, String> {
    let Some(stamp_ns) = stamp_ns else { return Ok(now_ns) };
    let at_ns = stamp_ns.saturating_sub(ClockPair::now().offset_ns());
    let ahead_ns = at_ns.saturating_sub(now_ns);
    if ahead_ns > AHEAD_NS {
        return Err(format!("a stamp is {:.3} s ahead of this machine's clock", ahead_ns as f64 * 1e-9));
    }
    if at_ns <= last_ns {
        return Err("a stamp is no later than the one before".to_owned());
    }
    Ok(at_ns.min(now_ns))
}

/// Asks again and again while anybody hears. A value is of the middle of its call.
fn answers(feed: &Weak<Feed>, ask: impl Fn(&Feed) -> Result<Told, String>) {
    while let Some(feed) = feed.upgrade() {
        let log = feed.log();
        if log.listeners == 0 {
            // Its handle may be given up meanwhile.
            let waited = feed.joined.wait_timeout(log, PERIOD);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            continue;
        }
        drop(log);
        let from_ns = monotonic_ns();
        let told = ask(&feed).map_err(|problem| format!("{}: {problem}", feed.named.place));
        let to_ns = monotonic_ns();
        feed.say(Said { at_ns: from_ns + (to_ns - from_ns) / 2, told });
        drop(feed);
        let took = Duration::from_nanos(u64::try_from(to_ns - from_ns).unwrap_or(0));
        thread::sleep(PERIOD.saturating_sub(took));
    }
}

fn of_ipmi(program: &str) -> Result<Told, String> {
    let is_freeipmi = Path::new(program).file_name().is_some_and(|name| name == "ipmi-dcmi");
    let arguments: &[&str] =
        if is_freeipmi { &["--get-system-power-statistics"] } else { &["dcmi", "power", "reading"] };
    let Answer { code, printed, complaint } = ask(program, arguments, "", LIMIT)?;
    if code != Some(0) {
        return Err(format!(
            "it ended with {}: {complaint}",
            code.map_or("a signal".to_owned(), |code| code.to_string())
        ));
    }
    dcmi(&String::from_utf8_lossy(&printed))
}

/// By curl, which has what a client of many makers' controllers needs: TLS, authorities, proxies.
fn of_redfish(address: &str, access: &Access) -> Result<Told, String> {
    let mut told = format!("url = \"{address}\"\n");
    if let Some(path) = &access.credentials {
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let line = text.lines().next().unwrap_or_default();
        if !line.contains(':') || line.chars().any(char::is_control) {
            return Err(format!("{} does not hold USER:PASSWORD in its first line", path.display()));
        }
        told.push_str(&format!("user = \"{}\"\n", line.replace('\\', "\\\\").replace('"', "\\\"")));
    }
    let authorities = access.authorities.as_ref().map(|path| path.display().to_string());
    let limit = LIMIT.as_secs().to_string();
    let mut arguments = vec!["--disable", "--silent", "--show-error", "--config", "-", "--max-time", &limit];
    arguments.extend([
        "--proto",
        "=http,https",
        "--header",
        "Accept: application/json",
        "--write-out",
        "\n%{http_code}",
    ]);
    if let Some(authorities) = &authorities {
        arguments.extend(["--cacert", authorities]);
    }
    // Its own limit comes first, and tells more.
    let Answer { code, printed, complaint } = ask("curl", &arguments, &told, LIMIT + Duration::from_secs(1))?;
    if code != Some(0) {
        return Err(complaint);
    }
    let place = printed.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    let (body, status) = printed.split_at(place);
    match status.trim_ascii() {
        b"200" => redfish(body),
        b"401" | b"403" => Err("it wants other credentials: --meter-credentials FILE, with USER:PASSWORD".to_owned()),
        status => Err(format!("it answered with status {}", String::from_utf8_lossy(status))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &str, enough: usize) -> Vec<Said> {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("stream");
        std::fs::write(&path, "").unwrap();
        let named = Named { domain: "wall".to_owned(), place: Place::Stream(Some(path.clone())) };
        let meter = Meter::start(named, Access::default()).unwrap();
        let mut cursor = meter.hear();
        // After it was opened, and in two parts.
        let (first, second) = lines.split_at(lines.len() / 2);
        std::fs::write(&path, first).unwrap();
        thread::sleep(Duration::from_millis(20));
        std::fs::write(&path, format!("{first}{second}")).unwrap();
        let mut said = Vec::new();
        for _ in 0..500 {
            said.extend(cursor.since());
            if said.len() >= enough {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        said
    }

    #[test]
    fn lines_are_heard_as_they_come_and_a_stamp_that_cannot_be_is_a_problem() {
        let now_s = (monotonic_ns() + ClockPair::now().offset_ns()) / 1_000_000_000;
        let stamps = [now_s - 9, now_s - 8, now_s - 8, now_s + 60, now_s - 7];
        let rows: String = stamps.iter().map(|stamp| format!("{stamp},100\n")).collect();
        let said = told(&format!("time_s,power_w\n{rows}nonsense\n"), 6);
        let values: Vec<bool> = said.iter().map(|said| said.told.is_ok()).collect();
        assert_eq!(values, [true, true, false, false, true, false], "{said:?}");
        assert_eq!(said[1].at_ns - said[0].at_ns, 1_000_000_000);
        let problem = |place: usize| said[place].told.clone().unwrap_err();
        assert!(problem(2).contains("no later") && problem(3).contains("ahead"), "{said:?}");
    }

    #[test]
    fn a_stream_that_is_not_there_says_so() {
        let named = Named { domain: "wall".to_owned(), place: Place::Stream(Some("/nonexistent".into())) };
        let meter = Meter::start(named, Access::default()).unwrap();
        let cursor = meter.hear();
        while cursor.problem().is_none() {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(cursor.problem().unwrap().starts_with("cannot read /nonexistent"));
    }
}
