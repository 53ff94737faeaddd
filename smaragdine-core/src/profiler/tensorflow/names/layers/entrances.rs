//! How paths enter a model at one of its parts: a program may call a generator and a critic, never the whole.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{DEEPEST, Layers, Place, is_loop, without_number};

/// Where paths enter below the outermost scope.
#[derive(Debug, Default)]
pub(super) struct Entrances {
    /// Layers below the outermost, by name.
    by_name: FxHashMap<String, Vec<usize>>,
    /// Scopes of operations that variables lead to a layer: `encoder_1/dense_3`.
    by_scope: FxHashMap<String, usize>,
    /// The layers that variables lead scopes to.
    led_to: FxHashSet<usize>,
    /// Outermost scopes that hold an operation's own parts.
    operations: FxHashSet<String>,
}

/// Of layers of one name, no more than this are asked which one a path means.
const MOST_NAMESAKES: usize = 64;

impl Entrances {
    pub(super) fn add(&mut self, name: &str, scope: usize) {
        self.by_name.entry(name.to_owned()).or_default().push(scope);
    }
}

impl Layers {
    /// The innermost scope that variables lead to its layer.
    pub(super) fn by_variables(&self, scopes: &[&str]) -> Option<Place> {
        let known = &self.entrances.by_scope;
        if known.is_empty() {
            return None;
        }
        let (mut scope, mut found) = (String::new(), None);
        for (name, depth) in scopes.iter().take(DEEPEST).zip(1..) {
            if depth > 1 {
                scope.push('/');
            }
            scope.push_str(name);
            if let Some(&scope) = known.get(&scope) {
                found = Some(Place { scope, depth, numbered: self.scopes[scope].name != *name });
            }
        }
        found
    }

    /// The layer whose name the outermost scope has, with the number that Keras' second entrance gives it. Of several,
    /// the one that the rest of the path leads furthest into, or what holds all of those.
    pub(super) fn by_name(&self, scopes: &[&str]) -> Option<Place> {
        let first = *scopes.first()?;
        let Entrances { by_name, led_to, operations, .. } = &self.entrances;
        let namesakes = by_name.get(without_number(first)?).filter(|_| !operations.contains(first))?;
        let mut best: Option<Place> = None;
        for &scope in namesakes.iter().filter(|&scope| !led_to.contains(scope)).take(MOST_NAMESAKES) {
            let place = self.walk(Place { scope, depth: 1, numbered: true }, scopes);
            best = match best {
                Some(known) if known.depth > place.depth => Some(known),
                Some(known) if known.depth == place.depth => {
                    Some(Place { scope: self.common(known.scope, place.scope), ..known })
                }
                _ => Some(place),
            };
        }
        best.filter(|place| place.scope != 0)
    }

    /// Learns that a graph has an operation of this name: the scope of that name is no layer's.
    pub(in super::super) fn learn_operation(&mut self, name: &str) {
        if without_number(name).is_some_and(|bare| self.entrances.by_name.contains_key(bare)) {
            self.entrances.operations.insert(name.to_owned());
        }
    }

    /// Learns from an operation in `scopes`, which reads a variable of the layer at `path`, which scopes are that
    /// layer's and those of the layers around it.
    pub(in super::super) fn learn_variable(&mut self, scopes: &[&str], path: &[&str]) {
        let (mut layer, depth) = self.follow(path);
        if depth < path.len() {
            return;
        }
        let exact = |scope: &str, layer: usize| self.scopes[layer].name == scope;
        let bare = |scope: &str, layer: usize| without_number(scope).is_some_and(|bare| exact(bare, layer));
        let own = scopes.iter().rposition(|scope| exact(scope, layer) || bare(scope, layer));
        let Some(mut index) = own else { return };
        // Either all scopes are numbered or none is: `decoder_1` is the second entrance of `decoder`, whatever else is
        // called so.
        let is_exact = exact(scopes[index], layer);
        let mut found = vec![(index, layer)];
        while let Some(outer) = scopes[..index].iter().rposition(|scope| !is_loop(scope)) {
            layer = self.scopes[layer].within;
            let around = layer != 0 && if is_exact { exact(scopes[outer], layer) } else { bare(scopes[outer], layer) };
            if !around {
                break;
            }
            index = outer;
            found.push((index, layer));
        }
        for (index, layer) in found {
            let scope = scopes[..=index].join("/");
            // Two functions may use one scope for a layer each: then it means what holds both.
            let known = self.entrances.by_scope.get(&scope).copied().unwrap_or(layer);
            self.entrances.by_scope.insert(scope, self.common(known, layer));
            self.entrances.led_to.insert(layer);
        }
    }

