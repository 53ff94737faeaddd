//! A program that is asked for one answer, within a time limit and never through a shell.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

/// An answer is no longer.
const MOST_BYTES: usize = 1 << 20;

/// How it ended, and what it printed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) code: Option<i32>,
    pub(super) printed: Vec<u8>,
    /// The first line of what went wrong.
    pub(super) complaint: String,
}

/// Runs `program` to its end. `told` goes to its standard input: what others must not see among its arguments.
///
/// # Errors
/// Where it cannot be started, prints too much, or has not ended within `limit`: it is killed then, with its children.
pub(super) fn ask(program: &str, arguments: &[&str], told: &str, limit: Duration) -> Result<Answer, String> {
    let deadline = Instant::now() + limit;
    let mut child = Command::new(program)
        .args(arguments)
        // Numbers and words as they are read here.
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    let answer = finish(&mut child, told, deadline);
    if answer.is_err() {
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended meanwhile.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = child.wait();
    }
    answer.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => format!("{program} did not answer within {} s", limit.as_secs_f64()),
        _ => format!("{program}: {error}"),
    })
}

fn finish(child: &mut Child, told: &str, deadline: Instant) -> io::Result<Answer> {
    if let Some(mut stdin) = child.stdin.take() {
        // A few hundred bytes, which a pipe holds; who does not read them says so by itself.
        let _ = stdin.write_all(told.as_bytes());
    }
    let printed = child.stdout.take().map_or(Ok(Vec::new()), |pipe| read(pipe, deadline))?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(Duration::from_millis(5));
    };
    let complaint = child.stderr.take().map_or(Ok(Vec::new()), |pipe| read(pipe, deadline))?;
    let complaint = String::from_utf8_lossy(&complaint).lines().next().unwrap_or_default().chars().take(200).collect();
    Ok(Answer { code: status.code(), printed, complaint })
}

/// All that comes out of a pipe until it is closed.
fn read(mut pipe: impl Read + std::os::fd::AsFd, deadline: Instant) -> io::Result<Vec<u8>> {
    let (mut all, mut buffer) = (Vec::new(), [0; 8192]);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        let ready = match poll(&mut [PollFd::new(&pipe, PollFlags::IN)], Some(&left)) {
            Err(rustix::io::Errno::INTR) => continue,
            ready => ready?,
        };
        if ready == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let length = pipe.read(&mut buffer)?;
        if length == 0 {
            return Ok(all);
        }
        all.extend_from_slice(&buffer[..length]);
        if all.len() > MOST_BYTES {
            return Err(io::Error::other("it prints more than any answer"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(300);

    #[test]
    fn what_a_program_prints_is_its_answer_with_its_code_and_its_complaint() {
        let answer =
            ask("sh", &["-c", "read told; echo $told; echo no >&2; exit 3"], "secret\n", Duration::from_secs(10));
        let expected = Answer { code: Some(3), printed: b"secret\n".to_vec(), complaint: "no".to_owned() };
        assert_eq!(answer, Ok(expected));
    }

    #[test]
    fn one_that_hangs_or_never_stops_printing_or_is_not_there_is_a_problem_in_time() {
        let start = Instant::now();
        for script in ["sleep 60", "sleep 60 & exit 0", "exec >&-; sleep 60"] {
            let problem = ask("sh", &["-c", script], "", LIMIT).unwrap_err();
            assert_eq!(problem, "sh did not answer within 0.3 s", "{script}");
        }
        assert!(ask("cat", &["/dev/zero"], "", Duration::from_secs(20)).unwrap_err().contains("more than any answer"));
        assert!(
            ask("/nonexistent/program", &[], "", LIMIT).unwrap_err().starts_with("cannot run /nonexistent/program")
        );
        assert!(start.elapsed() < Duration::from_secs(50), "a child was waited for");
    }
}
