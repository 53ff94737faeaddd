//! Whom an operation without a scope serves: its data comes from somewhere, and goes somewhere.

use rustc_hash::FxHashMap;

use super::path::{Path, without_number};
use super::place::Place;
use super::variables::{Variable, layer_of};
use super::walk::{Walker, is_assignment, within_reach};
use super::{LOSS, METRICS, OPTIMIZER, UNKNOWN};
use crate::profiler::tensorflow::graph::NodeId;
use crate::trace::Phase;

type Served = FxHashMap<NodeId, Place>;

impl Walker<'_> {
    /// Whom the operations without a scope serve, as far as the graph tells.
    pub(super) fn served(&self) -> Served {
        let unplaced: Vec<NodeId> = self.graph.ids().filter(|&node| self.is_unplaced(node)).collect();
        let mut served = Served::default();
        let passes = [
            Self::by_updates,
            Self::by_gradients,
            Self::by_consumers,
            Self::by_loss,
            Self::by_terms_of_loss,
            Self::by_states,
        ];
        for find in passes {
            let rest = unplaced.iter().filter(|node| !served.contains_key(node));
            let found: Vec<_> = rest.filter_map(|&node| Some((node, find(self, node, &served)?))).collect();
            served.extend(found);
        }
        served
    }

    fn are_told(&self) -> bool {
        self.namer.layers.are_told()
    }

    fn is_sum(&self, node: NodeId) -> bool {
        let last = self.graph.node(node).name.rsplit('/').next().unwrap_or("");
        without_number(last).unwrap_or(last) == "AddN"
    }

    /// What a step computes by itself only to update a variable of a layer's, `rate * gradient`, serves the layer, and
    /// what it does so for variables of several layers, the optimizer.
    fn by_updates(&self, node: NodeId, _: &Served) -> Option<Place> {
        if !self.are_told() || self.is_backward(node) || self.is_sum(node) {
            return None;
        }
        let update =
            |node: NodeId| self.state(node).filter(|place| place.phase == Phase::Optimizer && place.is_in_layer());
        let (mut updates, mut is_used) = (Vec::new(), false);
        updates.extend(update(node));
        let consumers = |node: NodeId| {
            let consumers: Vec<NodeId> = within_reach(&self.graph.node(node).consumers).collect();
            updates.extend(consumers.iter().filter_map(|&node| update(node)));
            is_used |= consumers.iter().any(|&node| self.is_backward(node) || self.place(node).is_some());
            consumers
        };
        self.walk(node, consumers, |_, _| true);
        let one = updates.pop().filter(|_| !is_used)?;
        Some(if updates.iter().all(|other| *other == one) { one } else { Place::new(OPTIMIZER, Phase::Optimizer) })
    }

    /// An operation that gradients feed serves the innermost layer that all of them come from. Where the layers are
    /// told, that holds for sums of gradients. A layer that computes its gradients itself does so outside its scope;
    /// what else a step does with gradients, and those of what it computes by itself, are in no layer of the model.
    fn by_gradients(&self, node: NodeId, _: &Served) -> Option<Place> {
        let (mut layer, mut fed, mut of_step, mut used) = (None::<String>, false, false, Vec::new());
        // TensorFlow merges equal constants and shapes: a metric may take one from the gradients.
        let tells_values = |input: &NodeId| !tells_shape(&self.graph.node(*input).op);
        let inputs = |node: NodeId| {
            of_step |= self.is_backward(node);
            within_reach(&self.graph.node(node).inputs).filter(tells_values).collect()
        };
        self.walk(node, inputs, |node, place| {
            if place.phase == Phase::Forward && place.is_in_layer() {
                used.push(node);
            } else if place.phase == Phase::Backward && (place.is_in_layer() || !self.are_told()) {
                layer = Some(match layer.take() {
                    Some(known) => common(&known, &place.layer),
                    None => place.layer.clone(),
                });
            }
            fed |= place.phase == Phase::Backward;
            false
        });
        if !self.are_told() {
            return layer.filter(|layer| !layer.is_empty()).map(|layer| Place::new(layer, Phase::Backward));
        }
        if !fed && !of_step {
            return None;
        }
        let around = Path::of(&self.graph.node(node).name, &self.namer.layers).around;
        let by_itself = || if self.is_backward(node) { None } else { self.users(&used) };
        let layer = match layer {
            Some(layer) if self.is_sum(node) => layer,
            layer => around.or_else(by_itself).unwrap_or_else(|| match layer {
                Some(layer) => self.model_of(&layer),
                None => LOSS.to_owned(),
            }),
        };
        Some(Place::new(if layer.is_empty() { UNKNOWN } else { &layer }, Phase::Backward))
    }

    /// The innermost layer that holds all that use these results of layers in the forward pass.
    fn users(&self, results: &[NodeId]) -> Option<String> {
        let consumers = results.iter().flat_map(|&node| within_reach(&self.graph.node(node).consumers));
        let places = consumers.filter_map(|node| self.place(node));
        let forward = places.filter(|place| place.phase == Phase::Forward && place.is_in_layer());
        forward.map(|place| place.layer.clone()).reduce(|one, other| common(&one, &other))
    }

    /// An operation serves the first scope that its results reach; one whose results end in a variable is a metric.
    ///
    /// What a step computes by itself on the way to a layer is in no layer inside the model; what no layer uses, and
    /// gradients are taken of, is a loss.
    fn by_consumers(&self, node: NodeId, known: &Served) -> Option<Place> {
        if let Some(place) = self.state(node) {
            return Some(place);
        }
        let (mut served, mut state, mut has_gradients) = (None, None, false);
        let is_gradient = |node: &NodeId| {
            let computes_one = || known.get(node).is_some_and(|place| place.phase == Phase::Backward);
            self.are_told() && (self.is_backward(*node) || computes_one())
        };
        let consumers = |node: NodeId| {
            state = state.take().or_else(|| self.state(node));
            let consumers = within_reach(&self.graph.node(node).consumers);
            let (gradients, others): (Vec<NodeId>, Vec<NodeId>) = consumers.partition(is_gradient);
            has_gradients |= !gradients.is_empty();
            others
        };
        self.walk(node, consumers, |_, place| {
            served = Some(place.clone());
            true
        });
        if let Some(place) = served.as_mut().filter(|place| self.are_told() && place.is_in_layer()) {
            place.layer = self.model_of(&place.layer);
        }
        // A value may be counted by a metric and used; then the use is what it is for.
        served
            .or_else(|| self.for_gradients(node, known))
            .or_else(|| has_gradients.then(|| Place::new(LOSS, Phase::Forward)))
            .or(state)
    }

    /// What an operation without a scope serves that only computes what others do with gradients, also without one.
    fn for_gradients(&self, node: NodeId, known: &Served) -> Option<Place> {
        let mut found = None;
        let ends = |node: NodeId| {
            let of_gradients = known.get(&node).filter(|place| place.phase == Phase::Backward);
            of_gradients.filter(|_| !self.is_backward(node) && !self.is_sum(node)).cloned()
        };
        let consumers = |node: NodeId| {
            let consumers = || within_reach(&self.graph.node(node).consumers);
            found = found.take().or_else(|| consumers().find_map(ends));
            let others = consumers().filter(|node| !known.contains_key(node) && !self.is_backward(*node));
            others.collect()
        };
        self.walk(node, consumers, |_, _| false);
        found.filter(|_| self.are_told())
    }

    /// What is made of a loss is of the loss.
    fn by_loss(&self, node: NodeId, served: &Served) -> Option<Place> {
        self.beside_loss(node, served, |node| &self.graph.node(node).inputs)
    }

    /// So is what is added to it: a penalty on the size of a layer's kernel, of which no other gradients are taken.
    fn by_terms_of_loss(&self, node: NodeId, served: &Served) -> Option<Place> {
        self.beside_loss(node, served, |node| &self.graph.node(node).consumers)
    }

    fn beside_loss<'g>(
        &self,
        node: NodeId,
        served: &Served,
        next: impl Fn(NodeId) -> &'g Vec<NodeId>,
    ) -> Option<Place> {
        let (loss, mut is_found) = (Place::new(LOSS, Phase::Forward), false);
        let next = |node: NodeId| {
            is_found |= served.get(&node) == Some(&loss);
            within_reach(next(node)).collect()
        };
        self.walk(node, next, |_, _| false);
        (is_found && self.are_told()).then_some(loss)
    }

    /// What is read back from a metric's variable belongs to it, also from one that a loss updates.
    fn by_states(&self, node: NodeId, _: &Served) -> Option<Place> {
        let mut found = None;
        let of_loss = |node: NodeId| {
            let updates = is_assignment(&self.graph.node(node).op);
            self.place(node).filter(|place| updates && self.are_told() && place.layer == LOSS).cloned()
        };
        let sources = |id: NodeId| {
            let node = self.graph.node(id);
            let controls = || within_reach(&node.controls);
            found = found.take().or_else(|| self.state(id)).or_else(|| controls().find_map(of_loss));
            within_reach(&node.inputs).chain(controls()).collect()
        };
        self.walk(node, sources, |_, _| false);
        found
    }

    /// Whose variable the operation updates, where it is one without a scope that updates one.
    fn state(&self, id: NodeId) -> Option<Place> {
        let node = self.graph.node(id);
        if !is_assignment(&node.op) || !self.is_unplaced(id) {
            return None;
        }
        let resource = self.graph.node(*node.inputs.first()?);
        let variable = match self.namer.variables.find(self.graph, resource) {
            Some(Variable::Own(path) | Variable::Slot(path)) => {
                if let Some((layer, _)) = layer_of(&self.namer.layers, &self.namer.model_name, &path) {
                    return Some(Place::new(layer, Phase::Optimizer));
                }
                path
            }
            Some(Variable::Other(path)) => {
                // One that is not trained, such as a teacher's, which follows a student's. A metric may be called as
                // the model is.
                let layer = layer_of(&self.namer.layers, "", &path).map(|(layer, _)| layer);
                if let Some(layer) = layer.filter(|layer| self.are_told() && self.model_of(layer) != *layer) {
                    return Some(Place::new(layer, Phase::Optimizer));
                }
                path
            }
            // Functions get their variables as arguments, `adam_add_readvariableop_resource`.
            None => resource.name.replace('_', "/"),
        };
        let names = [variable.as_str(), Path::of(&node.name, &self.namer.layers).first()];
        let of_optimizer = |name: &str| name.split('/').next().is_some_and(|first| self.namer.names_optimizer(first));
        Some(if names.into_iter().any(of_optimizer) {
            Place::new(OPTIMIZER, Phase::Optimizer)
        } else {
            Place::new(METRICS, Phase::Other)
        })
    }

    /// The layer that operations of the outermost model around `layer` have which lie in no layer inside.
    fn model_of(&self, layer: &str) -> String {
        let outermost = layer.split('/').next().unwrap_or(layer);
        self.namer.layers.locate(&[outermost]).map_or_else(String::new, |found| found.layer)
    }
}

/// Whether results of this type are the same whatever the data.
fn tells_shape(op: &str) -> bool {
    matches!(op, "Const" | "Shape" | "ShapeN" | "Size" | "Rank" | "BroadcastGradientArgs" | "VariableShape")
}

/// The innermost scope that holds both.
fn common(one: &str, other: &str) -> String {
    let shared = one.split('/').zip(other.split('/')).take_while(|(one, other)| one == other);
    shared.map(|(segment, _)| segment).collect::<Vec<_>>().join("/")
}