    /// Ends learning: a scope of layers that nothing holds together leads nowhere.
    pub(in super::super) fn learned(&mut self) {
        self.entrances.by_scope.retain(|_, scope| *scope != 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(paths: &[&str]) -> Layers {
        let mut layers = Layers::new(true);
        paths.iter().for_each(|path| layers.add(path));
        layers
    }

    fn split(path: &str) -> Vec<&str> {
        path.split('/').collect()
    }

    fn found(layers: &Layers, path: &str) -> Option<String> {
        layers.find(&split(path)).map(|found| found.layer)
    }

    #[test]
    fn a_part_that_is_called_without_its_model_is_found_by_its_name() {
        let layers = layers(&["pair/decoder/dense", "pair/decoder/dense_1", "pair/decoder_1/dense"]);
        for (scope, layer) in [
            ("decoder_1/dense_1", "pair/decoder/dense"),
            ("decoder_3/dense_1_2", "pair/decoder/dense_1"),
            ("decoder_1_2/dense_1", "pair/decoder_1/dense"),
            ("decoder_1", "pair/decoder"),
        ] {
            assert_eq!(found(&layers, &format!("{scope}/MatMul")).as_deref(), Some(layer), "{scope}");
        }
        // Keras numbers what it calls.
        assert_eq!(found(&layers, "decoder/dense_1/MatMul"), None);
        assert_eq!(found(&layers, "pow/mul_1"), None);
    }

    #[test]
    fn a_name_that_several_layers_have_means_what_holds_them() {
        let layers = layers(&["pair/a/dense", "pair/b/dense", "other/c/dense", "other/c/dense/inner"]);
        assert_eq!(found(&layers, "dense_1/inner_1/MatMul").as_deref(), Some("other/c/dense/inner"));
        assert_eq!(found(&layers, "dense_1/MatMul"), None, "no model holds all three");
        let layers = self::layers(&["pair/a/dense", "pair/b/dense"]);
        assert_eq!(found(&layers, "dense_1/MatMul").as_deref(), Some("pair"));
    }

    #[test]
    fn variables_tell_layers_of_one_name_apart() {
        let mut layers = layers(&["pair/a/dense/inner", "pair/a/flat", "pair/b/dense"]);
        layers.learn_variable(&split("dense_1/Cast"), &split("pair/a/dense"));
        layers.learn_variable(&split("pass/dense_3/Cast"), &split("pair/b/dense"));
        layers.learn_variable(&split("tied_1/MatMul"), &split("pair/b/dense"));
        layers.learned();
        assert_eq!(found(&layers, "dense_1/MatMul").as_deref(), Some("pair/a/dense"));
        assert_eq!(found(&layers, "dense_1/inner_1/MatMul").as_deref(), Some("pair/a/dense/inner"));
        assert_eq!(found(&layers, "pass/dense_3/MatMul").as_deref(), Some("pair/b/dense"));
        assert_eq!(found(&layers, "dense_5/MatMul"), None, "it is known how both are called");
        assert_eq!(found(&layers, "flat_1/Reshape").as_deref(), Some("pair/a/flat"));
    }

    #[test]
    fn a_variable_tells_the_scopes_of_the_layers_around_its_own() {
        let mut layers = layers(&["pair/encoder/block/dense", "pair/encoder/flat"]);
        layers.learn_variable(&split("pass/encoder_1/while/block_1/dense_1"), &split("pair/encoder/block/dense"));
        layers.learned();
        assert_eq!(found(&layers, "pass/encoder_1/flat_1/Reshape").as_deref(), Some("pair/encoder/flat"));
        assert_eq!(found(&layers, "pass/Mean"), None);
    }

    #[test]
    fn a_scope_that_two_functions_use_for_a_layer_each_means_what_holds_both() {
        let mut layers = layers(&["pair/a/dense", "pair/b/dense", "other/dense"]);
        layers.learn_variable(&split("dense_1/Cast"), &split("pair/a/dense"));
        layers.learn_variable(&split("dense_1/Cast"), &split("pair/b/dense"));
        assert_eq!(found(&layers, "dense_1/MatMul").as_deref(), Some("pair"));
        layers.learn_variable(&split("dense_1/Cast"), &split("other/dense"));
        layers.learned();
        assert_eq!(found(&layers, "dense_1/MatMul"), None);
    }

    #[test]
    fn the_parts_of_an_operation_are_no_layer() {
        let mut layers = layers(&["pair/add"]);
        layers.learn_operation("add_1");
        assert_eq!(found(&layers, "add_1/ReadVariableOp"), None);
        assert_eq!(found(&layers, "add_2/AddV2").as_deref(), Some("pair/add"));
    }
}
