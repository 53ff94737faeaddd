//! What an event's title says.

/// The type of an operation that Python ran eagerly, which has no place in a graph.
pub(super) fn eager(title: &str) -> Option<&str> {
    let kind = title.strip_prefix("EagerLocalExecute: ")?;
    (is_type(kind) && !contains_others(kind)).then_some(kind)
}

/// `<node>:<type>`
pub(super) fn operation(title: &str) -> Option<(&str, &str)> {
    let (name, kind) = title.split_once(':')?;
    let named = !name.is_empty() && !name.contains(' ');
    (named && is_type(kind) && !contains_others(kind)).then_some((name, kind))
}

fn is_type(kind: &str) -> bool {
    kind.starts_with(|first: char| first.is_ascii_uppercase() || first == '_')
        && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'>')
}

/// Operations that run other operations: their time is their content's.
pub(crate) fn contains_others(kind: &str) -> bool {
    // A compiled function, which runs as an operation of its own name where XLA compiled it: `__inference_step_653`.
    if kind.starts_with("__") {
        return true;
    }
    const CONTAINERS: [&str; 16] = [
        "PartitionedCall",
        "StatefulPartitionedCall",
        "TPUPartitionedCall",
        "RemoteCall",
        "SymbolicGradient",
        "While",
        "StatelessWhile",
        "_While",
        "If",
        "StatelessIf",
        "_If",
        "Case",
        "StatelessCase",
        "For",
        "_XlaRun",
        "XlaLaunch",
    ];
    CONTAINERS.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_told_from_what_the_runtime_does_around_them() {
        assert_eq!(operation("a/b/Relu:_MklNativeFusedMatMul"), Some(("a/b/Relu", "_MklNativeFusedMatMul")));
        assert_eq!(eager("EagerLocalExecute: MatMul"), Some("MatMul"));
        assert_eq!(eager("EagerLocalExecute: __inference_multi_step_on_iterator_20945"), None);
        for title in [
            "EagerLocalExecute: MatMul",
            "ThreadpoolListener::Record",
            "KernelAndDeviceFunc::Run",
            "Iterator::Root::Prefetch",
            "ExecutorState::Process",
            "while/PartitionedCall:StatefulPartitionedCall",
            "__inference_step_653:__inference_step_653",
            "MemoryAllocation",
            "ParallelFor",
            ":MatMul",
            "",
        ] {
            assert_eq!(operation(title), None, "{title}");
        }
    }
}
