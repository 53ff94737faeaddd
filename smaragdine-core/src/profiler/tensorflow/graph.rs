//! A TensorFlow graph with its function library: which operation feeds which, and of which shape its results are.

mod decode;

use rustc_hash::FxHashMap;

pub(crate) use self::decode::shape;
use crate::error::{Error, Result};
use crate::profiler::Shape;

/// The nodes of a graph and of all functions in its library, each body apart, found by name.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    by_name: FxHashMap<String, NodeId>,
    /// These nodes ran as they are: TensorFlow's optimiser was here already.
    pub executed: bool,
}

/// Index of a node within its graph.
pub type NodeId = u32;

/// One operation of a graph, or one argument of a function.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    pub name: String,
    /// Its type; `_Arg` for an argument.
    pub op: String,
    /// Where its data comes from, in order, each node once for each tensor; an argument's come from the callers.
    pub inputs: Vec<NodeId>,
    /// Which of the producer's results each of `inputs` is.
    pub ports: Vec<usize>,
    /// What must run before it without giving data.
    pub controls: Vec<NodeId>,
    /// Whom its data feeds.
    pub consumers: Vec<NodeId>,
    pub attributes: Attributes,
}

/// What a node says about itself, as far as it is read here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    /// The name of an argument in the user's program; of a variable that a function captures, a name of TensorFlow's.
    pub argument: String,
    /// Of an Einsum, `abc,cd->abd`.
    pub equation: String,
    /// Size of a pooling window by dimension.
    pub window: Vec<i64>,
    /// What runs in one kernel with the operation that the type names, `BiasAdd`, `Relu`.
    pub fused: Vec<String>,
    /// Of the results, in order; `None` where a dimension is unknown.
    pub shapes: Vec<Option<Shape>>,
}

impl Graph {
    /// Decodes the bytes of a GraphDef.
    ///
    /// # Errors
    ///
    /// [`Error::Undecodable`] where the bytes are no GraphDef. Names that lead nowhere are arguments, never errors.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        decode::graph_def(bytes)
            .map_err(|error| Error::Undecodable { what: "the graph (GraphDef)", problem: error.to_string() })
    }

    /// Decodes the graphs in the bytes of a RunMetadata: those that were executed, then those they were made from.
    ///
    /// # Errors
    ///
    /// [`Error::Undecodable`] where the bytes are no RunMetadata.
    pub fn decode_executed(bytes: &[u8]) -> Result<Vec<Self>> {
        decode::run_metadata(bytes).map_err(|error| Error::Undecodable {
            what: "the executed graphs (RunMetadata)",
            problem: error.to_string(),
        })
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

    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        0..self.nodes.len() as NodeId
    }

    /// The shape of the input at `index`, where it is known.
    #[must_use]
    pub fn input_shape(&self, node: &Node, index: usize) -> Option<&Shape> {
        let producer = self.node(*node.inputs.get(index)?);
        producer.attributes.shapes.get(*node.ports.get(index)?)?.as_ref()
    }

    /// Adds the shapes that a node's results were seen to have, where the graph does not tell them.
    pub fn observe(&mut self, name: &str, shapes: &[Option<Shape>]) {
        if let Some(&id) = self.by_name.get(name) {
            let known = &mut self.nodes[id as usize].attributes.shapes;
            if known.iter().all(Option::is_none) {
                known.clear();
                known.extend_from_slice(shapes);
            }
        }
    }
}
