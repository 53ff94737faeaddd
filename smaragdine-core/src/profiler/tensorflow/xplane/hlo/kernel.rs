//! A compiled program → what each of its instructions executes, as operations of the framework's.

use rustc_hash::FxHashMap;

use super::dataflow::Dataflow;
use super::edges::edges;
use super::program::{InstructionId, Program};
use super::served::{Served, is_operation};
use super::traced::Traced;
use super::work::{flops, weight};
use crate::profiler::jax::{Origin, is_combined, is_traced};

/// The instructions of one program that execute by themselves, and the operations in them.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    pub(crate) operations: Vec<Operation>,
    /// Which of them feed which, where JAX made the program: indexes into `operations`. Elsewhere graphs tell.
    pub(crate) edges: Vec<(u32, u32)>,
    kernels: FxHashMap<String, Kernel>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Operation {
    /// `gradient_tape/bert_1/encoder_1/…/MatMul/MatMul_1`; `copy.4` for a copy that serves no operation alone.
    pub(crate) name: String,
    /// `MatMul`
    pub(crate) kind: String,
    /// What a program of JAX's says of it besides.
    pub(crate) origin: Option<Origin>,
    /// Of all its kernels together, each executed once.
    flops: Option<f64>,
    kernels: u32,
}

/// One instruction that executes by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Kernel {
    /// It runs other kernels, which tell of themselves: a loop, a call, a condition.
    pub(crate) runs_others: bool,
    /// Operations in the order in which the kernel names them first.
    pub(crate) pieces: Vec<Piece>,
}

/// An operation's part in a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Index into [`Compiled::operations`].
    pub(crate) operation: u32,
    /// Above 0.
    pub(crate) weight: u64,
}

impl Compiled {
    pub(super) fn of(program: &Program) -> Self {
        let mut compiler = Compiler {
            program,
            dataflow: None,
            traced: Traced::of(program),
            compiled: Self::default(),
            numbers: FxHashMap::default(),
            operations: vec![None; program.instructions.len()],
            expanded: vec![false; program.computations.len()],
        };
        let mut bodies = Vec::new();
        for computation in &program.computations {
            let caller = computation.caller.map_or("", |caller| program.at(caller).opcode);
            // What a reduction does with two elements, or a fusion with its own, is no kernel.
            if !(caller.is_empty() || runs_others(caller)) {
                continue;
            }
            for id in computation.instructions.clone() {
                if runs_others(program.at(id).opcode) {
                    bodies.push(id);
                } else {
                    compiler.add(id);
                }
            }
        }
        let Compiler { traced, operations, mut compiled, .. } = compiler;
        if let Some(traced) = traced {
            compiled.edges = edges(traced.dataflow(), &operations);
        }
        compiled.operations.iter_mut().for_each(Operation::complete);
        bodies.into_iter().for_each(|id| compiled.add_body(program, id));
        compiled
    }

    pub(crate) fn kernel(&self, instruction: &str) -> Option<&Kernel> {
        self.kernels.get(instruction)
    }

    /// Where a GPU runs a whole body as one, the body's kernels are its pieces.
    fn add_body(&mut self, program: &Program, id: InstructionId) {
        let own = program.at(id).calls.iter().map(|&call| program.computation(call));
        // A program in which several call one computation, which XLA makes none of, has it in the first.
        let own = own.filter(|computation| computation.caller == Some(id));
        let kernels = own.flat_map(|computation| computation.instructions.clone());
        // Bodies within the body would be counted once for each that holds them.
        let kernels =
            kernels.filter_map(|id| self.kernels.get(program.at(id).name)).filter(|kernel| !kernel.runs_others);
        let pieces = gathered(kernels.flat_map(|kernel| &kernel.pieces).copied());
        self.kernels.insert(program.at(id).name.to_owned(), Kernel { runs_others: true, pieces });
    }
}

impl Operation {
    /// Where nothing tells the type, as in JAX, the last part of the name is it.
    fn complete(&mut self) {
        if self.kind.is_empty() {
            let last = self.name.rsplit('/').next().unwrap_or("");
            let bare = last.trim_end_matches(|part: char| part.is_ascii_digit());
            self.kind = bare.strip_suffix('_').unwrap_or(last).to_owned();
        }
    }

    /// Floating-point operations of one of its kernels, in the mean: an operation may be spread over several.
    pub(crate) fn flops(&self) -> Option<f64> {
        Some(self.flops? / f64::from(self.kernels.max(1)))
    }
}

/// Instructions that execute others, by their opcode.
pub(crate) fn runs_others(opcode: &str) -> bool {
    matches!(opcode, "while" | "call" | "conditional" | "async-start")
}

struct Compiler<'p, 'a> {
    program: &'p Program<'a>,
    /// Made for the first instruction without a name.
    dataflow: Option<Dataflow<'p, 'a>>,
    traced: Option<Traced<'p, 'a>>,
    compiled: Compiled,
    /// By what tells operations apart, indexes into [`Compiled::operations`].
    numbers: FxHashMap<(String, Option<Origin>), u32>,
    /// By instruction, which operation it is part of: index into [`Compiled::operations`].
    operations: Vec<Option<u32>>,
    /// Each fused computation belongs to one fusion; a program that says otherwise has it in the first.
    expanded: Vec<bool>,
}

