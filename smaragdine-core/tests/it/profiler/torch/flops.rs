//! Floating-point operations, from the shapes that a window recorded.

use smaragdine_core::profiler::Profile;

use super::composed::{Form, Trace};

/// As a window with shapes has its arguments.
fn given(dims: &str, values: &[&str]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
    format!("\"External id\": 1, \"Concrete Inputs\": [{}], \"Input Dims\": {dims}", values.join(", "))
}

fn flops(profile: &Profile) -> Vec<(String, Option<f64>)> {
    profile.names.iter().map(|raw| raw.as_told().unwrap()).map(|op| (op.qtn, op.flops)).collect()
}

fn known(name: &str, flops: i32) -> (String, Option<f64>) {
    (name.to_owned(), Some(f64::from(flops)))
}

fn unknown(name: &str) -> (String, Option<f64>) {
    (name.to_owned(), None)
}

const CONVOLUTION: [&str; 9] = ["", "", "", "[1, 1]", "[0, 0]", "[1, 1]", "False", "[0, 0]", "1"];

#[test]
fn work_is_counted_once_and_for_the_part_that_does_it() {
    for form in [Form::Newest, Form::Oldest, Form::Quoted] {
        let mut trace = Trace::new(form);
        let mut op = |name: &str, span, args: &str| trace.event("cpu_op", name, 1, span, args);
        op("smaragdine:net", (0, 1000), "");
        // A matrix product within a linear layer, which tells shapes, too.
        op("aten::linear", (10, 100), &given("[[2, 4, 7], [3, 7], [3]]", &["", "", ""]));
        op("aten::t", (20, 30), &given("[[3, 7]]", &[""]));
        op("aten::addmm", (30, 90), &given("[[3], [8, 7], [7, 3], [], []]", &["", "", "", "1", "1"]));
        // A library's convolution, whose arguments stand in another order.
        let dims = "[[1, 2, 5, 5], [4, 2, 3, 3], []]";
        op("aten::conv2d", (100, 200), &given(dims, &["", "", "", "[1, 1]", "[0, 0]", "[1, 1]", "1"]));
        op("aten::convolution", (105, 195), &given(dims, &CONVOLUTION));
        op("aten::_convolution", (110, 190), &given(dims, &CONVOLUTION));
        op("aten::mkldnn_convolution", (120, 180), &given(dims, &["", "", "", "[0, 0]", "[1, 1]", "[1, 1]", "1"]));
        // Attention whose kernel has its heads elsewhere, and attention by matrix products.
        let heads = "[[2, 4, 5, 8], [2, 4, 5, 8], [2, 4, 5, 8]]";
        op("aten::scaled_dot_product_attention", (200, 300), &given(heads, &[]));
        op("aten::_scaled_dot_product_flash_attention", (210, 290), &given(heads, &[]));
        op("aten::transpose", (215, 220), "");
        op("aten::_flash_attention_forward", (220, 280), &given("[[2, 5, 4, 8], [2, 5, 4, 8], [2, 5, 4, 8]]", &[]));
        op("aten::scaled_dot_product_attention", (300, 400), &given(heads, &[]));
        op("aten::_scaled_dot_product_attention_math", (310, 390), &given(heads, &[]));
        op("aten::bmm", (320, 330), &given("[[8, 5, 8], [8, 8, 5]]", &["", ""]));
        op("aten::bmm", (340, 350), &given("[[8, 5, 5], [8, 5, 8]]", &["", ""]));
        assert_eq!(
            flops(&trace.decoded()),
            [
                unknown("net/linear"),
                known("net/addmm", 2 * 8 * 7 * 3 + 24),
                unknown("net/conv2d"),
                unknown("net/convolution"),
                unknown("net/_convolution"),
                known("net/mkldnn_convolution", 2 * 4 * 9 * 18),
                unknown("net/scaled_dot_product_attention"),
                unknown("net/_scaled_dot_product_flash_attention"),
                known("net/_flash_attention_forward", 2 * 8 * 25 * 16),
                unknown("net/scaled_dot_product_attention_1"),
                unknown("net/_scaled_dot_product_attention_math"),
                known("net/bmm", 2 * 8 * 25 * 8),
                known("net/bmm_1", 2 * 8 * 25 * 8),
            ],
            "{form:?}"
        );
    }
}

