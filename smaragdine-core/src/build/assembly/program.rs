//! What ran, as the program told.

use super::Assembly;
use crate::trace::{Git, Program};
use crate::wire::v1;

impl Assembly {
    pub(super) fn add_program(&mut self, told: v1::Program) {
        let v1::Program { command, git, packages } = told;
        let git = git.map(|git| Git { commit: git.commit, dirty: git.dirty });
        let told = Program { command, git, packages: packages.into_iter().collect() };
        self.trace.metadata.program.get_or_insert_default().add(told);
    }
}