impl Compiler<'_, '_> {
    fn add(&mut self, id: InstructionId) {
        let program = self.program;
        let members = self.members(id);
        let named = members.iter().filter(|&&member| self.is_named(member));
        let weighed: Vec<_> = named.map(|&member| (member, weight(program, member))).collect();
        let mut pieces = Vec::new();
        for (member, weight) in weighed.into_iter().filter(|(_, weight)| *weight > 0) {
            let operation = self.operation_of(member);
            self.operations[member as usize] = Some(operation);
            self.count(operation, flops(program, member));
            pieces.push(Piece { operation, weight });
        }
        if pieces.is_empty() {
            let operation = self.whole(id);
            members.iter().for_each(|&member| self.operations[member as usize] = Some(operation));
            self.count(operation, members.iter().map(|&member| flops(program, member)).sum());
            pieces.push(Piece { operation, weight: 1 });
        }
        let pieces = gathered(pieces.into_iter());
        for piece in &pieces {
            self.compiled.operations[piece.operation as usize].kernels += 1;
        }
        self.compiled.kernels.insert(program.at(id).name.to_owned(), Kernel { runs_others: false, pieces });
    }

    /// The instruction itself, or all that it fuses.
    fn members(&mut self, id: InstructionId) -> Vec<InstructionId> {
        let (mut waiting, mut members) = (vec![id], Vec::new());
        while let Some(id) = waiting.pop() {
            let instruction = self.program.at(id);
            match instruction.calls.first().filter(|_| instruction.opcode == "fusion") {
                Some(&call) if !std::mem::replace(&mut self.expanded[call as usize], true) => {
                    waiting.extend(self.program.computation(call).instructions.clone().rev());
                }
                _ => members.push(id),
            }
        }
        members
    }

    /// The one operation of a kernel none of whose members both has a name and computes.
    fn whole(&mut self, id: InstructionId) -> u32 {
        let program = self.program;
        let instruction = program.at(id);
        if self.is_named(id) {
            return self.operation_of(id);
        }
        match self.dataflow.get_or_insert_with(|| Dataflow::of(program)).served(id) {
            Served::Operation(named) => self.operation_of(named),
            Served::Scope(scope) => {
                let origin = self.traced.as_ref().map(|traced| traced.origin(id));
                self.operation(&format!("{scope}/{}", instruction.opcode), instruction.opcode, origin)
            }
            Served::Nobody => {
                let origin = self.traced.as_ref().map(|traced| traced.origin(id));
                self.operation(instruction.name, instruction.opcode, origin)
            }
        }
    }

    /// Its own name leads to an operation; JAX calls copies of arguments as the arguments.
    fn is_named(&self, id: InstructionId) -> bool {
        let name = self.program.at(id).op_name;
        is_operation(name) && (self.traced.is_none() || is_traced(name))
    }

    fn operation_of(&mut self, named: InstructionId) -> u32 {
        let instruction = self.program.at(named);
        let origin = self.traced.as_ref().map(|traced| traced.origin(named));
        let operation = self.operation(instruction.op_name, instruction.op_type, origin);
        let kind = &mut self.compiled.operations[operation as usize].kind;
        // XLA forgets the type where it replaces what an operation did, and JAX has none but for the name's last part,
        // which a product for a gradient has of the transposition around it.
        match instruction.opcode {
            "dot" if self.traced.is_some() => "dot_general".clone_into(kind),
            "convolution" if self.traced.is_some() => "conv_general_dilated".clone_into(kind),
            opcode if self.traced.is_some() && is_combined(instruction.op_name) => opcode.clone_into(kind),
            _ if kind.is_empty() => instruction.op_type.clone_into(kind),
            _ => {}
        }
        operation
    }

    fn operation(&mut self, name: &str, kind: &str, origin: Option<Origin>) -> u32 {
        let key = (name.to_owned(), origin);
        if let Some(&known) = self.numbers.get(&key) {
            return known;
        }
        let operations = &mut self.compiled.operations;
        // As many as the program has instructions at most.
        let number = operations.len() as u32;
        let (name, origin) = key.clone();
        operations.push(Operation { name, kind: kind.to_owned(), origin, flops: Some(0.0), kernels: 0 });
        self.numbers.insert(key, number);
        number
    }

    fn count(&mut self, operation: u32, flops: Option<f64>) {
        let sum = &mut self.compiled.operations[operation as usize].flops;
        *sum = sum.zip(flops).map(|(sum, flops)| sum + flops);
    }
}

/// One piece for each operation, in the order of their first.
fn gathered(pieces: impl Iterator<Item = Piece>) -> Vec<Piece> {
    let mut places: FxHashMap<u32, usize> = FxHashMap::default();
    let mut gathered: Vec<Piece> = Vec::new();
    for piece in pieces {
        let place = *places.entry(piece.operation).or_insert(gathered.len());
        match gathered.get_mut(place) {
            Some(first) => first.weight = first.weight.saturating_add(piece.weight),
            None => gathered.push(piece),
        }
    }
    gathered
}
