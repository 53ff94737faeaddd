//! Operations that no scope of the model names belong to whom they serve, which the graph tells: sums of gradients,
//! the optimizer's updates of a variable, what Keras computes for metrics.

use rustc_hash::FxHashMap;

use super::path::{Path, is_update, without_number};
use super::variables::layer_of;
use super::walk::{Owner, Walker};
use super::{Namer, OPTIMIZER, Place};
use crate::graph::{Graph, NodeId};
use crate::trace::Phase;

/// Whom the operations of one graph serve.
#[derive(Debug, Default)]
pub(super) struct Servants {
    served: FxHashMap<NodeId, Service>,
}

/// Whom an operation serves, and its name among those that serve the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) place: Place,
    /// `gradients/bert/encoder/layer_0/AddN`, `optimizer/bert/pooler/dense/kernel/Square`; the same in every step and
    /// process, where TensorFlow's own numbers are not. Empty where the operation's own name says as much.
    pub(super) qtn: String,
}

impl Servants {
    pub(super) fn find(namer: &Namer, graph: &Graph) -> Self {
        let walker = Walker::of(namer, graph);
        let mut families: FxHashMap<String, Vec<(Place, NodeId)>> = FxHashMap::default();
        let mut served = FxHashMap::default();
        for (node, owner) in walker.owners() {
            let Owner::One(variable) = owner else { continue };
            let Some((layer, name)) = layer_of(&namer.layers, &namer.model_name, &variable) else { continue };
            let scope = format!("{OPTIMIZER}/{layer}/{name}");
            let place = Place::new(layer, Phase::Optimizer);
            if graph.node(node).name.contains(&variable) {
                served.insert(node, Service { place, qtn: String::new() });
            } else {
                families.entry(scope).or_default().push((place, node));
            }
        }
        for node in graph.ids().filter(|&node| walker.is_unplaced(node)) {
            let Some(place) = walker.serves(node) else { continue };
            if namer.layers.contains(&place.layer) {
                let scope = if place.phase == Phase::Backward { "gradients/" } else { "" };
                families.entry(format!("{scope}{}", place.layer)).or_default().push((place, node));
            } else {
                served.insert(node, Service { place, qtn: String::new() });
            }
        }
        for (scope, members) in families {
            number(namer, graph, &scope, members, &mut served);
        }
        Self { served }
    }

    pub(super) fn get(&self, node: NodeId) -> Option<&Service> {
        self.served.get(&node)
    }
}

/// Names the operations that serve one scope after their type, numbered in the order of TensorFlow's own numbers.
fn number(
    namer: &Namer,
    graph: &Graph,
    scope: &str,
    members: Vec<(Place, NodeId)>,
    served: &mut FxHashMap<NodeId, Service>,
) {
    let mut tails: FxHashMap<&str, Vec<(u32, &str)>> = FxHashMap::default();
    for &(_, node) in &members {
        let (head, _) = head_and_rest(namer, &graph.node(node).name);
        let (bare, number) = bare_and_number(head);
        tails.entry(bare).or_default().push((number, head));
    }
    for heads in tails.values_mut() {
        heads.sort_unstable();
        heads.dedup();
    }
    for (place, node) in members {
        let (head, rest) = head_and_rest(namer, &graph.node(node).name);
        let (bare, number) = bare_and_number(head);
        let ordinal = tails[bare].binary_search(&(number, head)).unwrap_or(0);
        let number = if ordinal == 0 { String::new() } else { format!("_{ordinal}") };
        served.insert(node, Service { place, qtn: format!("{scope}/{bare}{number}{rest}") });
    }
}

/// `Sub_26` → (`Sub`, 26)
fn bare_and_number(head: &str) -> (&str, u32) {
    let bare = without_number(head).unwrap_or(head);
    let number = head[bare.len()..].strip_prefix('_').map_or(0, |number| number.parse().unwrap_or(u32::MAX));
    (bare, number)
}

/// `adam/Sub_26/ReadVariableOp` → (`Sub_26`, `/ReadVariableOp`); `AddN_3` → (`AddN_3`, ``)
fn head_and_rest<'a>(namer: &Namer, name: &'a str) -> (&'a str, String) {
    let segments = Path::of(name).segments;
    let mut head = usize::from(segments.len() > 1 && namer.is_optimizer(segments[0]));
    if head == 1 && segments.len() > 2 && is_update(segments[1]) {
        head = 2;
    }
    let rest = segments.iter().skip(head + 1).flat_map(|segment| ["/", segment]).collect();
    (segments.get(head).copied().unwrap_or(name), rest)
}
