//! What the user should know about a trace: each thing once, with how often it happened.

use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct Warnings(BTreeMap<String, u64>);

impl Warnings {
    /// Allocates only the first time: a hostile client may earn the same warning a million times.
    pub(crate) fn add(&mut self, warning: &str) {
        match self.0.get_mut(warning) {
            Some(times) => *times += 1,
            None => {
                self.0.insert(warning.to_owned(), 1);
            }
        }
    }

    /// The same so many times; 0 is not at all.
    pub(crate) fn add_times(&mut self, warning: &str, times: u64) {
        if times > 0 {
            self.add(warning);
            self.0.entry(warning.to_owned()).and_modify(|known| *known += times - 1);
        }
    }

    pub(crate) fn into_lines(self) -> impl Iterator<Item = String> {
        self.0
            .into_iter()
            .map(|(warning, times)| if times > 1 { format!("{warning} ({times} times)") } else { warning })
    }
}
