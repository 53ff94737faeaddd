//! What the graphs tell of the operations that ran: which feed which, and which the profiler did not show.

use rustc_hash::{FxHashMap, FxHashSet};

use super::Namer;
use crate::profiler::RawOp;
use crate::profiler::tensorflow::graph::{Graph, NodeId};
use crate::profiler::tensorflow::xplane::contains_others;
use crate::trace::Op;

/// Operations that are looked through, or found, behind one: fused and hidden ones are some ten. A hostile graph in
/// which all take what all make would have as many edges as pairs.
const REACH: usize = 1024;

impl Namer {
    /// Which operations feed which, as pairs of indexes into `ops`. Operations that `ops` lacks, because they never ran
    /// or were optimised away, are looked through. Sorted, without repetition.
    ///
    /// An operation's inputs are those in the first graph that knows it, and in all that were executed. Constants feed
    /// nothing: TensorFlow merges equal ones, and one layer's then serves all others.
    #[must_use]
    pub fn edges(&self, ops: &[Op]) -> Vec<(u32, u32)> {
        let first: Vec<Option<usize>> = ops.iter().map(|op| Some(self.node(&op.raw_name)?.0)).collect();
        let mut edges = Vec::new();
        for (index, graph) in self.graphs.iter().enumerate() {
            let mut known: FxHashMap<NodeId, u32> = FxHashMap::default();
            for (op, number) in ops.iter().zip(0_u32..) {
                if let Some(node) = self.find(graph, &op.raw_name) {
                    known.entry(node).or_insert(number);
                }
            }
            for (&node, &to) in known.iter().filter(|(_, to)| graph.executed || first[**to as usize] == Some(index)) {
                let mut visited: FxHashSet<NodeId> = FxHashSet::default();
                let inputs = |node: NodeId| graph.node(node).inputs.iter().take(2 * REACH);
                let mut waiting: Vec<NodeId> = inputs(node).copied().collect();
                while let Some(input) = waiting.pop() {
                    if visited.len() >= REACH {
                        break;
                    }
                    if !visited.insert(input) {
                        continue;
                    }
                    match known.get(&input) {
                        Some(_) if graph.node(input).op == "Const" => {}
                        Some(&from) => edges.push((from, to)),
                        None => waiting.extend(inputs(input)),
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

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::profiler::tensorflow::names::Model;
    use crate::wire::tensorflow::{GraphDef, NodeDef};

    fn graph(executed: bool, nodes: &[(&str, &[&str])]) -> Graph {
        let node = |(name, inputs): &(&str, &[&str])| NodeDef {
            name: (*name).into(),
            op: if name.ends_with("const") { "Const" } else { "Mul" }.into(),
            input: inputs.iter().map(|&input| input.into()).collect(),
            ..NodeDef::default()
        };
        let def = GraphDef { node: nodes.iter().map(node).collect(), ..GraphDef::default() };
        let mut graph = Graph::decode(&def.encode_to_vec()).unwrap();
        graph.executed = executed;
        graph
    }

    fn edges(graphs: Vec<Graph>, names: &[&str]) -> Vec<(String, String)> {
        let namer = Namer::new(Model::default(), graphs);
        let raw = |name: &&str| RawOp { raw_name: (*name).into(), kind: "Mul".into(), ..RawOp::default() };
        let ops: Vec<Op> = names.iter().map(|name| namer.name(&raw(name))).collect();
        let raw_name = |op: u32| ops[op as usize].raw_name.clone();
        namer.edges(&ops).into_iter().map(|(from, to)| (raw_name(from), raw_name(to))).collect()
    }

    #[test]
    fn a_constant_that_layers_share_feeds_none_of_them() {
        let shared: [(&str, &[&str]); 3] =
            [("m/b/const", &[]), ("m/a", &["m/b/const"]), ("m/b", &["m/a", "m/b/const"])];
        let names = ["m/b/const", "m/a", "m/b"];
        assert_eq!(edges(vec![graph(true, &shared)], &names), [("m/a".to_owned(), "m/b".to_owned())]);
    }

    #[test]
    fn what_another_graph_knows_is_not_looked_through() {
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let plain: [(&str, &[&str]); 3] = [("m/a", &[]), ("m/b", &["m/a"]), ("m/c", &["m/b"])];
        let more: [(&str, &[&str]); 5] =
            [("m/a", &[]), ("m/x", &["m/a"]), ("m/b", &["m/x"]), ("m/y", &["m/b"]), ("m/c", &["m/y"])];
        let names = ["m/a", "m/b", "m/c", "m/x", "m/y"];
        let by_one_graph = [pair("m/a", "m/b"), pair("m/a", "m/x"), pair("m/b", "m/c"), pair("m/b", "m/y")];
        assert_eq!(edges(vec![graph(true, &plain), graph(false, &more)], &names), by_one_graph);
        let by_both = edges(vec![graph(true, &plain), graph(true, &more)], &names);
        assert!(by_one_graph.iter().all(|edge| by_both.contains(edge)));
        assert!(by_both.contains(&pair("m/x", "m/b")));
        assert!(!by_both.contains(&pair("m/x", "m/y")));
    }
}
