//! Leads an instruction that XLA compiled back to the framework's operations: one, or those that it fuses.

mod dataflow;
mod edges;
mod kernel;
mod program;
mod served;
mod traced;
mod work;

use std::hash::BuildHasher as _;

use rustc_hash::{FxBuildHasher, FxHashMap};

pub(crate) use self::kernel::{Compiled, Piece, runs_others};
use self::program::Program;

/// Compiled programs, each read when something first executes it. They outlive a profile: a client sends a program once,
/// and further profiles that execute it.
#[derive(Debug, Default)]
pub struct Programs {
    known: FxHashMap<u64, Known>,
    /// Of all that are known, in bytes.
    length: usize,
    /// Names of programs that something executed and that are no `HloProto`, since last asked.
    undecodable: Vec<String>,
}

#[derive(Debug)]
struct Known {
    name: String,
    length: usize,
    hash: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Serialized(Vec<u8>),
    Compiled(Compiled),
    Undecodable,
}

/// A training has a few programs of some megabytes; one that has more than this loses them all and sends them again.
const MOST_BYTES: usize = 1 << 28;

impl Programs {
    /// Adds a program by its id; `serialized` is an `HloProto`.
    pub(crate) fn add(&mut self, program: u64, name: &str, serialized: &[u8]) {
        let hash = FxBuildHasher.hash_one(serialized);
        let same = |known: &Known| known.length == serialized.len() && known.hash == hash;
        if self.known.get(&program).is_some_and(same) {
            return;
        }
        if self.length + serialized.len() > MOST_BYTES {
            self.known.clear();
            self.length = 0;
        }
        let (length, state) = (serialized.len(), State::Serialized(serialized.to_owned()));
        let replaced = self.known.insert(program, Known { name: name.to_owned(), length, hash, state });
        self.length = self.length + length - replaced.map_or(0, |known| known.length);
    }

    pub(crate) fn knows(&self, program: u64) -> bool {
        self.known.contains_key(&program)
    }

    /// `None` where the program was never told, or cannot be decoded.
    pub(crate) fn get(&mut self, program: u64) -> Option<&Compiled> {
        let known = self.known.get_mut(&program)?;
        if let State::Serialized(serialized) = &known.state {
            known.state = match Program::read(serialized) {
                Ok(read) => State::Compiled(Compiled::of(&read)),
                Err(_) => {
                    self.undecodable.push(known.name.clone());
                    State::Undecodable
                }
            };
        }
        known.state.compiled()
    }

    /// A program that something executed.
    pub(crate) fn compiled(&self, program: u64) -> Option<&Compiled> {
        self.known.get(&program)?.state.compiled()
    }

    /// Names of programs that could not be decoded, each once.
    pub(crate) fn undecodable(&mut self) -> Vec<String> {
        std::mem::take(&mut self.undecodable)
    }
}

impl State {
    fn compiled(&self) -> Option<&Compiled> {
        match self {
            Self::Compiled(compiled) => Some(compiled),
            Self::Serialized(_) | Self::Undecodable => None,
        }
    }
}
