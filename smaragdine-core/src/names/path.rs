//! Takes off a name what TensorFlow's runtime put on it.

/// What a raw name says before any model is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path<'a> {
    /// It computes gradients.
    pub(super) backward: bool,
    /// The scope and the operation, without function wrappers, loop frames, the gradients' scope and optimiser stages.
    pub(super) segments: Vec<&'a str>,
}

impl<'a> Path<'a> {
    pub(super) fn of(raw_name: &'a str) -> Self {
        let mut segments: Vec<&str> = unwrapped(raw_name).split('/').filter(|segment| !segment.is_empty()).collect();
        let backward = segments.iter().rposition(|segment| is_gradient_scope(segment));
        if let Some(index) = backward {
            segments.drain(..=index);
        }
        // Each copy but the first of a model that is spread over devices has a scope of its own.
        if segments.len() > 1 && without_number(segments[0]) == Some("replica") {
            segments.remove(0);
        }
        let loops = segments.iter().take_while(|segment| is_control_flow(segment)).count();
        segments.drain(..loops.min(segments.len().saturating_sub(2)));
        unstage(&mut segments);
        Self { backward: backward.is_some(), segments }
    }

    /// The outermost scope, or the operation where it has none.
    pub(super) fn first(&self) -> &'a str {
        self.segments.first().copied().unwrap_or("")
    }
}

/// The name of the node in the graph: without the functions that call it and the loops that hold it.
pub(super) fn unwrapped(raw_name: &str) -> &str {
    let mut rest = raw_name;
    let mut position = 0;
    let mut before = "";
    for segment in raw_name.split('/') {
        position += segment.len() + 1;
        // `while/body/_1/` and `cond/then/_143/` precede the whole name that the loop's body gives its node.
        let frame = is_frame_number(segment) && matches!(before, "body" | "cond" | "then" | "else");
        if (is_call(segment) || frame) && position < raw_name.len() {
            rest = &raw_name[position..];
        }
        before = segment;
    }
    rest
}

/// The scope of a loop or a branch, in which whole training steps may lie.
pub(super) fn is_control_flow(segment: &str) -> bool {
    matches!(without_number(segment).unwrap_or(segment), "while" | "cond")
}

/// `PartitionedCall`, `StatefulPartitionedCall_3`
fn is_call(segment: &str) -> bool {
    matches!(without_number(segment).unwrap_or(segment), "PartitionedCall" | "StatefulPartitionedCall")
}

