//! GraphDef and RunMetadata → graphs.

use prost::{DecodeError, Message as _};
use rustc_hash::FxHashMap;

use super::{Attributes, Graph, Node, NodeId};
use crate::profiler::Shape;
use crate::wire::tensorflow::attr_value::ListValue;
use crate::wire::tensorflow::{AttrValue, FunctionDef, GraphDef, NodeDef, RunMetadata, TensorShapeProto};

pub(super) fn graph_def(bytes: &[u8]) -> Result<Graph, DecodeError> {
    Ok(graph(GraphDef::decode(bytes)?, false))
}

pub(super) fn run_metadata(bytes: &[u8]) -> Result<Vec<Graph>, DecodeError> {
    let metadata = RunMetadata::decode(bytes)?;
    let mut executed: Vec<_> = metadata.partition_graphs.into_iter().map(|def| graph(def, true)).collect();
    let mut traced = Vec::new();
    for function in metadata.function_graphs {
        executed.extend(function.partition_graphs.into_iter().map(|def| graph(def, true)));
        traced.extend(function.pre_optimization_graph.map(|def| graph(def, false)));
    }
    // Where two graphs use one name the larger keeps it: it is the step.
    executed.sort_by_key(|graph| std::cmp::Reverse(graph.nodes.len()));
    traced.sort_by_key(|graph| std::cmp::Reverse(graph.nodes.len()));
    executed.append(&mut traced);
    Ok(executed)
}

fn graph(def: GraphDef, executed: bool) -> Graph {
    // What a graph that was executed calls, XLA compiled, or it ran in a graph of its own.
    let library = def.library.filter(|_| !executed);
    let functions = library.map(|library| library.function).unwrap_or_default();
    let mut bodies: Vec<Body> = functions.into_iter().map(Body::of).collect();
    bodies.push(Body { nodes: def.node, ..Body::default() });
    // Where two bodies use one name the larger body keeps it: it is the training step.
    bodies.sort_by_key(|body| std::cmp::Reverse(body.nodes.len()));
    let mut graph = Graph { executed, ..Graph::default() };
    let mut functions: FxHashMap<String, Vec<Option<NodeId>>> = FxHashMap::default();
    let mut calls = Vec::new();
    for body in bodies {
        let own = add(&mut graph, body.nodes, &mut calls);
        let arguments = body.arguments.iter().map(|argument| own.get(argument).copied()).collect();
        functions.insert(body.name, arguments);
        for (name, id) in own {
            graph.by_name.entry(name).or_insert(id);
        }
    }
    for (caller, function) in calls {
        if let Some(arguments) = functions.get(&function) {
            link(&mut graph, caller, arguments);
        }
    }
    graph
}

/// The main graph, or a function.
#[derive(Default)]
struct Body {
    name: String,
    arguments: Vec<String>,
    nodes: Vec<NodeDef>,
}

impl Body {
    fn of(function: FunctionDef) -> Self {
        let signature = function.signature.unwrap_or_default();
        let arguments = signature.input_arg.into_iter().map(|argument| argument.name).collect();
        Self { name: signature.name, arguments, nodes: function.node_def }
    }
}

/// Adds a body's nodes and wires them; returns them by name. `calls` gets each node that runs a function, and its name.
fn add(graph: &mut Graph, body: Vec<NodeDef>, calls: &mut Vec<(NodeId, String)>) -> FxHashMap<String, NodeId> {
    let first = graph.nodes.len();
    // Names are unique within a body; a hostile one that repeats some keeps the first.
    let mut own: FxHashMap<String, NodeId> = FxHashMap::default();
    let mut wiring = Vec::with_capacity(body.len());
    for def in body {
        let called = def.attr.values().filter_map(|value| value.func.as_ref());
        let called = called.chain(def.attr.values().flat_map(|value| value.list.iter().flat_map(|list| &list.func)));
        calls.extend(called.map(|function| (graph.nodes.len() as NodeId, function.name.clone())));
        let id = push(graph, def.name, def.op, attributes(&def.attr));
        own.entry(graph.nodes[id as usize].name.clone()).or_insert(id);
        wiring.push(def.input);
    }
    for (consumer, inputs) in (first..).zip(wiring) {
        for input in inputs {
            let (name, port) = match input.strip_prefix('^') {
                Some(name) => (name, None),
                None => (input.split(':').next().unwrap_or(&input), Some(port(&input))),
            };
            let producer = match own.get(name) {
                Some(&producer) => producer,
                None => {
                    let argument = push(graph, name.to_owned(), "_Arg".into(), Attributes::default());
                    own.insert(name.to_owned(), argument);
                    argument
                }
            };
            match port {
                Some(port) => connect(graph, producer, port, consumer),
                None => graph.nodes[consumer].controls.push(producer),
            }
        }
    }
    own
}

