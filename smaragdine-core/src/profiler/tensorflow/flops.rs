//! Floating-point operations of one execution of a TensorFlow operation, from the shapes that its graph tells.
//!
//! Counted as TensorFlow's own registry does (tensorflow/python/profiler/internal/flops_registry.py), which lacks
//! Einsum, depthwise and transposed convolutions and fused kernels: a multiplication and an addition are two, what is
//! done to each element of a result is one, and what only moves data is none. What neither counts stays unknown.

use rustc_hash::FxHashMap;

use crate::profiler::tensorflow::graph::{Graph, Node};

/// Of a node whose type, without the library that executes it, is `kind`; `None` where unknown.
#[must_use]
pub fn flops(graph: &Graph, node: &Node, kind: &str) -> Option<f64> {
    let own = principal(graph, node, kind)?;
    // What is fused with it is done to each element of the result.
    Some(match node.attributes.fused.len() {
        0 => own,
        fused => own + fused as f64 * output(node)?,
    })
}

fn principal(graph: &Graph, node: &Node, kind: &str) -> Option<f64> {
    let input = |index: usize| graph.input_shape(node, index);
    let shape = node.attributes.shapes.first().and_then(Option::as_ref);
    match kind {
        "MatMul" | "BatchMatMul" | "BatchMatMulV2" | "BatchMatMulV3" => {
            let [.., rows, columns] = shape?.as_slice() else { return None };
            let [.., first, second] = input(0)?.as_slice() else { return None };
            // Of the first operand's two sizes one is the result's, transposed or not; the other is summed over.
            let summed = (*first as f64 * *second as f64) / (*rows as f64).max(1.0);
            let batch = output(node)? / (*rows as f64 * *columns as f64).max(1.0);
            Some(2.0 * batch * *rows as f64 * *columns as f64 * summed)
        }
        "Einsum" => einsum(&node.attributes.equation, &[input(0), input(1)]),
        "Conv1D" | "Conv2D" | "Conv3D" => convolution(elements(shape?), input(1)?),
        "Conv2DBackpropInput" | "Conv3DBackpropInputV2" => convolution(elements(input(2)?), input(1)?),
        "Conv2DBackpropFilter" | "Conv3DBackpropFilterV2" => convolution(elements(input(2)?), shape?),
        "DepthwiseConv2dNative" => depthwise(elements(shape?), input(1)?),
        "DepthwiseConv2dNativeBackpropInput" => depthwise(elements(input(2)?), input(1)?),
        "DepthwiseConv2dNativeBackpropFilter" => depthwise(elements(input(2)?), shape?),
        "AvgPool" | "MaxPool" | "AvgPool3D" | "MaxPool3D" => Some(output(node)? * window(node)?),
        "AvgPoolGrad" | "MaxPoolGrad" => Some(elements(input(1)?) * (window(node)? + 1.0)),
        "Softmax" | "LogSoftmax" => Some(5.0 * output(node)?),
        "L2Loss" => Some(3.0 * elements(input(0)?) - 1.0),
        "AddN" => Some(output(node)? * (node.inputs.len() as f64 - 1.0).max(0.0)),
        "AssignAddVariableOp" | "AssignSubVariableOp" => Some(elements(input(1)?)),
        "Mean" => Some(elements(input(0)?)),
        "Sum" | "Max" | "Min" | "Prod" | "ArgMax" | "ArgMin" | "BiasAddGrad" => {
            Some(elements(input(0)?) - elements(shape?))
        }
        _ if is_elementwise(kind) => output(node),
        _ if only_moves(kind) => Some(0.0),
        _ => None,
    }
}

fn elements(shape: &[i64]) -> f64 {
    shape.iter().map(|&size| size as f64).product()
}

fn output(node: &Node) -> Option<f64> {
    Some(elements(node.attributes.shapes.first()?.as_ref()?))
}

fn window(node: &Node) -> Option<f64> {
    (!node.attributes.window.is_empty()).then(|| elements(&node.attributes.window))
}

/// A filter of height × width × channels of a group × filters makes each of `results` from all but the last.
fn convolution(results: f64, filter: &[i64]) -> Option<f64> {
    let (_, kernel) = filter.split_last()?;
    Some(2.0 * results * elements(kernel))
}

