//! The contract of a trace directory as JSON Schema: `trace.json`, every vocabulary, and the tables with their columns.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::Checksum;
use super::layout::{Column, LAYOUTS, Layout};
use crate::trace::{Basis, Entry, Flag, Kind, Level, Metadata, OwnLayer, Phase, Policy, SourceName, State};

/// `trace.json` as it lies in a directory.
#[derive(JsonSchema)]
#[schemars(title = "trace.json of Smaragdine")]
#[expect(dead_code, reason = "only its schema is of use")]
struct TraceFile {
    #[schemars(flatten)]
    metadata: Metadata,
    /// By table.
    checksums: Option<BTreeMap<String, Checksum>>,
    /// SHA-256 of all other fields, the checksums included.
    seal: Option<String>,
}

/// The schema; its key `tables` is an extension that lists each table's file and columns.
#[must_use]
pub fn schema() -> String {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    // Those that only tables hold are words of the contract as well.
    let vocabularies = [
        SchemaGenerator::subschema_for::<Basis>,
        SchemaGenerator::subschema_for::<Entry>,
        SchemaGenerator::subschema_for::<Flag>,
        SchemaGenerator::subschema_for::<Kind>,
        SchemaGenerator::subschema_for::<Level>,
        SchemaGenerator::subschema_for::<OwnLayer>,
        SchemaGenerator::subschema_for::<Phase>,
        SchemaGenerator::subschema_for::<Policy>,
        SchemaGenerator::subschema_for::<SourceName>,
        SchemaGenerator::subschema_for::<State>,
    ];
    for vocabulary in vocabularies {
        vocabulary(&mut generator);
    }
    let tables: Map<String, Value> =
        LAYOUTS.into_iter().map(|layout| (layout.name.to_owned(), table(layout, &mut generator))).collect();
    let mut json = generator.into_root_schema_for::<TraceFile>().to_value();
    json["tables"] = tables.into();
    if let Some(definitions) = json["$defs"].as_object_mut() {
        definitions.sort_keys();
    }
    format!("{json:#}\n")
}

fn table(layout: &Layout, generator: &mut SchemaGenerator) -> Value {
    let columns: Vec<Value> = layout.columns.iter().map(|column| self::column(column, generator)).collect();
    json!({ "file": format!("{}.parquet", layout.name), "description": layout.about, "columns": columns })
}

fn column(column: &Column, generator: &mut SchemaGenerator) -> Value {
    let Column { name, kind, nullable, about, .. } = column;
    let mut json = json!({ "name": name, "type": kind.name(), "nullable": nullable, "description": about });
    if let Some(words) = column.words {
        json["words"] = words(generator).to_value();
    }
    json
}
