//! What the graphs tell of the operations that ran: which feed which, and which the profiler did not show.

use rustc_hash::{FxHashMap, FxHashSet};

use super::Namer;
use crate::graph::{Graph, NodeId};
use crate::trace::Op;
use crate::xplane::{RawOp, contains_others};

impl Namer {
    /// Which operations feed which, as pairs of indexes into `ops`. Operations that `ops` lacks, because they never ran
    /// or were optimised away, are looked through. Sorted, without repetition.
    #[must_use]
    pub fn edges(&self, ops: &[Op]) -> Vec<(u32, u32)> {
        let mut edges = Vec::new();
        for (index, graph) in self.graphs.iter().enumerate() {
            let mut seen: FxHashMap<NodeId, u32> = FxHashMap::default();
            for (op, number) in ops.iter().zip(0_u32..) {
                if let Some((found, node)) = self.node(&op.raw_name)
                    && found == index
                {
                    seen.entry(node).or_insert(number);
                }
            }
            for (&node, &to) in &seen {
                let mut visited: FxHashSet<NodeId> = FxHashSet::default();
                let mut waiting = graph.node(node).inputs.clone();
                while let Some(input) = waiting.pop() {
                    if !visited.insert(input) {
                        continue;
                    }
                    match seen.get(&input) {
                        Some(&from) => edges.push((from, to)),
                        None => waiting.extend(&graph.node(input).inputs),
                    }
                }
            }
        }
        edges.sort_unstable();
        edges.dedup();
        edges
    }

    /// The operations of the graphs that were executed, in the graphs' order; none where no graph is known in which
    /// anything of `raw_names` ran. A branch that was not taken is in a graph too.
    #[must_use]
    pub fn executed(&self, raw_names: &FxHashSet<&str>) -> Vec<RawOp> {
        let ran = |graph: &&Graph| {
            // Functions of a single operation, which set variables up, share names such as `AddV2`.
            let shown = |name: &str| name.contains('/') && (raw_names.is_empty() || raw_names.contains(name));
            graph.executed && graph.nodes().any(|node| shown(&node.name))
        };
        let mut known: FxHashSet<&str> = FxHashSet::default();
        let nodes = self.graphs.iter().filter(ran).flat_map(Graph::nodes);
        nodes
            .filter(|node| !does_nothing(&node.op) && !contains_others(&node.op) && known.insert(&node.name))
            .map(|node| RawOp { raw_name: node.name.clone(), kind: node.op.clone(), ..RawOp::default() })
            .collect()
    }
}

/// Nodes that hold, pass on or order data.
fn does_nothing(kind: &str) -> bool {
    const KINDS: [&str; 18] = [
        "",
        "Const",
        "ControlTrigger",
        "Enter",
        "Exit",
        "Identity",
        "IdentityN",
        "LoopCond",
        "Merge",
        "NextIteration",
        "NoOp",
        "Placeholder",
        "StopGradient",
        "Switch",
        "VarHandleOp",
        "_Arg",
        "_Retval",
        "_SwitchN",
    ];
    KINDS.contains(&kind)
}
