//! Operations that no scope of the model names belong to whom they serve, which the graph tells: sums of gradients,
//! the optimizer's updates of a variable, what Keras computes for metrics, what a training step computes by itself.

use rustc_hash::{FxHashMap, FxHashSet};

use super::path::{Path, is_update, without_number};
use super::place::Place;
use super::variables::layer_of;
use super::walk::{Owner, Walker};
use super::{LOSS, Namer, OPTIMIZER};
use crate::profiler::tensorflow::graph::{Graph, NodeId};
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
        for (node, place) in walker.served() {
            if place.is_in_layer() || place.layer == LOSS {
                let scope = match place.phase {
                    Phase::Backward => "gradients/",
                    Phase::Optimizer => "optimizer/",
                    Phase::Forward | Phase::Other => "",
                };
                families.entry(format!("{scope}{}", place.layer)).or_default().push((place, node));
            } else {
                served.insert(node, Service { place, qtn: String::new() });
            }
        }
        let taken = taken(namer, graph, &families);
        for (scope, members) in families {
            number(namer, graph, &scope, members, &taken, &mut served);
        }
        Self { served }
    }

    pub(super) fn get(&self, node: NodeId) -> Option<&Service> {
        self.served.get(&node)
    }
}

/// What operations are called that lie in one of these scopes themselves.
fn taken(namer: &Namer, graph: &Graph, scopes: &FxHashMap<String, Vec<(Place, NodeId)>>) -> FxHashSet<String> {
    let mut taken = FxHashSet::default();
    for node in graph.nodes() {
        let path = Path::of(&node.name, &namer.layers);
        let Some(found) = path.found else { continue };
        let scope = if path.backward { format!("gradients/{}", found.layer) } else { found.layer };
        if scopes.contains_key(&scope) {
            taken.insert(format!("{scope}/{}", path.segments[found.depth]));
        }
    }
    taken
}

/// Names the operations that serve one scope after their type, numbered in the order of TensorFlow's own numbers.
fn number(
    namer: &Namer,
    graph: &Graph,
    scope: &str,
    members: Vec<(Place, NodeId)>,
    taken: &FxHashSet<String>,
    served: &mut FxHashMap<NodeId, Service>,
) {
    let mut tails: FxHashMap<&str, Vec<(u32, &str)>> = FxHashMap::default();
    for &(_, node) in &members {
        let (head, _) = head_and_rest(namer, &graph.node(node).name);
        let (bare, number) = bare_and_number(head);
        tails.entry(bare).or_default().push((number, head));
    }
    let mut names: FxHashMap<&str, String> = FxHashMap::default();
    for (bare, mut heads) in tails {
        heads.sort_unstable();
        heads.dedup();
        let plain = std::iter::once(format!("{scope}/{bare}"));
        let numbered = plain.chain((1..).map(|number| format!("{scope}/{bare}_{number}")));
        let free = numbered.filter(|name| !taken.contains(name));
        names.extend(heads.into_iter().map(|(_, head)| head).zip(free));
    }
    for (place, node) in members {
        let (head, rest) = head_and_rest(namer, &graph.node(node).name);
        served.insert(node, Service { place, qtn: format!("{}{rest}", names[head]) });
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
    let segments = Path::of(name, &namer.layers).segments;
    let mut head = usize::from(segments.len() > 1 && namer.is_optimizer(segments[0]));
    if head == 1 && segments.len() > 2 && is_update(segments[1]) {
        head = 2;
    }
    let rest = segments.iter().skip(head + 1).flat_map(|segment| ["/", segment]).collect();
    (segments.get(head).copied().unwrap_or(name), rest)
}
