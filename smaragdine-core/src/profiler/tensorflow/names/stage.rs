//! Takes off a name what TensorFlow's graph optimiser put into it.

/// Gives an operation that TensorFlow's graph optimiser made the name of the one it stands for:
/// `self/ArithmeticOptimizer/FoldTransposeIntoMatMul_MatMul` → `self/MatMul`. The first `depth` segments are layers,
/// whatever they are called.
pub(super) fn unstage(segments: &mut Vec<&str>, depth: usize) {
    if segments.len() > 1 && segments.last() == Some(&"unary_ops_composition") {
        segments.pop();
    }
    let is_stage = |segment: &&str| matches!(*segment, "ArithmeticOptimizer" | "ConstantFolding");
    let Some(stage) = segments.iter().skip(depth).position(is_stage).map(|position| depth + position) else { return };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_graph_optimiser_made_is_named_after_what_it_stands_for() {
        let of = |name: &str| {
            let mut segments = name.split('/').collect();
            unstage(&mut segments, 0);
            segments.join("/")
        };
        assert_eq!(of("self/ArithmeticOptimizer/FoldTransposeIntoMatMul_MatMul_1"), "self/MatMul_1");
        assert_eq!(of("norm/ArithmeticOptimizer/AddOpsRewrite_add_2"), "norm/add_2");
        assert_eq!(of("norm/ArithmeticOptimizer/AddOpsRewrite_Leaf_1_add_2"), "norm/add_2");
        assert_eq!(of("loss/ArithmeticOptimizer/ReorderCastLikeAndValuePreserving_int64_Cast_1"), "loss/Cast_1");
        assert_eq!(of("a/Exp/unary_ops_composition"), "a/Exp");
    }
}
