//! What reads and feeds an instruction, through fusions, calls, tuples and into loops.

use rustc_hash::FxHashSet;

use super::program::{InstructionId, Program};

/// Instructions that a walk visits at most, and that it looks at around one.
const REACH: usize = 256;
/// Tuples and fusions within each other that one step of a walk goes through.
const DEPTH: usize = 16;

/// A program with, for each instruction, those that read it.
#[derive(Debug)]
pub(super) struct Dataflow<'p, 'a> {
    pub(super) program: &'p Program<'a>,
    readers: Vec<Vec<InstructionId>>,
}

impl<'p, 'a> Dataflow<'p, 'a> {
    pub(super) fn of(program: &'p Program<'a>) -> Self {
        let mut readers = vec![Vec::new(); program.instructions.len()];
        for (reader, instruction) in (0..).zip(&program.instructions) {
            for &operand in &instruction.operands {
                readers[operand as usize].push(reader);
            }
        }
        Self { program, readers }
    }

    /// The instructions that read `id` as it stands in the program.
    pub(super) fn direct_readers(&self, id: InstructionId) -> &[InstructionId] {
        &self.readers[id as usize]
    }

    /// The instructions that compute what `id` reads. Those that only hand on are looked through, into fusions and
    /// loops and out of them; what a loop's next turn reads of the last one is not.
    pub(super) fn feeding(&self, id: InstructionId) -> Vec<InstructionId> {
        let mut found = Vec::new();
        for &operand in self.program.at(id).operands.iter().take(REACH) {
            self.made_by(operand, DEPTH, &mut found);
        }
        found
    }

    fn made_by(&self, id: InstructionId, depth: usize, found: &mut Vec<InstructionId>) {
        let instruction = self.program.at(id);
        if depth == 0 || found.len() >= REACH {
            return;
        }
        match instruction.opcode {
            "fusion" | "call" => match self.root(id) {
                Some(root) => self.made_by(root, depth - 1, found),
                None => found.push(id),
            },
            "parameter" => match self.argument(id) {
                Some(argument) => self.made_by(argument, depth - 1, found),
                None => found.push(id),
            },
            "get-tuple-element" => {
                let Some(&whole) = instruction.operands.first() else { return };
                if let Some(part) = self.part(whole, instruction.tuple_index) {
                    self.made_by(part, depth - 1, found);
                }
            }
            "bitcast" | "reshape" | "copy" | "broadcast" if instruction.op_name.is_empty() => {
                instruction.operands.iter().take(1).for_each(|&operand| self.made_by(operand, depth - 1, found));
            }
            _ => found.push(id),
        }
    }

    /// The instructions that compute with what `id` makes; loops are entered, and not gone round.
    pub(super) fn reading(&self, id: InstructionId) -> Vec<InstructionId> {
        let mut found = Vec::new();
        self.read_by(id, DEPTH, &mut found);
        found
    }

    fn read_by(&self, id: InstructionId, depth: usize, found: &mut Vec<InstructionId>) {
        if depth == 0 || found.len() >= REACH {
            return;
        }
        for &reader in self.readers[id as usize].iter().take(REACH) {
            let instruction = self.program.at(reader);
            match instruction.opcode {
                "fusion" | "call" => {
                    let Some(&call) = instruction.calls.first() else { continue };
                    let parameters = &self.program.computation(call).parameters;
                    for (_, &parameter) in
                        instruction.operands.iter().zip(parameters).filter(|(operand, _)| **operand == id)
                    {
                        self.read_by(parameter, depth - 1, found);
                    }
                }
                "tuple" => {
                    let places = instruction.operands.iter().enumerate().filter(|(_, operand)| **operand == id);
                    for (place, _) in places.take(REACH) {
                        self.part_read_by(reader, place, depth - 1, found);
                    }
                }
                "bitcast" | "reshape" | "copy" | "broadcast" if instruction.op_name.is_empty() => {
                    self.read_by(reader, depth - 1, found);
                }
                _ => found.push(reader),
            }
        }
        // What a fusion makes, its own readers read.
        if let Some(caller) = self.returned(id) {
            self.read_by(caller, depth - 1, found);
        }
    }

    /// Adds what reads the element at `place` of a tuple.
    fn part_read_by(&self, tuple: InstructionId, place: usize, depth: usize, found: &mut Vec<InstructionId>) {
        if depth == 0 {
            return;
        }
        for &reader in self.readers[tuple as usize].iter().take(REACH) {
            let instruction = self.program.at(reader);
            match instruction.opcode {
                "get-tuple-element" if instruction.tuple_index == place => self.read_by(reader, depth - 1, found),
                "while" => {
                    for &call in &instruction.calls {
                        let parameters = &self.program.computation(call).parameters;
                        parameters.iter().for_each(|&one| self.part_read_by(one, place, depth - 1, found));
                    }
                }
                _ => {}
            }
        }
        if let Some(caller) = self.returned(tuple) {
            self.part_read_by(caller, place, depth - 1, found);
        }
    }

    /// The fusion or call that returns what `id` makes.
    fn returned(&self, id: InstructionId) -> Option<InstructionId> {
        let computation = self.program.computation(self.program.at(id).computation);
        let caller = computation.caller.filter(|_| computation.root == Some(id))?;
        matches!(self.program.at(caller).opcode, "fusion" | "call").then_some(caller)
    }

    fn root(&self, caller: InstructionId) -> Option<InstructionId> {
        self.program.computation(*self.program.at(caller).calls.first()?).root
    }

    /// What the fusion or call around a parameter hands it; `None` for an argument of the program, or of a loop.
    fn argument(&self, parameter: InstructionId) -> Option<InstructionId> {
        let computation = self.program.computation(self.program.at(parameter).computation);
        let caller = self.program.at(computation.caller?);
        let number = computation.parameters.iter().position(|own| *own == parameter)?;
        matches!(caller.opcode, "fusion" | "call").then(|| caller.operands.get(number).copied()).flatten()
    }

    /// The element at `place` of what `whole` makes.
    fn part(&self, whole: InstructionId, place: usize) -> Option<InstructionId> {
        let mut whole = whole;
        for _ in 0..DEPTH {
            let instruction = self.program.at(whole);
            whole = match instruction.opcode {
                "tuple" => return instruction.operands.get(place).copied(),
                "fusion" | "call" => self.root(whole)?,
                // What the last turn left.
                "while" => instruction.calls.iter().find_map(|&call| {
                    let root = self.program.computation(call).root?;
                    (self.program.at(root).opcode == "tuple").then_some(root)
                })?,
                "parameter" => {
                    let caller = self.program.computation(self.program.at(whole).computation).caller?;
                    match self.program.at(caller).opcode {
                        "while" => *self.program.at(caller).operands.first()?,
                        _ => self.argument(whole)?,
                    }
                }
                _ => return None,
            };
        }
        None
    }
}

/// Visits what `next` leads to from `id`, breadth first, each once and not too many: `enter` says whether to go on
/// behind one.
pub(super) fn walk(
    id: InstructionId,
    next: impl Fn(InstructionId) -> Vec<InstructionId>,
    mut enter: impl FnMut(InstructionId) -> bool,
) {
    let (mut waiting, mut index) = (next(id), 0);
    let mut visited: FxHashSet<InstructionId> = FxHashSet::default();
    while let Some(&found) = waiting.get(index) {
        index += 1;
        if visited.len() >= REACH {
            return;
        }
        if visited.insert(found) && enter(found) {
            waiting.extend(next(found));
        }
    }
}