/// A filter of height × width × channels × multiplier makes each of `results` from one channel.
fn depthwise(results: f64, filter: &[i64]) -> Option<f64> {
    let [height, width, ..] = filter else { return None };
    Some(2.0 * results * *height as f64 * *width as f64)
}

/// `abc,cd->abd`: the product of all sizes, twice where a letter is summed over.
fn einsum(equation: &str, inputs: &[Option<&Vec<i64>>]) -> Option<f64> {
    let (operands, result) = equation.split_once("->")?;
    let mut sizes: FxHashMap<char, f64> = FxHashMap::default();
    // Dimensions that `...` stands for.
    let mut batch = 1.0_f64;
    for (operand, shape) in operands.split(',').zip(inputs) {
        let shape = (*shape)?;
        let (before, after) = operand.split_once("...").unwrap_or((operand, ""));
        let (before, after): (Vec<_>, Vec<_>) = (letters(before), letters(after));
        let tail = shape.len().checked_sub(after.len())?;
        let between = shape.get(before.len()..tail)?;
        batch = batch.max(elements(between));
        let named = before.iter().zip(shape).chain(after.iter().zip(&shape[tail..]));
        for (&letter, &size) in named {
            let known = sizes.entry(letter).or_insert(1.0);
            *known = known.max(size as f64);
        }
    }
    let kept = letters(result);
    let summed = sizes.keys().any(|letter| !kept.contains(letter));
    let products = batch * sizes.values().product::<f64>();
    Some(if summed { 2.0 * products } else { products })
}

fn letters(operand: &str) -> Vec<char> {
    operand.chars().filter(|letter| letter.is_alphabetic()).collect()
}

fn is_elementwise(kind: &str) -> bool {
    const KINDS: [&str; 58] = [
        "Abs",
        "Add",
        "AddV2",
        "AssignAdd",
        "AssignSub",
        "BiasAdd",
        "Cos",
        "Div",
        "DivNoNan",
        "Elu",
        "EluGrad",
        "Equal",
        "Erf",
        "Exp",
        "Expm1",
        "Floor",
        "FloorDiv",
        "FloorMod",
        "Greater",
        "GreaterEqual",
        "Inv",
        "InvGrad",
        "LeakyRelu",
        "LeakyReluGrad",
        "Less",
        "LessEqual",
        "Log",
        "Log1p",
        "Maximum",
        "Minimum",
        "Mul",
        "Neg",
        "NotEqual",
        "Pow",
        "RealDiv",
        "Reciprocal",
        "Relu",
        "Relu6",
        "Relu6Grad",
        "ReluGrad",
        "Round",
        "Rsqrt",
        "RsqrtGrad",
        "Selu",
        "SeluGrad",
        "Sigmoid",
        "SigmoidGrad",
        "Sign",
        "Sin",
        "Softplus",
        "SoftplusGrad",
        "Sqrt",
        "SqrtGrad",
        "Square",
        "SquaredDifference",
        "Sub",
        "Tanh",
        "TanhGrad",
    ];
    KINDS.binary_search(&kind).is_ok()
}

fn only_moves(kind: &str) -> bool {
    const KINDS: [&str; 45] = [
        "AssignVariableOp",
        "Bitcast",
        "BroadcastTo",
        "Cast",
        "Concat",
        "ConcatV2",
        "Const",
        "ConjugateTranspose",
        "Enter",
        "Exit",
        "ExpandDims",
        "Fill",
        "Gather",
        "GatherNd",
        "GatherV2",
        "Identity",
        "IdentityN",
        "Merge",
        "MirrorPad",
        "NextIteration",
        "OnesLike",
        "Pack",
        "Pad",
        "PadV2",
        "Placeholder",
        "Range",
        "Rank",
        "ReadVariableOp",
        "Reshape",
        "ReverseV2",
        "Select",
        "SelectV2",
        "Shape",
        "Size",
        "Slice",
        "Snapshot",
        "Split",
        "SplitV",
        "Squeeze",
        "StopGradient",
        "StridedSlice",
        "Switch",
        "Tile",
        "Transpose",
        "ZerosLike",
    ];
    KINDS.contains(&kind)
}
