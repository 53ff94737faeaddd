//! What a bench hands over beside its table: each number as a line of JSON, added to the file that `SMARAGDINE_NUMBERS`
//! names. `experiments/speed/run.py` runs the benches so, and makes its page of what they handed over.

#![allow(dead_code, reason = "each bench uses its own part")]

use std::fs::OpenOptions;
use std::io::Write as _;

use serde::Serialize;

/// One number, with what it is to reach and what it is compared to.
#[derive(Debug, Serialize)]
#[must_use = "it is handed over by `hand_over`"]
pub(crate) struct Number {
    bench: &'static str,
    /// Within the bench.
    name: String,
    /// `None`: it could not be measured here.
    value: Option<f64>,
    unit: &'static str,
    at_least: Option<f64>,
    at_most: Option<f64>,
    /// Names of others of the same bench and unit, which the same run tells.
    compared_to: Vec<String>,
}

impl Number {
    pub(crate) fn new(name: impl Into<String>, value: impl Into<Option<f64>>, unit: &'static str) -> Self {
        let (name, value) = (name.into(), value.into());
        // The bench that is compiled with this file.
        let bench = env!("CARGO_CRATE_NAME");
        Self { bench, name, value, unit, at_least: None, at_most: None, compared_to: Vec::new() }
    }

    pub(crate) fn at_least(self, goal: f64) -> Self {
        Self { at_least: Some(goal), ..self }
    }

    pub(crate) fn at_most(self, goal: f64) -> Self {
        Self { at_most: Some(goal), ..self }
    }

    pub(crate) fn compared_to(mut self, name: impl Into<String>) -> Self {
        self.compared_to.push(name.into());
        self
    }

    /// Where nobody asks for numbers, the bench's table is all there is.
    pub(crate) fn hand_over(&self) {
        let Some(path) = std::env::var_os("SMARAGDINE_NUMBERS") else { return };
        let file = OpenOptions::new().append(true).create(true).open(&path);
        let mut file = file.unwrap_or_else(|error| panic!("SMARAGDINE_NUMBERS, {}: {error}", path.display()));
        let line = serde_json::to_string(self).expect("texts and numbers become JSON");
        writeln!(file, "{line}").expect("a line is added to the file that SMARAGDINE_NUMBERS names");
    }
}
