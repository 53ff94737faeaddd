//! What the user's program says about its model.

use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the program says of its model; empty where it says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Model {
    /// The outermost scope, `bert`.
    pub name: String,
    /// `encoder/layer_0/attention`, without the model's name.
    pub layer_paths: Vec<String>,
    /// Where several hold one layer, each further path to it → its path among `layer_paths`.
    #[serde(default, skip_serializing_if = "FxHashMap::is_empty")]
    pub shared: FxHashMap<String, String>,
    /// `bert/encoder/layer_0/output/dense/kernel`, in the optimizer's order.
    pub variables: Vec<String>,
    /// What functions call the variables that they capture → the variable's path. Of use while the recording lasts.
    #[serde(skip)]
    pub captures: FxHashMap<String, String>,
}
