//! Leads an instruction that XLA compiled back to the framework's operation.

use prost::Message as _;
use rustc_hash::FxHashMap;

use crate::wire::xla::HloProto;

/// The compiled programs of one profile.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    instructions: FxHashMap<(u64, String), Origin>,
}

/// Where an instruction came from. A fusion carries the name of its root alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// `gradient_tape/bert_1/encoder_1/…/MatMul/MatMul_1`
    pub(crate) name: String,
    /// `MatMul`
    pub(crate) kind: String,
}

impl Programs {
    /// Adds the serialised `HloProto` of a program; one that cannot be decoded adds nothing and returns false.
    pub(crate) fn add(&mut self, program: u64, bytes: &[u8]) -> bool {
        let Ok(HloProto { hlo_module: Some(module) }) = HloProto::decode(bytes) else { return false };
        for instruction in module.computations.into_iter().flat_map(|computation| computation.instructions) {
            let Some(metadata) = instruction.metadata.filter(|metadata| !metadata.op_name.is_empty()) else { continue };
            let kind = if metadata.op_type.is_empty() { instruction.opcode } else { metadata.op_type };
            self.instructions.insert((program, instruction.name), Origin { name: metadata.op_name, kind });
        }
        true
    }

    /// What the instruction `name` of `program` came from; `None` for XLA's own, such as copies.
    pub(crate) fn origin(&self, program: u64, name: &str) -> Option<&Origin> {
        // The key owns its text; instructions are looked up once each, not once an execution.
        self.instructions.get(&(program, name.to_owned()))
    }
}
