//! The user's own layers, as a tree of scopes.

mod entrances;

use rustc_hash::{FxHashMap, FxHashSet};

use self::entrances::Entrances;
use super::path::without_number;
use super::words::is_word;

/// A model's layers by their path, the outermost scope first.
#[derive(Debug)]
pub(super) struct Layers {
    /// The first holds the outermost.
    scopes: Vec<Scope>,
    /// The user's program told them; else they are the scopes of variables.
    told: bool,
    entrances: Entrances,
    /// Scopes of optimizers that are called as the scope of gradients is.
    optimizers: FxHashSet<String>,
}

#[derive(Debug, Default)]
struct Scope {
    name: String,
    path: String,
    within: usize,
    layers: FxHashMap<String, usize>,
}

/// Where a path enters the model, and what is left of it within the deepest layer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// `bert/encoder/layer_0/output/dense`
    pub(super) layer: String,
    /// Number of the path's segments up to the deepest layer.
    pub(super) depth: usize,
}

/// A scope of the tree that a path led to.
#[derive(Debug, Clone, Copy)]
struct Place {
    scope: usize,
    /// Number of the path's segments.
    depth: usize,
    /// TensorFlow numbered the scopes.
    numbered: bool,
}

/// A layer lies so deep at most.
const DEEPEST: usize = 64;

impl Layers {
    pub(super) fn new(told: bool) -> Self {
        Self { scopes: vec![Scope::default()], told, entrances: Entrances::default(), optimizers: FxHashSet::default() }
    }

    pub(super) fn add(&mut self, path: &str) {
        self.reach(path);
    }

    /// Lets `other` lead to the layer of this path, which several hold.
    pub(super) fn share(&mut self, other: &str, path: &str) {
        let shared = self.reach(path);
        let (within, name) = other.rsplit_once('/').unwrap_or(("", other));
        let within = self.reach(within);
        self.scopes[within].layers.entry(name.to_owned()).or_insert(shared);
    }

    fn reach(&mut self, path: &str) -> usize {
        let mut within = 0;
        for name in path.split('/').filter(|name| !name.is_empty()).take(DEEPEST) {
            let next = self.scopes.len();
            let scope = *self.scopes[within].layers.entry(name.to_owned()).or_insert(next);
            if scope == next {
                let outer = &self.scopes[within].path;
                let path = if within == 0 { name.to_owned() } else { format!("{outer}/{name}") };
                self.scopes.push(Scope { name: name.to_owned(), path, within, layers: FxHashMap::default() });
                if within != 0 {
                    self.entrances.add(name, scope);
                }
            }
            within = scope;
        }
        within
    }

    /// Learns that an optimizer is called as the scope of gradients is.
    pub(super) fn learn_optimizer(&mut self, scope: &str) {
        self.optimizers.insert(scope.to_owned());
    }

    /// Whether this scope of gradients is an optimizer's.
    pub(super) fn is_optimizer(&self, scope: &str) -> bool {
        self.optimizers.contains(scope)
    }

    /// Whether the user's program told them.
    pub(super) fn are_told(&self) -> bool {
        self.told
    }

    pub(super) fn is_empty(&self) -> bool {
        self.scopes[0].layers.is_empty()
    }

    /// The deepest layer on a path that is written as the user's program does, and how many of its segments lead there.
    pub(super) fn locate(&self, path: &[&str]) -> Option<Found> {
        let (scope, depth) = self.follow(path);
        (depth > 0).then(|| Found { layer: self.layer(scope), depth })
    }

    fn follow(&self, path: &[&str]) -> (usize, usize) {
        let (mut scope, mut depth) = (0, 0);
        while let Some(&next) = path.get(depth).and_then(|&name| self.scopes[scope].layers.get(name)) {
            (scope, depth) = (next, depth + 1);
        }
        (scope, depth)
    }

    /// What operations of this scope have as their layer.
    fn layer(&self, scope: usize) -> String {
        without_word(self.scopes[scope].path.clone())
    }

