//! Operations of JAX's → the qualified tensor name, the user's layer, the pass.

use rustc_hash::{FxHashMap, FxHashSet};

use super::argument::keys;
use super::name::{Name, Pass, is_class, is_traced};
use super::origin::Origin;
use super::owners::Owners;
use crate::profiler::RawOp;
use crate::trace::{Model, Op, OwnLayer, Phase};

const UNNAMED: &str = "the programs that JAX compiled name no modules, so that operations lead to passes but not to \
    layers; hint: tell smaragdine.record(…, model=model) before the step is compiled (Flax nnx, Equinox), or enclose \
    parts in jax.named_scope";
/// JAX 0.4 marks passes in scopes alone.
const UNTOLD: &str = "the programs that JAX compiled name no modules, and no passes without them, so that most \
    operations lead nowhere; hint: tell smaragdine.record(…, model=model) before the step is compiled (Flax nnx, \
    Equinox), or enclose parts in jax.named_scope";

/// The scope of all losses that Keras was told to minimise.
const COMPILED_LOSS: &str = "compile_loss";

/// Layers of one last scope that are looked at: a model's blocks are some hundreds.
const MOST_ALIKE: usize = 4096;

/// Names operations of one recording's programs.
#[derive(Debug, Default)]
pub struct Namer {
    /// The scopes of what is differentiated or infers: the user's layers and all that hold them.
    layers: FxHashSet<String>,
    /// Those by their last scope, in the order in which they were learnt.
    by_last: FxHashMap<String, Vec<String>>,
    owners: Owners,
    /// JAX named an operation.
    traced: bool,
    /// A program computes gradients.
    trains: bool,
    /// What the program says of its model: its own name, and the paths of its layers without that.
    model: String,
    told: FxHashSet<String>,
}

struct Place {
    layer: String,
    phase: Phase,
    /// What stands between the layer and the operation in a name: the variable that is updated.
    within: String,
}

impl Place {
    fn new(layer: impl Into<String>, phase: Phase) -> Self {
        Self { layer: layer.into(), phase, within: String::new() }
    }
}

