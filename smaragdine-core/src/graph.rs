//! A TensorFlow graph with its function library: which operation feeds which.

use prost::Message as _;
use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::wire::tensorflow::{GraphDef, NodeDef};

/// The nodes of a graph and of all functions in its library, each body apart, found by name.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    by_name: FxHashMap<String, NodeId>,
}

/// Index of a node within its graph.
pub type NodeId = u32;

/// One operation of a graph, or one argument of a function.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    pub name: String,
    /// Its type; `_Arg` for an argument.
    pub op: String,
    /// Where its data comes from, in order, each node once for each tensor.
    pub inputs: Vec<NodeId>,
    /// What must run before it without giving data.
    pub controls: Vec<NodeId>,
    /// Whom its data feeds.
    pub consumers: Vec<NodeId>,
}

impl Graph {
    /// Decodes the bytes of a GraphDef.
    ///
    /// # Errors
    ///
    /// [`Error::Undecodable`] where the bytes are no GraphDef. Names that lead nowhere are arguments, never errors.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let def = GraphDef::decode(bytes)
            .map_err(|error| Error::Undecodable { what: "the graph (GraphDef)", problem: error.to_string() })?;
        let functions = def.library.map(|library| library.function).unwrap_or_default();
        let mut bodies: Vec<Vec<NodeDef>> = functions.into_iter().map(|function| function.node_def).collect();
        bodies.push(def.node);
        // Where two bodies use one name the larger body keeps it: it is the training step.
        bodies.sort_by_key(|body| std::cmp::Reverse(body.len()));
        let mut graph = Self::default();
        for body in bodies {
            graph.add(body);
        }
        Ok(graph)
    }

    #[must_use]
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.by_name.get(name).copied()
    }

    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    fn add(&mut self, body: Vec<NodeDef>) {
        let first = self.nodes.len();
        // Names are unique within a body; a hostile one that repeats some keeps the first.
        let mut own: FxHashMap<String, NodeId> = FxHashMap::default();
        let mut wiring = Vec::with_capacity(body.len());
        for def in body {
            let id = self.push(def.name, def.op);
            own.entry(self.nodes[id as usize].name.clone()).or_insert(id);
            wiring.push(def.input);
        }
        for (consumer, inputs) in (first..).zip(wiring) {
            let consumer = consumer as NodeId;
            for input in inputs {
                let (name, control) = match input.strip_prefix('^') {
                    Some(name) => (name, true),
                    None => (input.split(':').next().unwrap_or(&input), false),
                };
                let producer = match own.get(name) {
                    Some(&producer) => producer,
                    None => {
                        let argument = self.push(name.to_owned(), "_Arg".into());
                        own.insert(name.to_owned(), argument);
                        argument
                    }
                };
                if control {
                    self.nodes[consumer as usize].controls.push(producer);
                } else {
                    self.nodes[consumer as usize].inputs.push(producer);
                    let consumers = &mut self.nodes[producer as usize].consumers;
                    if consumers.last() != Some(&consumer) {
                        consumers.push(consumer);
                    }
                }
            }
        }
        for (name, id) in own {
            self.by_name.entry(name).or_insert(id);
        }
    }

    fn push(&mut self, name: String, op: String) -> NodeId {
        self.nodes.push(Node { name, op, ..Node::default() });
        // A node takes more than one byte of a GraphDef, which is limited to 2 GiB.
        (self.nodes.len() - 1) as NodeId
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tensorflow::{FunctionDef, FunctionDefLibrary};

    fn node(name: &str, op: &str, input: &[&str]) -> NodeDef {
        NodeDef { name: name.into(), op: op.into(), input: input.iter().map(|&input| input.into()).collect() }
    }

    #[test]
    fn nodes_of_functions_are_wired_within_their_body() {
        let body = vec![
            node("x", "MatMul", &["argument", "argument:output:0"]),
            node("y", "AddN", &["x:product:0", "x:product:0", "^x"]),
        ];
        let def = GraphDef {
            node: vec![node("x", "Const", &[])],
            library: Some(FunctionDefLibrary { function: vec![FunctionDef { signature: None, node_def: body }] }),
        };
        let graph = Graph::decode(&def.encode_to_vec()).unwrap();
        let x = graph.find("x").unwrap();
        assert_eq!(graph.node(x).op, "MatMul", "the larger body keeps the name");
        assert_eq!(graph.node(graph.node(x).inputs[0]).op, "_Arg");
        let y = graph.find("y").unwrap();
        assert_eq!(graph.node(y).inputs, [x, x]);
        assert_eq!(graph.node(y).controls, [x]);
        assert_eq!(graph.node(x).consumers, [y]);
    }

    #[test]
    fn bytes_that_are_no_graph_are_refused() {
        assert!(Graph::decode(&[0x0a, 0xff]).is_err());
    }
}