#[test]
fn executions_of_several_sizes_have_no_number_in_common() {
    let mut trace = Trace::new(Form::Newest);
    for (call, rows) in [5, 5, 6].into_iter().enumerate() {
        let start = 100 * call as i64;
        trace.op("smaragdine:net", (start, start + 90));
        let dims = format!("[[{rows}, 7], [7, 3]]");
        trace.event("cpu_op", "aten::mm", 1, (start + 10, start + 20), &given(&dims, &["", ""]));
        trace.event("cpu_op", "aten::bmm", 1, (start + 30, start + 40), &given("[[2, 5, 7], [2, 7, 3]]", &["", ""]));
    }
    assert_eq!(flops(&trace.decoded()), [unknown("net/mm"), known("net/bmm", 2 * 2 * 5 * 7 * 3)]);
}

#[test]
fn an_execution_in_several_pieces_is_counted_once() {
    let mut trace = Trace::new(Form::Newest);
    trace.op("smaragdine:net", (0, 100));
    trace.event("cpu_op", "aten::addmm", 1, (10, 90), &given("[[3], [8, 7], [7, 3]]", &["", "", "", "1", "1"]));
    trace.op("aten::copy_", (20, 30));
    trace.op("aten::copy_", (40, 50));
    let profile = trace.decoded();
    let addmm = profile.names.iter().position(|op| op.kind == "addmm").unwrap();
    let pieces = profile.events.iter().filter(|event| event.name as usize == addmm).count();
    assert_eq!((pieces, profile.names[addmm].flops), (3, Some(f64::from(2 * 8 * 7 * 3 + 24) / 3.0)));
}

#[test]
fn gradients_and_kernels_have_the_work_of_their_operation() {
    let mut trace = Trace::new(Form::Newest);
    trace.op("smaragdine:net", (0, 100));
    let mm = given("[[5, 7], [7, 3]]", &["", ""]);
    trace.event("cpu_op", "aten::mm", 1, (10, 50), &format!("{mm}, \"Sequence number\": 9"));
    trace.event("cuda_runtime", "cudaLaunchKernel", 1, (20, 30), "\"correlation\": 4");
    trace.event("kernel", "gemm", 7, (60, 90), "\"correlation\": 4, \"device\": 0, \"stream\": 7");
    let node = "\"Sequence number\": 9, \"Fwd thread id\": 1";
    trace.event("cpu_op", "autograd::engine::evaluate_function: MmBackward0", 1, (100, 200), node);
    trace.event("cpu_op", "MmBackward0", 1, (110, 190), &format!("{node}, {}", given("[[5, 3]]", &[""])));
    trace.event("cpu_op", "aten::mm", 1, (120, 130), &given("[[7, 5], [5, 3]]", &["", ""]));
    let profile = trace.decoded();
    let mm: Vec<_> = flops(&profile).into_iter().filter(|(name, _)| name.ends_with("mm")).collect();
    // One execution is two events, of which each is counted: its launch and its kernel.
    assert_eq!(mm, [known("net/mm", 105), known("gradients/net/mm/mm", 210)]);
    let kernel = profile.events.iter().find(|event| profile.devices[usize::from(event.device)] == "GPU:0").unwrap();
    assert_eq!(profile.names[kernel.name as usize].flops, Some(105.0));
}

#[test]
fn shapes_of_any_kind_cost_no_operation_its_time() {
    for dims in ["7", "\"x\"", "{}", "[[[[[]]]]]", "[[1e9, 3], [3, 4]]", "[[-5, 7], [7, 3]]", "[null, [true]]"] {
        let mut trace = Trace::new(Form::Newest);
        trace.event("cpu_op", "aten::mm", 1, (10, 20), &given(dims, &[]));
        let profile = trace.decoded();
        assert_eq!(flops(&profile), [unknown("unknown/mm")], "{dims}");
        assert_eq!(profile.events.len(), 1);
    }
}
