//! The seal of `trace.json`: a checksum over all of its other fields, those of the tables among them.
//!
//! It is over what the fields say, so that a tool that formats the file anew, or sorts its keys, breaks nothing.
//! `smaragdine/seal.py` computes the same; docs/trace-format.md says how.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::checksum::{Checksums, hex};
use super::columns::Checked;

const SEAL: &str = "seal";
const CHECKSUMS: &str = "checksums";

/// Doubles beyond do not tell every integer.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Adds the checksums of the tables, and the seal over everything.
pub(super) fn seal(fields: &mut Map<String, Value>, checksums: &Checksums) -> serde_json::Result<()> {
    fields.insert(CHECKSUMS.into(), serde_json::to_value(checksums)?);
    let sum = sum(fields);
    fields.insert(SEAL.into(), sum.into());
    Ok(())
}

/// Takes seal and checksums out of the fields.
#[derive(Debug, Default)]
pub(super) struct Seal {
    /// `None`: it never had any.
    pub(super) checksums: Option<Checksums>,
    /// Why the fields are not those that were sealed.
    pub(super) broken: Option<String>,
}

impl Seal {
    pub(super) fn of(fields: &mut Map<String, Value>) -> Checked<Self> {
        let sealed = fields.shift_remove(SEAL);
        let (Some(told), Some(sealed)) = (fields.get(CHECKSUMS), &sealed) else {
            // One without the other: the name of a field was damaged.
            let half = sealed.is_some() || fields.shift_remove(CHECKSUMS).is_some();
            return Ok(Self { checksums: None, broken: half.then(|| "half of its seal is missing".to_owned()) });
        };
        let whole = sealed.as_str() == Some(&sum(fields));
        let checksums = serde_json::from_value(told.clone()).map_err(|problem| format!("its checksums: {problem}"))?;
        fields.shift_remove(CHECKSUMS);
        let broken = (!whole).then(|| "its fields are not those that were sealed".to_owned());
        Ok(Self { checksums: Some(checksums), broken })
    }
}

fn sum(fields: &Map<String, Value>) -> String {
    let mut sum = Sha256::new();
    object(fields, &mut sum);
    hex(sum)
}

fn object(fields: &Map<String, Value>, sum: &mut Sha256) {
    let mut names: Vec<&String> = fields.keys().collect();
    names.sort_unstable();
    sum.update("{");
    for name in names {
        text(name, sum);
        value(&fields[name], sum);
    }
    sum.update("}");
}

fn value(json: &Value, sum: &mut Sha256) {
    match json {
        Value::Null => sum.update("n"),
        Value::Bool(truth) => sum.update(if *truth { "t" } else { "f" }),
        Value::Number(number) => match number.as_f64() {
            // Some write 4 for 4.0.
            Some(double) if number.is_f64() && double.fract() == 0.0 && double.abs() < EXACT => {
                sum.update(format!("i{};", double as i64));
            }
            Some(double) if number.is_f64() => sum.update([&b"d"[..], &double.to_le_bytes()].concat()),
            _ => sum.update(format!("i{number};")),
        },
        Value::String(string) => text(string, sum),
        Value::Array(items) => {
            sum.update("[");
            items.iter().for_each(|item| value(item, sum));
            sum.update("]");
        }
        Value::Object(fields) => object(fields, sum),
    }
}

fn text(string: &str, sum: &mut Sha256) {
    sum.update(format!("s{}:", string.len()));
    sum.update(string);
}
