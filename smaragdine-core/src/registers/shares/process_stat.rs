//! One line of `/proc/PID/stat` or `/proc/PID/task/TID/stat`.

use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, retry_on_intr};

/// What accounting needs of one process or thread. Times are scheduler ticks of `USER_HZ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessStat {
    pub(crate) parent: i32,
    /// utime + stime, threads that have exited included; guest time is inside utime.
    pub(crate) own: u64,
    /// cutime + cstime: everything that children used which this process has waited for.
    pub(crate) reaped: u64,
    /// Ticks from boot to the start: with the pid, the identity of a process.
    pub(crate) start: u64,
    /// Pages of its memory that are in RAM, those that it shares with others included.
    pub(crate) resident_pages: u64,
    /// The CPU it last ran on.
    pub(crate) processor: u32,
}

impl ProcessStat {
    /// Reads `directory/stat`.
    ///
    /// # Errors
    /// `NotFound` where the process is gone, other kinds where it may not be read or the line is none.
    pub(crate) fn read(directory: &Path) -> io::Result<Self> {
        // A line is about 350 bytes; the name in it is at most 64.
        let mut line = [0; 1024];
        let file = open(directory.join("stat"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        // The kernel gives the whole line at once. `SRCH`: the process ended between open and read.
        let length = retry_on_intr(|| read(&file, &mut line)).map_err(|error| match error {
            Errno::SRCH => io::ErrorKind::NotFound.into(),
            error => io::Error::from(error),
        })?;
        std::str::from_utf8(&line[..length])
            .ok()
            .and_then(Self::parse)
            .or_else(|| Self::parse(&String::from_utf8_lossy(&line[..length])))
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a line of /proc/PID/stat"))
    }

    /// The name stands in parentheses and may itself hold spaces and parentheses: fields count from the last one.
    fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.rsplit_once(')')?;
        // proc(5) numbers fields from 1; the first after the name is 3.
        let mut fields = (3..).zip(rest.split_ascii_whitespace());
        let mut field = |number: usize| fields.find(|(place, _)| *place == number).map(|(_, text)| text);
        let parent = field(4)?.parse().ok()?;
        let own = field(14)?.parse::<u64>().ok()? + field(15)?.parse::<u64>().ok()?;
        // Children's times are signed in the kernel, and old ones print them so.
        let reaped = field(16)?.parse::<i64>().ok()?.max(0) + field(17)?.parse::<i64>().ok()?.max(0);
        let start = field(22)?.parse().ok()?;
        let resident_pages = field(24)?.parse::<i64>().ok()?.max(0).unsigned_abs();
        let processor = field(39)?.parse().ok()?;
        Some(Self { parent, own, reaped: reaped.unsigned_abs(), start, resident_pages, processor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let line = "4211 (a) b (c d) S 4200 4200 9120 0 -1 4194304 100 0 0 0 70 30 8 2 20 0 5 0 164361 3133440 393 \
                    18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 3 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
        let expected =
            ProcessStat { parent: 4200, own: 100, reaped: 10, start: 164_361, resident_pages: 393, processor: 3 };
        assert_eq!(ProcessStat::parse(line), Some(expected));
    }

    #[test]
    fn a_cut_line_is_an_error() {
        assert_eq!(ProcessStat::parse("4211 (sh) S 4200 4200"), None);
        assert_eq!(ProcessStat::parse(""), None);
    }

    #[test]
    fn a_process_that_is_gone_is_not_found() {
        let error = ProcessStat::read(Path::new("/proc/0")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
