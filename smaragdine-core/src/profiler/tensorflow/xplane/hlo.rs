//! Leads an instruction that XLA compiled back to the framework's operations: one, or those that it fuses.

mod kernel;
mod program;
mod served;
mod work;

use rustc_hash::FxHashMap;

pub(crate) use self::kernel::{Compiled, Piece, runs_others};
use self::program::Program;

/// The compiled programs of one profile, each read when something first executes it.
#[derive(Debug, Default)]
pub(crate) struct Programs<'a> {
    serialized: FxHashMap<u64, (&'a str, &'a [u8])>,
    compiled: FxHashMap<u64, Option<Compiled>>,
    /// Names of programs that something executed and that are no `HloProto`.
    pub(crate) undecodable: Vec<&'a str>,
}

impl<'a> Programs<'a> {
    /// Adds a program by its id; `serialized` is an `HloProto`.
    pub(crate) fn add(&mut self, program: u64, name: &'a str, serialized: &'a [u8]) {
        self.serialized.insert(program, (name, serialized));
    }

    /// `None` where the profile lacks the program, or it cannot be decoded.
    pub(crate) fn get(&mut self, program: u64) -> Option<&Compiled> {
        let Self { serialized, compiled, undecodable } = self;
        let compile = || {
            let (name, serialized) = serialized.get(&program)?;
            let read = Program::read(serialized);
            if read.is_err() {
                undecodable.push(name);
            }
            read.ok().as_ref().map(Compiled::of)
        };
        compiled.entry(program).or_insert_with(compile).as_ref()
    }
}