    /// The deepest layer that `segments` lead into; `None` where they lead to none.
    ///
    /// Keras enters each layer's scope twice, to build and to call, so TensorFlow numbers the second: operations of
    /// `dense` lie in `dense_1`, those of its neighbour `dense_1` in `dense_1_2`. Where the outermost scope is numbered
    /// so, a segment means the layer without the number; elsewhere one that a layer has exactly means that layer.
    pub(super) fn find(&self, segments: &[&str]) -> Option<Found> {
        if self.is_empty() {
            return None;
        }
        // The last segment is the operation.
        let scopes = &segments[..segments.len().saturating_sub(1)];
        let entrance = self.by_variables(scopes).or_else(|| self.outermost(scopes));
        if !self.told {
            return entrance.map(|place| self.between(place, scopes));
        }
        let place = entrance.map(|place| self.walk(place, scopes)).or_else(|| self.by_name(scopes))?;
        Some(Found { layer: self.layer(place.scope), depth: place.depth })
    }

    fn outermost(&self, scopes: &[&str]) -> Option<Place> {
        let name = scopes.first()?;
        let scope = self.child(0, name, false)?;
        Some(Place { scope, depth: 1, numbered: self.scopes[scope].name != *name })
    }

    /// From one place on as far as `scopes` name layers.
    fn walk(&self, from: Place, scopes: &[&str]) -> Place {
        let Place { mut scope, mut depth, numbered } = from;
        for (index, name) in scopes.iter().enumerate().skip(depth) {
            match self.child(scope, name, numbered) {
                Some(next) => (scope, depth) = (next, index + 1),
                // A recurrent layer calls its cell within a loop.
                None if is_loop(name) => {}
                None => break,
            }
        }
        Place { scope, depth, numbered }
    }

    /// The same where layers are the scopes of variables: one that holds none may lie between two that do, as each
    /// call of a shared layer may open one.
    fn between(&self, from: Place, scopes: &[&str]) -> Found {
        let Place { mut scope, mut depth, numbered } = from;
        let mut layer = self.scopes[scope].path.clone();
        for (index, segment) in scopes.iter().enumerate().skip(depth) {
            let inner = |name: &&str| self.child(scope, name, false).is_some();
            let name = match self.child(scope, segment, numbered) {
                Some(next) => {
                    scope = next;
                    self.scopes[next].name.as_str()
                }
                None if is_loop(segment) => continue,
                None if !numbered && scopes.get(index + 1).is_some_and(inner) => segment,
                None => break,
            };
            layer.push('/');
            layer.push_str(name);
            depth = index + 1;
        }
        Found { layer: without_word(layer), depth }
    }

    /// The layer that `segment` means within `scope`.
    fn child(&self, scope: usize, segment: &str, numbered: bool) -> Option<usize> {
        let layers = &self.scopes[scope].layers;
        let exact = || layers.get(segment).copied();
        let bare = || layers.get(without_number(segment)?).copied();
        if numbered { bare().or_else(exact) } else { exact().or_else(bare) }
    }

    /// The innermost scope that holds both; the first of all where none does.
    fn common(&self, one: usize, other: usize) -> usize {
        let outwards =
            |from: usize| std::iter::successors(Some(from), |&scope| (scope != 0).then(|| self.scopes[scope].within));
        let around: FxHashSet<usize> = outwards(one).collect();
        outwards(other).find(|scope| around.contains(scope)).unwrap_or(0)
    }
}

impl Default for Layers {
    fn default() -> Self {
        Self::new(false)
    }
}

/// In a model that is called as one of our words, operations of no layer inside lie in one of that name, so that the word
/// alone means what it always does.
fn without_word(path: String) -> String {
    if is_word(&path) { format!("{path}/{path}") } else { path }
}

