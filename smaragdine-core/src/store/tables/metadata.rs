//! `trace.json` in a directory: written sealed, and read with what this version does not know kept beside.

use std::io::{ErrorKind, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::checksum::Checksums;
use super::file::open;
use super::replace;
use super::seal::{self, seal};
use crate::error::{Error, Result};
use crate::trace::{Metadata, SCHEMA_VERSION};

/// What a trace directory is known by.
pub const METADATA: &str = "trace.json";

/// Of tens of thousands of operations and devices it has a few.
const LARGEST: u64 = 256 << 20;

/// Fields of a `trace.json` that this version does not know, by what holds them; written again as they were read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Unknown(Map<String, Value>);

/// What was read.
pub(super) struct ReadMetadata {
    pub(super) metadata: Metadata,
    pub(super) unknown: Unknown,
    pub(super) seal: seal::Seal,
}

pub(super) fn write(dir: &Path, metadata: &Metadata, unknown: &Unknown, checksums: &Checksums) -> Result<()> {
    let unwritten = |problem| Error::Invalid(format!("{METADATA} cannot be written: {problem}"));
    let mut json = serde_json::to_value(metadata).map_err(unwritten)?;
    if let Some(fields) = json.as_object_mut() {
        unknown.add_to(fields);
        seal(fields, checksums).map_err(unwritten)?;
    }
    let json = serde_json::to_string_pretty(&json).map_err(unwritten)?;
    replace(dir, METADATA, |file, path| {
        file.write_all(json.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(Error::io("write", path))
    })
}

/// Reads `trace.json` alone.
pub(super) fn read(dir: &Path) -> Result<ReadMetadata> {
    let path = dir.join(METADATA);
    let foreign = |problem: String| Error::NotATrace { path: dir.to_owned(), problem };
    let damaged = |problem: String| Error::DamagedTrace { path: path.clone(), problem };
    let mut file = match open(&path) {
        Ok(file) => file,
        Err(problem) => match problem.kind() {
            ErrorKind::NotFound if !dir.exists() => return Err(foreign("it does not exist".into())),
            ErrorKind::NotFound => return Err(foreign(format!("it holds no {METADATA}"))),
            ErrorKind::NotADirectory => return Err(foreign("it is a file, not a directory".into())),
            ErrorKind::InvalidInput => return Err(damaged(problem.to_string())),
            _ => return Err(Error::io("read", path)(problem)),
        },
    };
    let mut json = Vec::new();
    Read::by_ref(&mut file).take(LARGEST).read_to_end(&mut json).map_err(Error::io("read", &path))?;
    if json.len() as u64 == LARGEST {
        return Err(damaged(format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    let mut json: Value = serde_json::from_slice(&json).map_err(|problem| damaged(problem.to_string()))?;
    let version = json.get("schema_version").and_then(Value::as_u64);
    let (Some(version), Some(fields)) = (version, json.as_object_mut()) else {
        return Err(foreign(format!("its {METADATA} tells no schema_version")));
    };
    if version != u64::from(SCHEMA_VERSION) {
        return Err(Error::UnknownLayout { path: dir.to_owned(), version, known: SCHEMA_VERSION });
    }
    let seal = seal::Seal::of(fields).map_err(damaged)?;
    let told = fields.clone();
    let metadata: Metadata = serde_json::from_value(json).map_err(|problem| damaged(problem.to_string()))?;
    let known = serde_json::to_value(&metadata).unwrap_or_default();
    let unknown = Unknown(known.as_object().map(|known| beside(told, known)).unwrap_or_default());
    Ok(ReadMetadata { metadata, unknown, seal })
}

impl Unknown {
    fn add_to(&self, fields: &mut Map<String, Value>) {
        add(fields, &self.0);
    }
}

/// Those of the `told` fields that are not `known`; of what is known and holds fields itself, those within.
fn beside(told: Map<String, Value>, known: &Map<String, Value>) -> Map<String, Value> {
    let unknown = told.into_iter().filter_map(|(name, told)| match (told, known.get(&name)) {
        (Value::Object(told), Some(Value::Object(known))) => {
            let unknown = beside(told, known);
            (!unknown.is_empty()).then(|| (name, unknown.into()))
        }
        // Where a field may be absent, null says the same.
        (Value::Null, None) | (_, Some(_)) => None,
        (told, None) => Some((name, told)),
    });
    unknown.collect()
}

fn add(fields: &mut Map<String, Value>, unknown: &Map<String, Value>) {
    for (name, value) in unknown {
        match (fields.get_mut(name), value) {
            (Some(Value::Object(fields)), Value::Object(unknown)) => add(fields, unknown),
            (Some(_), _) => {}
            (None, value) => {
                fields.insert(name.clone(), value.clone());
            }
        }
    }
}
