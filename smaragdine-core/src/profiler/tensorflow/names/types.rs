//! Types of operations, whichever library executes them.

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
