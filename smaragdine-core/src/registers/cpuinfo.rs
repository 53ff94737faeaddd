//! `/proc/cpuinfo`, as far as it tells what the processors are.

use std::io;
use std::path::Path;

/// What all processors together say of themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cpuinfo {
    /// Each logical CPU that is online, with its `physical id`. Arm's kernels tell none.
    pub(crate) cpus: Vec<(u32, Option<u32>)>,
    pub(crate) model: Option<String>,
    /// Several logical CPUs share a core.
    pub(crate) smt: bool,
    flags: Vec<String>,
}

impl Cpuinfo {
    /// Reads `proc_root/cpuinfo`.
    ///
    /// # Errors
    /// Where it cannot be read; a file that names no processor is no error.
    pub(crate) fn read(proc_root: &Path) -> io::Result<Self> {
        std::fs::read_to_string(proc_root.join("cpuinfo")).map(|text| Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut read = Self::default();
        let (mut siblings, mut cores) = (1, 1);
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            match (key.trim(), value.trim()) {
                ("processor", cpu) => read.cpus.extend(cpu.parse().ok().map(|cpu| (cpu, None))),
                ("physical id", id) => {
                    if let Some((_, physical)) = read.cpus.last_mut() {
                        *physical = id.parse().ok();
                    }
                }
                ("model name", model) if read.model.is_none() => read.model = Some(model.to_owned()),
                ("siblings", count) => siblings = count.parse().unwrap_or(1),
                ("cpu cores", count) => cores = count.parse().unwrap_or(1),
                ("flags", flags) if read.flags.is_empty() => {
                    read.flags = flags.split_ascii_whitespace().map(str::to_owned).collect();
                }
                _ => {}
            }
        }
        read.smt = siblings > cores;
        read
    }

    /// Whether the processors have this flag: `hypervisor`, `sgx`.
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_processor_has_the_physical_id_that_follows_it() {
        let text = "processor : 0\nmodel name : A CPU: fast\nphysical id : 3\n\nprocessor : 1\n\n\
                    processor : 2\nphysical id : 1\n";
        let read = Cpuinfo::parse(text);
        assert_eq!(read.cpus, [(0, Some(3)), (1, None), (2, Some(1))]);
        assert_eq!(read.model.as_deref(), Some("A CPU: fast"));
    }

    #[test]
    fn smt_and_flags_are_told() {
        let read = Cpuinfo::parse("processor: 0\nsiblings: 4\ncpu cores: 2\nflags: fpu hypervisor\n");
        assert!(read.smt && read.has("hypervisor") && !read.has("sgx") && !read.has("hyper"));
        assert_eq!(Cpuinfo::parse("nothing\n"), Cpuinfo::default());
    }
}