fn connect(graph: &mut Graph, producer: NodeId, port: usize, consumer: usize) {
    graph.nodes[consumer].inputs.push(producer);
    graph.nodes[consumer].ports.push(port);
    let consumers = &mut graph.nodes[producer as usize].consumers;
    if consumers.last() != Some(&(consumer as NodeId)) {
        consumers.push(consumer as NodeId);
    }
}

/// Lets the arguments of a function take what its caller gives.
fn link(graph: &mut Graph, caller: NodeId, arguments: &[Option<NodeId>]) {
    let call = &graph.nodes[caller as usize];
    // The first input of a branch says which one runs.
    let skipped = usize::from(call.op.ends_with("If") || call.op.ends_with("Case"));
    let given: Vec<_> = call.inputs.iter().copied().zip(call.ports.iter().copied()).skip(skipped).collect();
    for (&argument, (producer, port)) in arguments.iter().zip(given) {
        if let Some(argument) = argument {
            connect(graph, producer, port, argument as usize);
        }
    }
}

fn push(graph: &mut Graph, name: String, op: String, attributes: Attributes) -> NodeId {
    graph.nodes.push(Node { name, op, attributes, ..Node::default() });
    // A node takes more than one byte of a GraphDef, which is limited to 2 GiB.
    (graph.nodes.len() - 1) as NodeId
}

/// `node:1` is result 1; `node:output:0`, as functions write it, result 0 of those that its type calls `output`.
fn port(input: &str) -> usize {
    input.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0)
}

fn attributes(of: &std::collections::HashMap<String, AttrValue>) -> Attributes {
    let text = |name: &str| of.get(name).map_or(String::new(), |value| String::from_utf8_lossy(&value.s).into_owned());
    let list = |name: &str| of.get(name).and_then(|value| value.list.as_ref());
    let shapes = |list: &ListValue| list.shape.iter().map(shape).collect();
    let fused = |list: &ListValue| list.s.iter().map(|op| String::from_utf8_lossy(op).into_owned()).collect();
    Attributes {
        argument: text("_user_specified_name"),
        equation: text("equation"),
        window: list("ksize").map_or(Vec::new(), |list| list.i.clone()),
        fused: list("fused_ops").map_or(Vec::new(), fused),
        shapes: list("_output_shapes").map_or(Vec::new(), shapes),
    }
}

/// `None` where a dimension is unknown.
pub(crate) fn shape(of: &TensorShapeProto) -> Option<Shape> {
    let sizes: Shape = of.dim.iter().map(|dim| dim.size).collect();
    (!of.unknown_rank && sizes.iter().all(|&size| size >= 0)).then_some(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tensorflow::op_def::ArgDef;
    use crate::wire::tensorflow::{FunctionDefLibrary, NameAttrList, OpDef};

    fn node(name: &str, op: &str, input: &[&str]) -> NodeDef {
        NodeDef {
            name: name.into(),
            op: op.into(),
            input: input.iter().map(|&input| input.into()).collect(),
            ..NodeDef::default()
        }
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
        let graph = graph_def(&def.encode_to_vec()).unwrap();
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
        assert!(graph_def(&[0x0a, 0xff]).is_err());
    }

    #[test]
    fn arguments_of_a_function_take_what_its_caller_gives() {
        let function = FunctionDef {
            signature: Some(OpDef { name: "step".into(), input_arg: vec![ArgDef { name: "resource".into() }] }),
            node_def: vec![node("read", "ReadVariableOp", &["resource"])],
        };
        let mut call = node("call", "StatefulPartitionedCall", &["kernel"]);
        let callee = NameAttrList { name: "step".into() };
        call.attr.insert("f".into(), AttrValue { func: Some(callee), ..AttrValue::default() });
        let def = GraphDef {
            node: vec![node("kernel", "VarHandleOp", &[]), call],
            library: Some(FunctionDefLibrary { function: vec![function] }),
        };
        let graph = graph_def(&def.encode_to_vec()).unwrap();
        let argument = graph.node(graph.find("read").unwrap()).inputs[0];
        assert_eq!(graph.node(argument).inputs, [graph.find("kernel").unwrap()]);
    }
}
