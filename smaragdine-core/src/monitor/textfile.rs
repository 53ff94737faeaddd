//! A file for the textfile collector of Prometheus' `node_exporter`: whole at any moment, in Prometheus' own format.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::store::folder::Folder;

/// Scrapers come less often.
const PERIOD: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Textfile {
    path: PathBuf,
    written: Option<Instant>,
    /// It was told that it cannot be written.
    failing: bool,
}

impl Textfile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, written: None, failing: false }
    }

    /// Takes what is true now, from time to time.
    pub(super) fn offer(&mut self, openmetrics: &str) {
        if self.written.is_none_or(|written| written.elapsed() >= PERIOD) {
            self.keep(openmetrics);
        }
    }

    /// A full disk costs the file, and nothing else.
    pub(super) fn keep(&mut self, openmetrics: &str) {
        self.written = Some(Instant::now());
        let result = self.write(&plain(openmetrics));
        let failed = std::mem::replace(&mut self.failing, result.is_err());
        match result {
            Err(error) if !failed => tracing::warn!("metrics are not kept in a file: {error}"),
            Ok(()) if failed => tracing::info!("metrics are kept in {} again", self.path.display()),
            _ => {}
        }
    }

    fn write(&self, text: &str) -> Result<()> {
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = Folder::open(directory.unwrap_or(Path::new(".")))?;
        folder.replace(name, |file, path| file.write_all(text.as_bytes()).map_err(Error::io("write", path)))
    }
}

/// Prometheus' own format names a counter as its samples are named, and knows neither units nor an end.
fn plain(openmetrics: &str) -> String {
    let counters: Vec<&str> =
        openmetrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut text = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines() {
        let described = line.strip_prefix("# ").and_then(|line| line.split_once(' '));
        match described {
            _ if line == "# EOF" => {}
            Some(("UNIT", _)) => {}
            Some((what, rest)) => {
                let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                let total = if counters.contains(&name) { "_total" } else { "" };
                text += &format!("# {what} {name}{total} {rest}\n");
            }
            None => {
                text += line;
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_own_format_has_counters_by_the_names_of_their_samples() {
        let openmetrics = "# HELP a_joules Energy.\n# TYPE a_joules counter\n# UNIT a_joules joules\n\
                           a_joules_total{domain=\"# TYPE\"} 2.5\n# EOF\n";
        let expected = "# HELP a_joules_total Energy.\n# TYPE a_joules_total counter\n\
                        a_joules_total{domain=\"# TYPE\"} 2.5\n";
        assert_eq!(plain(openmetrics), expected);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_once_and_written_later() {
        let directory = tempfile::tempdir().unwrap();
        let blocked = directory.path().join("blocked");
        std::fs::write(&blocked, "a file").unwrap();
        let mut file = Textfile::new(blocked.join("smaragdine.prom"));
        file.keep("# EOF\n");
        assert!(file.failing);
        std::fs::remove_file(&blocked).unwrap();
        file.keep("a_total 1\n# EOF\n");
        assert!(!file.failing);
        assert_eq!(std::fs::read_to_string(blocked.join("smaragdine.prom")).unwrap(), "a_total 1\n");
    }
}