impl Namer {
    /// Learns from all that the recording's profiles name what the layers are.
    #[must_use]
    pub fn of<'a>(model: &Model, names: impl IntoIterator<Item = &'a RawOp>) -> Self {
        let told = model.layer_paths.iter().cloned().collect();
        let mut namer = Self { model: model.name.clone(), told, ..Self::default() };
        // Of a program that trains, what is outside may be the optimizer's own scopes.
        let of_model = |name: &Name, origin: &Origin| name.pass != Pass::Outside || !origin.trains;
        let names: Vec<(Name, &Origin)> =
            names.into_iter().filter_map(|raw| Some((Name::of(&raw.raw_name), raw.origin.as_deref()?))).collect();
        for (name, origin) in &names {
            namer.traced |= !name.operation.is_empty();
            namer.trains |= origin.trains;
            if of_model(name, origin) {
                namer.owners.learn_name(name);
            }
            if let Some(path) = &origin.argument {
                namer.owners.learn_argument(path);
            }
        }
        for (name, origin) in &names {
            if of_model(name, origin) {
                let layer = namer.layer_of(name).unwrap_or_default();
                if !layer.is_empty() && OwnLayer::parse(&layer).is_none() {
                    namer.learn(&layer.split('/').collect::<Vec<_>>());
                }
            }
        }
        namer
    }

    /// What people should know about the names.
    #[must_use]
    pub fn note(&self) -> Option<&'static str> {
        let named = |layer: &String| !layer.split('/').all(is_class);
        let note = if self.trains { UNNAMED } else { UNTOLD };
        (self.traced && !self.layers.iter().any(named)).then_some(note)
    }

    fn learn(&mut self, scopes: &[&str]) {
        for depth in (1..=scopes.len()).rev() {
            let layer = scopes[..depth].join("/");
            if !self.layers.insert(layer.clone()) {
                return;
            }
            self.by_last.entry(scopes[depth - 1].to_owned()).or_default().push(layer);
        }
    }

    /// The operation that `raw`, which has an `origin`, names.
    #[must_use]
    pub fn name(&self, raw: &RawOp, origin: &Origin) -> Op {
        let name = Name::of(&raw.raw_name);
        let place = self.place(&raw.raw_name, &name, origin);
        let operation = if name.operation.is_empty() || !is_traced(&raw.raw_name) { &raw.kind } else { name.operation };
        let of_layer =
            if place.within.is_empty() { place.layer.clone() } else { format!("{}/{}", place.layer, place.within) };
        let pass = match place.phase {
            Phase::Backward => "gradients/",
            Phase::Optimizer if OwnLayer::parse(&place.layer).is_none() => "optimizer/",
            Phase::Forward | Phase::Optimizer | Phase::Other => "",
        };
        Op {
            qtn: format!("{pass}{of_layer}/{operation}"),
            layer: place.layer,
            kind: raw.kind.clone(),
            phase: place.phase,
            raw_name: raw.raw_name.clone(),
            flops: raw.flops,
            fused: String::new(),
        }
    }

    fn place(&self, raw_name: &str, name: &Name, origin: &Origin) -> Place {
        if !is_traced(raw_name) {
            return Place::new(OwnLayer::Runtime.name(), Phase::Other);
        }
        let phase = match name.pass {
            Pass::Forward => Phase::Forward,
            Pass::Backward => Phase::Backward,
            Pass::Outside => return self.outside(name, origin),
        };
        match (self.layer_of(name), &origin.served) {
            (Some(layer), _) => Place::new(layer, phase),
            (None, Some(served)) => self.beside(served, phase),
            (None, None) => Place::new(self.loss(), phase),
        }
    }

    /// What is differentiated and lies in no module is the loss, where modules are known.
    fn loss(&self) -> &'static str {
        if self.layers.is_empty() { OwnLayer::Unknown.name() } else { OwnLayer::Loss.name() }
    }

    fn outside(&self, name: &Name, origin: &Origin) -> Place {
        if let Some(layer) = self.layer_of(name) {
            if !origin.trains || self.layers.contains(&layer) {
                return Place::new(layer, Phase::Forward);
            }
            // What XLA took out of a loop may have lost the scopes around it.
            if self.ending_in(&name.scopes).next().is_some() {
                return Place::new(self.only(&name.scopes).map_or(layer, str::to_owned), Phase::Forward);
            }
            let phase =
                if origin.gradient.is_some() || origin.argument.is_some() { Phase::Optimizer } else { Phase::Other };
            return Place::new(layer, phase);
        }
        if let Some(served) = &origin.served {
            return self.beside(served, Phase::Forward);
        }
        let updated = origin.argument.as_deref().and_then(|path| self.updated(path));
        let known_to_update = self.trains && updated.is_some();
        if !origin.trains && !known_to_update {
            let phase = if self.layers.is_empty() { Phase::Other } else { Phase::Forward };
            return Place::new(OwnLayer::Unknown.name(), phase);
        }
        if origin.measures {
            return Place::new(OwnLayer::Metrics.name(), Phase::Other);
        }
        updated
            .or_else(|| Some(Place::new(self.layer_of(&Name::of(origin.gradient.as_deref()?))?, Phase::Optimizer)))
            .unwrap_or_else(|| Place::new(OwnLayer::Optimizer.name(), Phase::Optimizer))
    }

    /// A scope that is called as what is nobody's means a layer all the same.
    fn layer_of(&self, name: &Name) -> Option<String> {
        if name.scopes.first().is_some_and(|first| *first == COMPILED_LOSS) {
            return Some(OwnLayer::Loss.name().to_owned());
        }
        let layer = self.owners.own_path(&name.scopes).join("/");
        // A functional or sequential model of Keras opens no scope of its own.
        if (1..=name.scopes.len()).any(|depth| self.told.contains(&name.scopes[..depth].join("/"))) {
            return Some(format!("{}/{layer}", self.model));
        }
        match OwnLayer::parse(&layer) {
            Some(OwnLayer::Unknown | OwnLayer::Runtime) => Some(format!("{layer}/{layer}")),
            _ => (!layer.is_empty()).then_some(layer),
        }
    }

    /// The place of what works for an operation with this name: in its layer.
    fn beside(&self, served: &str, phase: Phase) -> Place {
        Place::new(self.layer_of(&Name::of(served)).unwrap_or_else(|| self.loss().to_owned()), phase)
    }

    /// Layers that end in the last of these scopes and have all in their order, with how many they have besides.
    fn ending_in<'a>(&'a self, scopes: &[&str]) -> impl Iterator<Item = (usize, &'a str)> {
        let alike = scopes.last().and_then(|last| self.by_last.get(*last)).map_or(&[][..], Vec::as_slice);
        alike.iter().take(MOST_ALIKE).filter_map(|layer| Some((beside(layer, scopes)?, layer.as_str())))
    }

    /// The one of them that has least besides.
    fn only(&self, scopes: &[&str]) -> Option<&str> {
        let mut holders: Vec<_> = self.ending_in(scopes).collect();
        holders.sort_unstable();
        let (between, layer) = *holders.first()?;
        holders.get(1).is_none_or(|(next, _)| *next > between).then_some(layer)
    }

    /// The layer whose variable has this path: the one that ends in as many of the path's keys as may be, and where
    /// several do, the one that adds least to them.
    fn updated(&self, path: &str) -> Option<Place> {
        let path = keys(path);
        let variable = path.len().checked_sub(1)?;
        // A module may keep variables under names that it opens no scope for.
        let depth = path[..variable].iter().rposition(|key| self.by_last.contains_key(*key))? + 1;
        // The outermost keys are the argument's own, `p` and `params`.
        let layer = (0..depth).find_map(|start| self.only(&path[start..depth]))?;
        Some(Place { within: path[depth..].join("/"), ..Place::new(layer, Phase::Optimizer) })
    }
}

/// How many scopes a layer has beside these, if it ends in the last of them and has all in their order.
fn beside(layer: &str, scopes: &[&str]) -> Option<usize> {
    let mut own = layer.rsplit('/');
    let mut wanted = scopes.iter().rev();
    if own.next() != wanted.next().copied() {
        return None;
    }
    let mut others = 0;
    let mut next = wanted.next();
    for scope in own {
        if next.is_some_and(|wanted| *wanted == scope) {
            next = wanted.next();
        } else {
            others += 1;
        }
    }
    next.is_none().then_some(others)
}
