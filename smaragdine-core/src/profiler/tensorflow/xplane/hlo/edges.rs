//! Which operations of a compiled program feed which.

use rustc_hash::FxHashSet;

use super::dataflow::Dataflow;
use super::program::InstructionId;

/// Pairs of operations, the first of which makes what the second reads; sorted, without repetition. `operations` tells
/// by instruction which operation it is part of; instructions of none are looked through.
pub(super) fn edges(dataflow: &Dataflow, operations: &[Option<u32>]) -> Vec<(u32, u32)> {
    let mut found: FxHashSet<(u32, u32)> = FxHashSet::default();
    let own = (0..).zip(operations).filter_map(|(id, operation): (InstructionId, _)| Some((id, (*operation)?)));
    for (id, to) in own {
        super::dataflow::walk(
            id,
            |id| dataflow.feeding(id),
            |id| {
                let from = operations[id as usize];
                found.extend(from.filter(|from| *from != to).map(|from| (from, to)));
                from.is_none()
            },
        );
    }
    let mut edges: Vec<_> = found.into_iter().collect();
    edges.sort_unstable();
    edges
}