fn is_loop(segment: &str) -> bool {
    without_number(segment).unwrap_or(segment) == "while"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(told: bool, paths: &[&str]) -> Layers {
        let mut layers = Layers::new(told);
        paths.iter().for_each(|path| layers.add(path));
        layers
    }

    fn found(layers: &Layers, path: &str) -> Option<(String, usize)> {
        let segments: Vec<&str> = path.split('/').collect();
        layers.find(&segments).map(|found| (found.layer, found.depth))
    }

    #[test]
    fn numbers_that_keras_adds_are_taken_off_layers_and_left_on_operations() {
        let layers = layers(true, &["bert/encoder/layer_0/dense", "bert/encoder/layer_1/dense"]);
        assert_eq!(
            found(&layers, "bert_1/encoder_1/layer_0_1/dense_1/MatMul_1"),
            Some(("bert/encoder/layer_0/dense".into(), 4))
        );
        assert_eq!(found(&layers, "bert/encoder/layer_1/MatMul_1"), Some(("bert/encoder/layer_1".into(), 3)));
        assert_eq!(found(&layers, "adam/Mul"), None);
    }

    #[test]
    fn a_scope_without_variables_between_layers_is_a_layer_in_a_session() {
        let layers = layers(false, &["bert/group_0/inner_group_0/dense"]);
        assert_eq!(
            found(&layers, "bert/group_0_2/layer_2/inner_group_0/dense/einsum/Einsum"),
            Some(("bert/group_0/layer_2/inner_group_0/dense".into(), 5))
        );
        assert_eq!(found(&layers, "bert/group_0/layer_2/Mul"), Some(("bert/group_0".into(), 2)));
    }

    #[test]
    fn layers_whose_names_differ_by_a_number_are_told_apart() {
        let layers = layers(true, &["mlp/dense", "mlp/dense_1"]);
        let keras = |scope: &str| found(&layers, &format!("mlp_1/{scope}/MatMul")).map(|found| found.0);
        assert_eq!(keras("dense_1"), Some("mlp/dense".into()));
        assert_eq!(keras("dense_1_2"), Some("mlp/dense_1".into()));
        let graph = |scope: &str| found(&layers, &format!("mlp/{scope}/MatMul")).map(|found| found.0);
        assert_eq!(graph("dense"), Some("mlp/dense".into()));
        assert_eq!(graph("dense_1"), Some("mlp/dense_1".into()));
    }

    #[test]
    fn a_cell_is_found_within_the_loop_of_its_layer() {
        let layers = layers(true, &["rnn/lstm/lstm_cell"]);
        assert_eq!(found(&layers, "rnn_1/lstm_1/while/lstm_cell_1/Sigmoid"), Some(("rnn/lstm/lstm_cell".into(), 4)));
        assert_eq!(found(&layers, "rnn_1/lstm_1/while/add"), Some(("rnn/lstm".into(), 2)));
        assert_eq!(found(&layers, "while/lstm_1/lstm_cell_1/Sigmoid"), None);
    }

    #[test]
    fn an_operation_named_like_a_layer_is_no_layer() {
        let layers = layers(true, &["m/dense"]);
        assert_eq!(found(&layers, "m/dense"), Some(("m".into(), 1)));
        assert_eq!(found(&layers, "m"), None);
    }

    #[test]
    fn a_layer_that_several_hold_has_one_path() {
        let mut layers = layers(true, &["pair/encoder/shared/dense", "pair/decoder/out"]);
        layers.share("pair/decoder/shared", "pair/encoder/shared");
        let shared = Some(("pair/encoder/shared/dense".into(), 4));
        assert_eq!(found(&layers, "pair_1/decoder_1/shared_1/dense_1/MatMul"), shared);
        assert_eq!(found(&layers, "pair_1/encoder_1/shared_1/dense_1/MatMul"), shared);
        assert_eq!(layers.follow(&["pair", "decoder", "shared", "dense"]).1, 4);
    }

    #[test]
    fn operations_of_a_model_that_is_called_as_one_of_our_words_are_not_told_by_the_word_alone() {
        let layers = layers(true, &["loss/first"]);
        assert_eq!(found(&layers, "loss_1/first_1/MatMul"), Some(("loss/first".into(), 2)));
        assert_eq!(found(&layers, "loss_1/mul"), Some(("loss/loss".into(), 1)));
    }
}
