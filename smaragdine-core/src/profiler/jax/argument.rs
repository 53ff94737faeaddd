//! Paths of a program's arguments, as JAX writes them: `state[0].mu['params']['encoder']['kernel']`.

/// The keys of a path, outermost first: `state`, `0`, `mu`, `params`, `encoder`, `kernel`.
///
/// Haiku's keys hold several each, `mlp/~/linear_0`; the attribute in which a library keeps a variable's value is none.
pub(super) fn keys(path: &str) -> Vec<&str> {
    let keys = path.split(['.', '[', ']', '\'', '"', '/']);
    let mut keys: Vec<&str> = keys.filter(|key| !key.is_empty() && *key != "~").collect();
    if let Some(&("value" | "raw_value" | "_value")) = keys.last() {
        keys.pop();
    }
    keys
}

/// What the paths of several arguments end in alike, `params/encoder/kernel`; `None` where in nothing.
pub(crate) fn common(paths: &[&str]) -> Option<String> {
    let (first, others) = paths.split_first()?;
    let first = keys(first);
    let alike = |path: &&str| keys(path).iter().rev().zip(first.iter().rev()).take_while(|(a, b)| a == b).count();
    let length = others.iter().map(alike).min().unwrap_or(first.len()).min(first.len());
    (length > 0).then(|| first[first.len() - length..].join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_and_its_parameter_end_alike() {
        let of = |paths: &[&str]| common(paths);
        let moment = "state[0].mu['params']['encoder']['layer_0']['kernel']";
        assert_eq!(
            of(&["p['params']['encoder']['layer_0']['kernel']", moment]).as_deref(),
            Some("params/encoder/layer_0/kernel")
        );
        assert_eq!(
            of(&["tree.blocks[0].up.weight", "state[0].mu.blocks[0].up.weight"]).as_deref(),
            Some("blocks/0/up/weight")
        );
        assert_eq!(of(&["p['blocks'][0]['up']['kernel'].value"]).as_deref(), Some("p/blocks/0/up/kernel"));
        assert_eq!(of(&["p['mlp/~/linear_0']['w']"]).as_deref(), Some("p/mlp/linear_0/w"));
        assert_eq!(of(&["p['a']['kernel']", "p['b']['bias']"]), None);
        assert_eq!(of(&[]), None);
    }
}
