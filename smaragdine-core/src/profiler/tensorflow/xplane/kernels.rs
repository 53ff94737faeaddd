//! What XLA's instructions execute, and how an execution of several operations is divided among them.

use rustc_hash::{FxHashMap, FxHashSet};

use super::hlo::{Piece, Programs, runs_others};
use super::push;
use crate::profiler::RawOp;
use crate::profiler::leaves::{LaneSpan, What};

/// The instructions that one profile executes.
#[derive(Debug)]
pub(super) struct Kernels<'a> {
    programs: Programs,
    known: FxHashMap<(u64, &'a str), Kernel>,
    /// Operations of programs that are named already: (program, operation of it) → index into the profile's.
    numbers: FxHashMap<(u64, u32), u32>,
    splits: Vec<Split>,
    /// Pieces that may still be made: a small profile must not make a large one.
    left: usize,
    undivided: usize,
}

/// One instruction of one program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kernel {
    /// It runs kernels that tell of themselves where instructions are executed one by one.
    pub(super) runs_others: bool,
    pub(super) what: What,
}

/// A kernel of several operations.
#[derive(Debug)]
struct Split {
    heaviest: u32,
    /// In order, each with the weight of all up to and with it; the last has the whole weight, above 0.
    parts: Vec<(u32, u128)>,
}

impl<'a> Kernels<'a> {
    /// `length` is the profile's, in bytes: a kernel's event takes some 60 of them.
    pub(super) fn of(programs: Programs, length: usize) -> Self {
        Self {
            programs,
            known: FxHashMap::default(),
            numbers: FxHashMap::default(),
            splits: Vec::new(),
            left: length / 2,
            undivided: 0,
        }
    }

    /// What people should know about them.
    pub(super) fn notes(&mut self) -> impl Iterator<Item = String> {
        let undecodable = self.programs.undecodable().into_iter();
        let undecodable = undecodable.map(|name| format!("the compiled program {name} could not be decoded"));
        let undivided = (self.undivided > 0).then(|| {
            format!(
                "{} executions of fused kernels were given to their heaviest operation: too many to divide",
                self.undivided
            )
        });
        undecodable.chain(undivided)
    }

    pub(super) fn kernel(&mut self, program: u64, instruction: &'a str, names: &mut Vec<RawOp>) -> Kernel {
        if let Some(&known) = self.known.get(&(program, instruction)) {
            return known;
        }
        let compiled = self.programs.get(program);
        let numbers = &mut self.numbers;
        let kernel = match compiled.and_then(|compiled| Some((compiled, compiled.kernel(instruction)?))) {
            Some((compiled, kernel)) => {
                let mut number = |piece: &Piece| {
                    *numbers.entry((program, piece.operation)).or_insert_with(|| {
                        let operation = &compiled.operations[piece.operation as usize];
                        let (raw_name, kind) = (operation.name.clone(), operation.kind.clone());
                        let (origin, flops) = (operation.origin.clone().map(Box::new), operation.flops());
                        push(names, RawOp { raw_name, kind, flops, origin, ..RawOp::default() })
                    })
                };
                let what = match kernel.pieces.as_slice() {
                    [] => What::Nothing,
                    [piece] => What::Operation(number(piece)),
                    pieces => {
                        let numbered: Vec<_> = pieces.iter().map(|piece| (number(piece), piece.weight)).collect();
                        self.splits.push(Split::of(&numbered));
                        // A kernel takes more than one byte of a profile.
                        What::Several(self.splits.len() as u32 - 1)
                    }
                };
                Kernel { runs_others: kernel.runs_others, what }
            }
            None => {
                // `copy.44` is a copy.
                let kind = instruction.split('.').next().unwrap_or("");
                let op = RawOp { raw_name: instruction.into(), kind: kind.into(), ..RawOp::default() };
                Kernel { runs_others: runs_others(kind), what: What::Operation(push(names, op)) }
            }
        };
        self.known.insert((program, instruction), kernel);
        kernel
    }

    /// Whether this program was told.
    pub(super) fn knows(&self, program: u64) -> bool {
        self.programs.knows(program)
    }

    /// The programs, for the next profile.
    pub(super) fn into_programs(self) -> Programs {
        self.programs
    }

    /// Which of the operations that were named feed which, as indexes into the profile's.
    pub(super) fn edges(&self) -> Vec<(u32, u32)> {
        let programs: FxHashSet<u64> = self.numbers.keys().map(|(program, _)| *program).collect();
        let mut edges = Vec::new();
        for program in programs {
            let number = |operation: u32| self.numbers.get(&(program, operation)).copied();
            let own = self.programs.compiled(program).map_or(&[][..], |compiled| &compiled.edges);
            edges.extend(own.iter().filter_map(|&(from, to)| number(from).zip(number(to))));
        }
        edges.sort_unstable();
        edges
    }

    /// Tells the operations of a leaf in order: (operation, start, end), one after the other and together the whole.
    pub(super) fn divide(&mut self, leaf: &LaneSpan, mut part: impl FnMut(u32, i64, i64)) {
        match leaf.what {
            What::Nothing => {}
            What::Operation(operation) => part(operation, leaf.start_ns, leaf.end_ns),
            What::Several(split) => {
                let Split { heaviest, parts } = &self.splits[split as usize];
                if self.left < parts.len() {
                    self.undivided += 1;
                    return part(*heaviest, leaf.start_ns, leaf.end_ns);
                }
                self.left -= parts.len();
                let whole = parts.last().map_or(1, |(_, weight)| *weight);
                let length = u128::from(leaf.end_ns.abs_diff(leaf.start_ns));
                let mut start_ns = leaf.start_ns;
                for &(operation, weight) in parts {
                    // Within a nanosecond of its share, and at the whole weight exactly the end.
                    let until = u64::try_from(length * weight / whole).unwrap_or(u64::MAX);
                    let end_ns = leaf.start_ns.saturating_add_unsigned(until);
                    part(operation, start_ns, end_ns);
                    start_ns = end_ns;
                }
            }
        }
    }
}

impl Split {
    /// Of operations with their weights, in order.
    fn of(operations: &[(u32, u64)]) -> Self {
        let mut split = Self { heaviest: 0, parts: Vec::with_capacity(operations.len()) };
        let (mut whole, mut most) = (0, 0);
        for &(operation, weight) in operations {
            whole += u128::from(weight);
            split.parts.push((operation, whole));
            if weight > most {
                (most, split.heaviest) = (weight, operation);
            }
        }
        split
    }
}
