//! The user's own layers, as a tree of scopes.

use rustc_hash::FxHashMap;

use super::path::without_number;

/// A model's layers by their path, the outermost scope first.
#[derive(Debug, Default)]
pub(super) struct Layers {
    scopes: Vec<FxHashMap<String, usize>>,
}

/// Where a path enters the model, and what is left of it within the deepest layer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// `bert/encoder/layer_0/output/dense`
    pub(super) layer: String,
    /// Number of the path's segments up to the deepest layer.
    pub(super) depth: usize,
}

impl Layers {
    pub(super) fn add(&mut self, path: &str) {
        if self.scopes.is_empty() {
            self.scopes.push(FxHashMap::default());
        }
        let mut scope = 0;
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            let next = self.scopes.len();
            scope = *self.scopes[scope].entry(segment.to_owned()).or_insert(next);
            if scope == next {
                self.scopes.push(FxHashMap::default());
            }
        }
    }

    /// Whether this is the path of a layer, written as the user's program does.
    pub(super) fn contains(&self, path: &str) -> bool {
        let mut scope = Some(0);
        for segment in path.split('/') {
            scope = scope.and_then(|scope| self.scopes.get(scope)?.get(segment).copied());
        }
        scope.is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.scopes.first().is_none_or(FxHashMap::is_empty)
    }

    /// The deepest layer that `segments` lead into; `None` where the first one names none.
    ///
    /// Keras enters each layer's scope twice, to build and to call, so TensorFlow numbers the second: operations of
    /// `dense` lie in `dense_1`, those of its neighbour `dense_1` in `dense_1_2`. Where the outermost scope is numbered
    /// so, a segment means the layer without the number; elsewhere one that a layer has exactly means that layer.
    pub(super) fn find(&self, segments: &[&str]) -> Option<Found> {
        let (root, _) = self.scopes.first().and_then(|root| child(root, segments.first()?, false))?;
        let numbered = root != *segments.first()?;
        let (mut layer, mut scope, mut depth) = (String::new(), 0, 0);
        // The last segment is the operation.
        for (index, segment) in segments[..segments.len().saturating_sub(1)].iter().enumerate() {
            let Some((name, next)) = child(&self.scopes[scope], segment, numbered) else {
                // A recurrent layer calls its cell within a loop.
                if depth > 0 && without_number(segment).unwrap_or(segment) == "while" {
                    continue;
                }
                // A scope that holds no variable, between two that do: each call of a shared layer may open one.
                let inner = segments[..segments.len() - 1].get(index + 1);
                if depth > 0
                    && !numbered
                    && inner.is_some_and(|inner| child(&self.scopes[scope], inner, false).is_some())
                {
                    layer.push('/');
                    layer.push_str(segment);
                    depth = index + 1;
                    continue;
                }
                break;
            };
            if depth > 0 {
                layer.push('/');
            }
            layer.push_str(name);
            (scope, depth) = (next, index + 1);
        }
        (depth > 0).then_some(Found { layer, depth })
    }
}

fn child<'a>(scope: &FxHashMap<String, usize>, segment: &'a str, numbered: bool) -> Option<(&'a str, usize)> {
    let exact = scope.get(segment).map(|&next| (segment, next));
    let bare = || {
        let bare = without_number(segment)?;
        scope.get(bare).map(|&next| (bare, next))
    };
    if numbered { bare().or(exact) } else { exact.or_else(bare) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(paths: &[&str]) -> Layers {
        let mut layers = Layers::default();
        paths.iter().for_each(|path| layers.add(path));
        layers
    }

    fn found(layers: &Layers, path: &str) -> Option<(String, usize)> {
        let segments: Vec<&str> = path.split('/').collect();
        layers.find(&segments).map(|found| (found.layer, found.depth))
    }

    #[test]
    fn numbers_that_keras_adds_are_taken_off_layers_and_left_on_operations() {
        let layers = layers(&["bert/encoder/layer_0/dense", "bert/encoder/layer_1/dense"]);
        assert_eq!(
            found(&layers, "bert_1/encoder_1/layer_0_1/dense_1/MatMul_1"),
            Some(("bert/encoder/layer_0/dense".into(), 4))
        );
        assert_eq!(found(&layers, "bert/encoder/layer_1/MatMul_1"), Some(("bert/encoder/layer_1".into(), 3)));
        assert_eq!(found(&layers, "adam/Mul"), None);
    }

    #[test]
    fn a_scope_without_variables_between_layers_is_a_layer_in_a_session() {
        let layers = layers(&["bert/group_0/inner_group_0/dense"]);
        assert_eq!(
            found(&layers, "bert/group_0_2/layer_2/inner_group_0/dense/einsum/Einsum"),
            Some(("bert/group_0/layer_2/inner_group_0/dense".into(), 5))
        );
        assert_eq!(found(&layers, "bert/group_0/layer_2/Mul"), Some(("bert/group_0".into(), 2)));
    }

    #[test]
    fn layers_whose_names_differ_by_a_number_are_told_apart() {
        let layers = layers(&["mlp/dense", "mlp/dense_1"]);
        let keras = |scope: &str| found(&layers, &format!("mlp_1/{scope}/MatMul")).map(|found| found.0);
        assert_eq!(keras("dense_1"), Some("mlp/dense".into()));
        assert_eq!(keras("dense_1_2"), Some("mlp/dense_1".into()));
        let graph = |scope: &str| found(&layers, &format!("mlp/{scope}/MatMul")).map(|found| found.0);
        assert_eq!(graph("dense"), Some("mlp/dense".into()));
        assert_eq!(graph("dense_1"), Some("mlp/dense_1".into()));
    }

    #[test]
    fn a_cell_is_found_within_the_loop_of_its_layer() {
        let layers = layers(&["rnn/lstm/lstm_cell"]);
        assert_eq!(found(&layers, "rnn_1/lstm_1/while/lstm_cell_1/Sigmoid"), Some(("rnn/lstm/lstm_cell".into(), 4)));
        assert_eq!(found(&layers, "rnn_1/lstm_1/while/add"), Some(("rnn/lstm".into(), 2)));
        assert_eq!(found(&layers, "while/lstm_cell_1/Sigmoid"), None);
    }

    #[test]
    fn an_operation_named_like_a_layer_is_no_layer() {
        let layers = layers(&["m/dense"]);
        assert_eq!(found(&layers, "m/dense"), Some(("m".into(), 1)));
        assert_eq!(found(&layers, "m"), None);
    }
}
