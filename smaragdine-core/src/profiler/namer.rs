//! Raw names of any framework's → operations.

use rustc_hash::FxHashSet;

use super::tensorflow::graph::Graph;
use super::{RawOp, jax, tensorflow};
use crate::trace::{Model, Op};

/// Names the operations of one recording.
#[derive(Debug, Default)]
pub struct Namer {
    tensorflow: tensorflow::names::Namer,
    jax: jax::Namer,
}

impl Namer {
    /// Of what the program says of its model, and the graphs and operations that its profiles told.
    #[must_use]
    pub fn new<'a>(model: Model, graphs: Vec<Graph>, names: impl IntoIterator<Item = &'a RawOp>) -> Self {
        let jax = jax::Namer::of(&model, names);
        Self { tensorflow: tensorflow::names::Namer::new(model, graphs), jax }
    }

    /// Of a finished trace, of which the paths of its layers are known, and the operations of a further profile.
    #[must_use]
    pub fn of_layers<'a>(paths: impl IntoIterator<Item = &'a str>, names: impl IntoIterator<Item = &'a RawOp>) -> Self {
        Self { tensorflow: tensorflow::names::Namer::of_layers(paths), jax: jax::Namer::of(&Model::default(), names) }
    }

    /// The operation that `raw` names. The same `raw` always gives the same operation.
    #[must_use]
    pub fn name(&self, raw: &RawOp) -> Op {
        match &raw.origin {
            Some(origin) => self.jax.name(raw, origin),
            None => self.tensorflow.name(raw),
        }
    }

    /// What people should know about the names.
    #[must_use]
    pub fn note(&self) -> Option<&'static str> {
        self.jax.note()
    }

    /// As TensorFlow's [`Namer::executed`](tensorflow::names::Namer::executed): others tell no graph beside a profile.
    #[must_use]
    pub fn executed(&self, raw_names: &FxHashSet<&str>) -> Vec<RawOp> {
        self.tensorflow.executed(raw_names)
    }

    /// Which operations feed which, as TensorFlow's graphs tell: pairs of indexes into `ops`.
    #[must_use]
    pub fn edges(&self, ops: &[Op]) -> Vec<(u32, u32)> {
        self.tensorflow.edges(ops)
    }
}
