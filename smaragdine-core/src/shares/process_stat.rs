//! One line of `/proc/PID/stat` or `/proc/PID/task/TID/stat`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

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
        let mut length = 0;
        let mut file = File::open(directory.join("stat"))?;
        loop {
            match file.read(&mut line[length..]) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The process ended between open and read.
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {
                    return Err(io::ErrorKind::NotFound.into());
                }
                Err(error) => return Err(error),
            }
        }
        Self::parse(&String::from_utf8_lossy(&line[..length]))
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a line of /proc/PID/stat"))
    }

    /// The name stands in parentheses and may itself hold spaces and parentheses: fields count from the last one.
    fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // proc(5) numbers fields from 1; the first after the name is 3.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        // Children's times are signed in the kernel and may print as negative on old ones.
        let signed = |number: usize| Some(u64::try_from(fields.get(number - 3)?.parse::<i64>().ok()?).unwrap_or(0));
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: field(14)? + field(15)?,
            reaped: signed(16)? + signed(17)?,
            start: field(22)?,
            processor: u32::try_from(field(39)?).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let line = "4211 (a) b (c d) S 4200 4200 9120 0 -1 4194304 100 0 0 0 70 30 8 2 20 0 5 0 164361 3133440 393 \
                    18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 3 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
        let expected = ProcessStat { parent: 4200, own: 100, reaped: 10, start: 164_361, processor: 3 };
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