/// `_143`
fn is_frame_number(segment: &str) -> bool {
    segment
        .strip_prefix('_')
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `gradient_tape`, `gradients`, `gradients_1`
pub(super) fn is_gradient_scope(segment: &str) -> bool {
    matches!(without_number(segment).unwrap_or(segment), "gradient_tape" | "gradients")
}

/// `dense_1` → `dense`
pub(super) fn without_number(segment: &str) -> Option<&str> {
    let (name, number) = segment.rsplit_once('_')?;
    (!name.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

/// Gives an operation that TensorFlow's graph optimiser made the name of the one it stands for:
/// `self/ArithmeticOptimizer/FoldTransposeIntoMatMul_MatMul` → `self/MatMul`.
fn unstage(segments: &mut Vec<&str>) {
    if segments.len() > 1 && segments.last() == Some(&"unary_ops_composition") {
        segments.pop();
    }
    let Some(stage) = segments.iter().position(|segment| matches!(*segment, "ArithmeticOptimizer" | "ConstantFolding"))
    else {
        return;
    };
    segments.remove(stage);
    if let Some(last) = segments.get_mut(stage) {
        *last = staged(last);
    }
}

/// `AddOpsRewrite_Leaf_1_add_2` → `add_2`, `ReorderCastLikeAndValuePreserving_int64_Cast_1` → `Cast_1`
fn staged(name: &str) -> &str {
    let Some((stage, rest)) = name.split_once('_') else { return name };
    if rest.is_empty() || !stage.starts_with(|first: char| first.is_ascii_uppercase()) || !is_mixed(stage) {
        return name;
    }
    if let Some((number, leaf)) = rest.strip_prefix("Leaf_").and_then(|rest| rest.split_once('_'))
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        return leaf;
    }
    match rest.split_once('_') {
        Some((dtype, of)) if is_dtype(dtype) && !of.is_empty() => of,
        _ => rest,
    }
}

/// Several words in one, as the optimiser's stages are named and operations such as `Mul_1` are not.
fn is_mixed(stage: &str) -> bool {
    const STAGES: [&str; 10] = [
        "AddOpsRewrite",
        "ConvertLog1p",
        "ConvertLogSoftmax",
        "ConvertPow",
        "FoldMultiplyIntoConv",
        "FoldTransposeIntoMatMul",
        "HoistCommonFactor",
        "HoistCWiseUnaryChains",
        "MinimizeBroadcasts",
        "ReorderCastLikeAndValuePreserving",
    ];
    STAGES.contains(&stage)
}

fn is_dtype(name: &str) -> bool {
    let word = name.trim_end_matches(|part: char| part.is_ascii_digit());
    matches!(word, "int" | "uint" | "float" | "half" | "bfloat" | "double" | "bool")
}

/// The type without the library that executes it: `_MklNativeFusedMatMul` → `MatMul`, `_MklSoftmax` → `Softmax`.
pub(super) fn canonical_type(kind: &str) -> &str {
    let Some(own) =
        kind.strip_prefix("_MklNative").or_else(|| kind.strip_prefix("_Mkl")).or_else(|| kind.strip_prefix('_'))
    else {
        return kind;
    };
    let known = own.len() + 1 < kind.len() || own.starts_with("Fused");
    if known { own.strip_prefix("Fused").filter(|own| !own.is_empty()).unwrap_or(own) } else { kind }
}

/// The type of the operation that a fused kernel is named after.
pub(super) fn principal_type(kind: &str) -> Option<&str> {
    let fused = kind.starts_with('_') && kind.contains("Fused");
    fused.then(|| canonical_type(kind)).filter(|principal| !principal.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(raw_name: &str) -> (bool, String) {
        let path = Path::of(raw_name);
        (path.backward, path.segments.join("/"))
    }

    #[test]
    fn functions_and_loops_around_a_name_are_taken_off() {
        let plain = (false, "bert_1/dense_1/Relu".to_owned());
        assert_eq!(path("bert_1/dense_1/Relu"), plain);
        assert_eq!(path("StatefulPartitionedCall/bert_1/dense_1/Relu"), plain);
        assert_eq!(path("StatefulPartitionedCall_2/PartitionedCall/bert_1/dense_1/Relu"), plain);
        assert_eq!(
            path("while/body/_1/while/cond/then/_143/while/cond/StatefulPartitionedCall/bert_1/dense_1/Relu"),
            plain
        );
        assert_eq!(path("m/lstm/while/body/_20/m/lstm/while/MatMul"), (false, "m/lstm/while/MatMul".to_owned()));
        assert_eq!(path("StatefulPartitionedCall"), (false, "StatefulPartitionedCall".to_owned()));
    }

    #[test]
    fn both_scopes_of_gradients_say_backward() {
        let matmul = (true, "bert_1/dense_1/MatMul/MatMul_1".to_owned());
        assert_eq!(path("StatefulPartitionedCall/gradient_tape/bert_1/dense_1/MatMul/MatMul_1"), matmul);
        assert_eq!(path("gradients_1/bert_1/dense_1/MatMul/MatMul_1"), matmul);
    }

    #[test]
    fn what_the_graph_optimiser_made_is_named_after_what_it_stands_for() {
        let of = |raw_name| path(raw_name).1;
        assert_eq!(of("self/ArithmeticOptimizer/FoldTransposeIntoMatMul_MatMul_1"), "self/MatMul_1");
        assert_eq!(of("norm/ArithmeticOptimizer/AddOpsRewrite_add_2"), "norm/add_2");
        assert_eq!(of("norm/ArithmeticOptimizer/AddOpsRewrite_Leaf_1_add_2"), "norm/add_2");
        assert_eq!(of("loss/ArithmeticOptimizer/ReorderCastLikeAndValuePreserving_int64_Cast_1"), "loss/Cast_1");
        assert_eq!(of("a/Exp/unary_ops_composition"), "a/Exp");
    }

    #[test]
    fn types_lose_the_library_that_executes_them() {
        assert_eq!(canonical_type("_MklNativeFusedMatMul"), "MatMul");
        assert_eq!(canonical_type("_FusedConv2D"), "Conv2D");
        assert_eq!(canonical_type("_MklSoftmax"), "Softmax");
        assert_eq!(canonical_type("_MklMatMul"), "MatMul");
        assert_eq!(canonical_type("FusedBatchNormV3"), "FusedBatchNormV3");
        assert_eq!(canonical_type("_Arg"), "_Arg");
        assert_eq!(principal_type("_FusedMatMul"), Some("MatMul"));
        assert_eq!(principal_type("_MklMatMul"), None);
    }
}
