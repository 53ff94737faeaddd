//! Floating-point operations counted by hand.

use std::collections::HashMap;

use prost::Message as _;
use smaragdine_core::profiler::tensorflow::flops::flops;
use smaragdine_core::profiler::tensorflow::graph::Graph;
use smaragdine_core::wire::tensorflow::attr_value::ListValue;
use smaragdine_core::wire::tensorflow::tensor_shape_proto::Dim;
use smaragdine_core::wire::tensorflow::{AttrValue, GraphDef, NodeDef, TensorShapeProto};

fn list(list: ListValue) -> AttrValue {
    AttrValue { list: Some(list), ..AttrValue::default() }
}

fn node(name: &str, op: &str, inputs: &[&str], shape: &[i64]) -> NodeDef {
    let dim = shape.iter().map(|&size| Dim { size }).collect();
    let shape = vec![TensorShapeProto { dim, unknown_rank: false }];
    NodeDef {
        name: name.into(),
        op: op.into(),
        input: inputs.iter().map(|&input| input.into()).collect(),
        attr: HashMap::from([("_output_shapes".into(), list(ListValue { shape, ..ListValue::default() }))]),
    }
}

/// Of an operation whose inputs and result have these shapes.
fn counted(op: &str, kind: &str, inputs: &[&[i64]], result: &[i64], attributes: &[(&str, AttrValue)]) -> Option<f64> {
    let names: Vec<String> = (0..inputs.len()).map(|index| format!("input_{index}")).collect();
    let mut nodes: Vec<_> =
        names.iter().zip(inputs).map(|(name, shape)| node(name, "Placeholder", &[], shape)).collect();
    let mut operation = node("x", op, &names.iter().map(String::as_str).collect::<Vec<_>>(), result);
    operation.attr.extend(attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    nodes.push(operation);
    let graph = Graph::decode(&GraphDef { node: nodes, library: None }.encode_to_vec()).unwrap();
    flops(&graph, graph.node(graph.find("x").unwrap()), kind)
}

fn plain(op: &str, inputs: &[&[i64]], result: &[i64]) -> Option<f64> {
    counted(op, op, inputs, result, &[])
}

#[test]
fn a_product_of_matrices_takes_a_multiplication_and_an_addition_for_each_term() {
    assert_eq!(plain("MatMul", &[&[8, 3], &[3, 5]], &[8, 5]), Some(2.0 * 8.0 * 3.0 * 5.0));
    // The gradient by the kernel: the first operand is read transposed.
    assert_eq!(plain("MatMul", &[&[8, 3], &[8, 5]], &[3, 5]), Some(2.0 * 8.0 * 3.0 * 5.0));
    assert_eq!(
        plain("BatchMatMulV2", &[&[2, 4, 8, 3], &[2, 4, 5, 3]], &[2, 4, 8, 5]),
        Some(2.0 * 8.0 * 8.0 * 3.0 * 5.0)
    );
}

#[test]
fn einsum_counts_what_its_equation_sums_over() {
    let equation = |equation: &str| [("equation", AttrValue { s: equation.into(), ..AttrValue::default() })];
    let heads = counted("Einsum", "Einsum", &[&[2, 7, 16], &[16, 4, 5]], &[2, 7, 4, 5], &equation("abc,cde->abde"));
    assert_eq!(heads, Some(2.0 * 2.0 * 7.0 * 16.0 * 4.0 * 5.0));
    let any = counted("Einsum", "Einsum", &[&[2, 7, 16], &[16, 5]], &[2, 7, 5], &equation("...x,xy->...y"));
    assert_eq!(any, Some(2.0 * 14.0 * 16.0 * 5.0));
    let outer = counted("Einsum", "Einsum", &[&[3], &[4]], &[3, 4], &equation("a,b->ab"));
    assert_eq!(outer, Some(12.0));
    assert_eq!(counted("Einsum", "Einsum", &[&[3], &[4]], &[3, 4], &equation("no equation")), None);
}

#[test]
fn a_convolution_and_both_its_gradients_take_the_same() {
    let (image, filter, result): (&[i64], &[i64], &[i64]) = (&[2, 9, 9, 3], &[3, 3, 3, 6], &[2, 7, 7, 6]);
    let expected = Some(2.0 * (2.0 * 7.0 * 7.0 * 6.0) * (3.0 * 3.0 * 3.0));
    assert_eq!(plain("Conv2D", &[image, filter], result), expected);
    assert_eq!(plain("Conv2DBackpropInput", &[&[4], filter, result], image), expected);
    assert_eq!(plain("Conv2DBackpropFilter", &[image, &[4], result], filter), expected);
    let depthwise = plain("DepthwiseConv2dNative", &[&[2, 9, 9, 3], &[3, 3, 3, 2]], &[2, 7, 7, 6]);
    assert_eq!(depthwise, Some(2.0 * (2.0 * 7.0 * 7.0 * 6.0) * 9.0));
}

#[test]
fn a_fused_kernel_takes_what_its_operations_take() {
    let fused_ops = list(ListValue { s: vec!["BiasAdd".into(), "Relu".into()], ..ListValue::default() });
    let fused = counted("_FusedMatMul", "MatMul", &[&[8, 3], &[3, 5], &[5]], &[8, 5], &[("fused_ops", fused_ops)]);
    assert_eq!(fused, Some(2.0 * 8.0 * 3.0 * 5.0 + 2.0 * 40.0));
}

#[test]
fn elements_are_counted_once_reductions_by_their_additions_and_moves_not_at_all() {
    assert_eq!(plain("AddV2", &[&[8, 5], &[5]], &[8, 5]), Some(40.0));
    assert_eq!(plain("Sum", &[&[8, 5], &[1]], &[8]), Some(32.0));
    assert_eq!(plain("AddN", &[&[8], &[8], &[8]], &[8]), Some(16.0));
    assert_eq!(plain("Transpose", &[&[8, 5], &[2]], &[5, 8]), Some(0.0));
    let ksize = list(ListValue { i: vec![1, 2, 2, 1], ..ListValue::default() });
    assert_eq!(counted("MaxPool", "MaxPool", &[&[1, 4, 4, 3]], &[1, 2, 2, 3], &[("ksize", ksize)]), Some(48.0));
}

#[test]
fn what_is_not_known_stays_unknown() {
    assert_eq!(plain("NonMaxSuppressionV5", &[&[8, 4]], &[8]), None);
    assert_eq!(plain("MatMul", &[&[-1, 3], &[3, 5]], &[-1, 5]), None);
    assert_eq!(plain("MatMul", &[], &[8, 5]), None);
}
