//! Which operation an instruction that XLA made itself serves, as the dataflow around it tells.

use rustc_hash::FxHashSet;

use super::dataflow::Dataflow;
use super::program::InstructionId;

/// A walk ends after so many instructions: what XLA puts between two operations are few.
const REACH: usize = 64;

/// What the instructions around one without a name say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Served {
    /// The operation that this named instruction came from.
    Operation(InstructionId),
    /// Several operations, all within this scope.
    Scope(String),
    /// Operations that have nothing in common, or none.
    Nobody,
}

impl Dataflow<'_, '_> {
    /// An instruction serves the one operation that reads it; where none does, the one it reads from; where several do
    /// and it is a mere copy, the scope that holds them all.
    pub(super) fn served(&self, id: InstructionId) -> Served {
        let mut around = self.named_readers(id);
        if around.is_empty() {
            around = self.read(id);
        }
        let name = |id: InstructionId| self.program.at(id).op_name;
        let Some((&first, others)) = around.split_first() else { return Served::Nobody };
        if others.iter().all(|&other| name(other) == name(first)) {
            return Served::Operation(first);
        }
        // Heavy work for two operations of the optimizer need not be the optimizer's: a gradient is read there too.
        if self.program.at(id).opcode != "copy" {
            return Served::Nobody;
        }
        let mut scope = name(first).rsplit_once('/').map_or("", |(scope, _)| scope);
        for &other in others {
            scope = common(scope, name(other));
        }
        let passes = ["", "gradient_tape", "gradients"];
        if passes.contains(&scope) { Served::Nobody } else { Served::Scope(scope.to_owned()) }
    }

    /// The nearest named instructions that read `id`, into fusions and out of them.
    fn named_readers(&self, id: InstructionId) -> Vec<InstructionId> {
        walk(id, |id, next, found| {
            for &reader in self.direct_readers(id).iter().take(REACH) {
                let instruction = self.program.at(reader);
                let called = (instruction.opcode == "fusion").then(|| instruction.calls.first()).flatten();
                if let Some(&computation) = called {
                    let parameters = &self.program.computation(computation).parameters;
                    let reads = instruction.operands.iter().zip(parameters).filter(|(operand, _)| **operand == id);
                    next.extend(reads.map(|(_, &parameter)| parameter));
                } else {
                    self.visit(reader, next, found);
                }
            }
            let computation = self.program.computation(self.program.at(id).computation);
            if let (true, Some(caller)) = (computation.root == Some(id), computation.caller) {
                self.visit(caller, next, found);
            }
        })
    }

    /// The nearest named instructions that `id` reads.
    fn read(&self, id: InstructionId) -> Vec<InstructionId> {
        walk(id, |id, next, found| {
            for &operand in self.program.at(id).operands.iter().take(REACH) {
                self.visit(operand, next, found);
            }
        })
    }

    fn visit(&self, id: InstructionId, next: &mut Vec<InstructionId>, found: &mut Vec<InstructionId>) {
        let instruction = self.program.at(id);
        match instruction.opcode {
            // Equal constants of several operations are one instruction with the name of any.
            "parameter" | "constant" => {}
            _ if is_operation(instruction.op_name) => found.push(id),
            _ => next.push(id),
        }
    }
}

/// The name leads to an operation of the framework's: not to what XLA itself calls its arguments and results.
pub(super) fn is_operation(op_name: &str) -> bool {
    !matches!(op_name, "" | "XLA_Args" | "XLA_Retvals")
}

/// Breadth first from `id`; `step` adds where to go on, and what it found.
fn walk(
    id: InstructionId,
    mut step: impl FnMut(InstructionId, &mut Vec<InstructionId>, &mut Vec<InstructionId>),
) -> Vec<InstructionId> {
    let (mut waiting, mut found) = (vec![id], Vec::new());
    let mut visited: FxHashSet<InstructionId> = FxHashSet::default();
    let mut index = 0;
    while let Some(&id) = waiting.get(index) {
        index += 1;
        if visited.len() < REACH && visited.insert(id) {
            step(id, &mut waiting, &mut found);
        }
    }
    found
}

/// The innermost scope that holds `name` and lies around `scope`.
fn common<'a>(scope: &'a str, name: &str) -> &'a str {
    let mut length = 0;
    for (one, other) in scope.split('/').zip(name.split('/')) {
        if one != other {
            break;
        }
        length += one.len() + usize::from(length > 0);
    }
    &scope[..length]
}
