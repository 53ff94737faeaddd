//! What a program that JAX made says of an instruction beside its name: whom it works for, as the dataflow tells.

use rustc_hash::FxHashMap;

use super::dataflow::{Dataflow, walk};
use super::program::{InstructionId, Program};
use crate::profiler::jax::{Name, Origin, Pass, common};

/// A program of JAX's.
#[derive(Debug)]
pub(super) struct Traced<'p, 'a> {
    dataflow: Dataflow<'p, 'a>,
    names: FxHashMap<&'a str, Known>,
    trains: bool,
}

/// What is asked of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    pass: Pass,
    scoped: bool,
}

/// Instructions after one whose arguments are looked at: an optimizer's chain for one parameter takes some thirty.
const MOST_OTHERS: usize = 32;

const UNNAMED: Known = Known { pass: Pass::Outside, scoped: false };

impl<'p, 'a> Traced<'p, 'a> {
    /// `None` where another framework made the program.
    pub(super) fn of(program: &'p Program<'a>) -> Option<Self> {
        if !program.is_jax() {
            return None;
        }
        let mut names: FxHashMap<&'a str, Known> = FxHashMap::default();
        for instruction in program.instructions.iter().filter(|instruction| !instruction.op_name.is_empty()) {
            names.entry(instruction.op_name).or_insert_with(|| {
                let name = Name::of(instruction.op_name);
                Known { pass: name.pass, scoped: !name.scopes.is_empty() }
            });
        }
        let trains = names.values().any(|known| known.pass == Pass::Backward);
        Some(Self { dataflow: Dataflow::of(program), names, trains })
    }

    pub(super) fn dataflow(&self) -> &Dataflow<'p, 'a> {
        &self.dataflow
    }

    pub(super) fn origin(&self, id: InstructionId) -> Origin {
        let mut origin = Origin { trains: self.trains, ..Origin::default() };
        match self.known(id) {
            Known { pass: Pass::Forward, scoped: false } => {
                origin.served = self.served(id, |id| self.dataflow.reading(id), Pass::Forward);
            }
            Known { pass: Pass::Backward, scoped: false } => {
                origin.served = self.served(id, |id| self.dataflow.feeding(id), Pass::Backward);
            }
            Known { pass: Pass::Outside, .. } => self.outside(id, &mut origin),
            Known { scoped: true, .. } => {}
        }
        origin
    }

    fn known(&self, id: InstructionId) -> Known {
        self.names.get(self.dataflow.program.at(id).op_name).copied().unwrap_or(UNNAMED)
    }

    fn name(&self, id: InstructionId) -> String {
        self.dataflow.program.at(id).op_name.to_owned()
    }

    /// The nearest instruction with a scope in the same pass, through those of the pass that have none.
    fn served(
        &self,
        id: InstructionId,
        next: impl Fn(InstructionId) -> Vec<InstructionId>,
        pass: Pass,
    ) -> Option<String> {
        let mut found = None;
        walk(id, next, |id| {
            let known = self.known(id);
            if known.pass == pass && known.scoped {
                found.get_or_insert_with(|| self.name(id));
            }
            found.is_none() && (known.pass == pass || known.pass == Pass::Outside)
        });
        found
    }

    /// Before what is differentiated, after it, or beside it.
    fn outside(&self, id: InstructionId, origin: &mut Origin) {
        let (mut before, mut after_backward, mut after_forward) = (None, false, false);
        walk(
            id,
            |id| self.dataflow.reading(id),
            |id| {
                let known = self.known(id);
                if known.pass == Pass::Forward && (known.scoped || before.is_none()) {
                    before = Some(self.name(id));
                }
                known.pass == Pass::Outside
            },
        );
        walk(
            id,
            |id| self.dataflow.feeding(id),
            |id| {
                let known = self.known(id);
                after_backward |= known.pass == Pass::Backward;
                after_forward |= known.pass == Pass::Forward;
                known.pass == Pass::Outside
            },
        );
        if !after_backward && before.is_some() {
            origin.served = before;
            return;
        }
        if !self.is_combined(id) {
            self.updates(id, origin);
        }
        origin.measures = self.trains && after_forward && !after_backward && origin.argument.is_none();
    }

    /// The arguments and gradients of the instruction's own size that it works on, or works on with others: a norm over
    /// all gradients is none.
    fn updates(&self, id: InstructionId, origin: &mut Origin) {
        let mut arguments = self.worked_on(id, origin);
        if arguments.is_empty() {
            let mut others = Vec::new();
            walk(
                id,
                |id| self.dataflow.reading(id),
                |other| {
                    let goes_on = self.is_alike(id, other) && self.known(other).pass == Pass::Outside;
                    others.extend(goes_on.then_some(other));
                    goes_on && others.len() < MOST_OTHERS
                },
            );
            arguments = others.into_iter().flat_map(|other| self.worked_on(other, &mut Origin::default())).collect();
        }
        origin.argument = common(&arguments);
    }

    /// Whether it exchanges several arrays between devices at once: many layers' gradients, and no one's alone.
    fn is_combined(&self, id: InstructionId) -> bool {
        let instruction = self.dataflow.program.at(id);
        let exchanges = ["all-", "reduce-scatter", "collective-"];
        exchanges.iter().any(|prefix| instruction.opcode.starts_with(prefix)) && instruction.operands.len() > 1
    }

    fn is_alike(&self, one: InstructionId, other: InstructionId) -> bool {
        self.dataflow.program.at(one).shape.elements == self.dataflow.program.at(other).shape.elements
    }

    fn worked_on(&self, id: InstructionId, origin: &mut Origin) -> Vec<&'a str> {
        let mut arguments = Vec::new();
        walk(
            id,
            |id| self.dataflow.feeding(id),
            |found| {
                if !self.is_alike(id, found) {
                    return false;
                }
                let instruction = self.dataflow.program.at(found);
                if instruction.opcode == "parameter" {
                    arguments.extend(Some(instruction.op_name).filter(|argument| !argument.is_empty()));
                    return false;
                }
                let known = self.known(found);
                if known.pass == Pass::Backward && (known.scoped || origin.gradient.is_none()) {
                    origin.gradient = Some(self.name(found));
                }
                known.pass == Pass::Outside
            },
        );
        arguments
    }
}
