//! What ran, as the program itself told.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// So many words of a command, and so many packages, are kept.
const MOST: usize = 4096;
/// Of a word.
const LONGEST: usize = 4096;

/// What ran. The program left out what may be a secret before it told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Program {
    /// Its words; `[redacted]` stands where a secret may have been.
    pub command: Vec<String>,
    /// Of the repository that it lies in; absent where it lies in none, or nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<Git>,
    /// Of Python: version by name.
    pub packages: BTreeMap<String, String>,
}

/// Of what source code.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Git {
    /// Hexadecimal.
    pub commit: String,
    /// Tracked files differed from it; null where that is not known.
    #[serde(default)]
    pub dirty: Option<bool>,
}

impl Program {
    /// Takes in what another process of the same program tells: whoever told first is right.
    pub fn add(&mut self, told: Self) {
        if self.command.is_empty() {
            self.command = told.command.into_iter().take(MOST).map(shortened).collect();
        }
        self.git = self.git.take().or(told.git.filter(|git| {
            git.commit.len() <= 64
                && git.commit.chars().all(|digit| digit.is_ascii_hexdigit())
                && !git.commit.is_empty()
        }));
        for (name, version) in told.packages {
            if self.packages.len() >= MOST {
                break;
            }
            self.packages.entry(shortened(name)).or_insert_with(|| shortened(version));
        }
    }
}

fn shortened(text: String) -> String {
    if text.len() <= LONGEST { text } else { text.chars().take(LONGEST / 4).chain("…".chars()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(word: &str, commit: &str) -> Program {
        let git = Some(Git { commit: commit.into(), dirty: None });
        Program { command: vec![word.into()], git, packages: BTreeMap::from([(word.to_owned(), "1".to_owned())]) }
    }

    #[test]
    fn whoever_told_first_is_right_and_packages_add_up() {
        let mut program = Program::default();
        program.add(told("train.py", "12ab"));
        program.add(told("worker.py", "ffff"));
        assert_eq!((program.command.len(), program.packages.len()), (1, 2));
        assert_eq!(program.git.map(|git| git.commit), Some("12ab".into()));
    }

    #[test]
    fn what_is_no_commit_and_what_is_endless_is_not_kept() {
        let mut program = Program::default();
        program.add(told(&"é".repeat(1 << 20), "not a commit"));
        assert_eq!((program.git, program.command[0].chars().count()), (None, LONGEST / 4 + 1));
        let packages = (0..3 * MOST).map(|number| (number.to_string(), String::new())).collect();
        let endless = Program { command: vec![String::new(); 3 * MOST], git: None, packages };
        let mut program = Program::default();
        program.add(endless);
        assert_eq!((program.command.len(), program.packages.len()), (MOST, MOST));
    }
}
