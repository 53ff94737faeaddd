//! Columns of a Parquet file by name and type, with what is wrong said in words.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, StringArray};
use rustc_hash::FxHashMap;

use super::foreign::{self, Number};

/// A value, or what is wrong with the file.
pub(super) type Checked<T> = std::result::Result<T, String>;

pub(super) struct Columns(RecordBatch);

impl Columns {
    pub(super) fn of(batch: RecordBatch) -> Self {
        Self(batch)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.column_by_name(name).is_some()
    }

    pub(super) fn rows(&self) -> usize {
        self.0.num_rows()
    }

    /// A column of numbers that may hold nulls.
    pub(super) fn primitives<T: Number>(&self, name: &str) -> Checked<PrimitiveArray<T>> {
        self.read(name, foreign::numbers::<T>)
    }

    /// A column of numbers that must not.
    pub(super) fn required<T: Number>(&self, name: &str) -> Checked<PrimitiveArray<T>> {
        full(self.primitives(name)?, name)
    }

    /// A column of strings that an earlier version may not have written: then all are null.
    pub(super) fn later_texts(&self, name: &str) -> Checked<StringArray> {
        if self.has(name) { self.texts(name) } else { Ok(StringArray::new_null(self.rows())) }
    }

    /// A column of strings that may hold nulls.
    pub(super) fn texts(&self, name: &str) -> Checked<StringArray> {
        self.read(name, foreign::strings)
    }

    pub(super) fn strings(&self, name: &str) -> Checked<StringArray> {
        full(self.texts(name)?, name)
    }

    /// Strings, none of them null, as what `number` makes of each.
    pub(super) fn numbered<T: Copy>(&self, name: &str, number: impl Fn(&str) -> Checked<T>) -> Checked<Vec<T>> {
        let Some(column) = self.0.column_by_name(name).and_then(|column| column.as_dictionary_opt::<Int32Type>())
        else {
            return self.strings(name)?.iter().map(|text| number(text.unwrap_or_default())).collect();
        };
        full(column.keys().clone(), name)?;
        let values = foreign::strings(column.values()).map_err(|problem| format!("column `{name}` {problem}"))?;
        // A dictionary may hold what no row says.
        let numbers: Vec<Checked<T>> = values.iter().map(|text| number(text.unwrap_or_default())).collect();
        let of_row = |key: &i32| match numbers.get(*key as usize) {
            Some(Ok(number)) => Ok(*number),
            Some(Err(problem)) => Err(problem.clone()),
            None => Err(format!("column `{name}` has no value {key}")),
        };
        column.keys().values().iter().map(of_row).collect()
    }

    pub(super) fn booleans(&self, name: &str) -> Checked<BooleanArray> {
        full(self.truths(name)?, name)
    }

    /// A column of truth values that may hold nulls.
    pub(super) fn truths(&self, name: &str) -> Checked<BooleanArray> {
        self.read(name, foreign::booleans)
    }

    /// By row.
    pub(super) fn string_lists(&self, name: &str) -> Checked<Vec<StringArray>> {
        self.read(name, foreign::string_lists)
    }

    /// By row.
    pub(super) fn maps(&self, name: &str) -> Checked<Vec<BTreeMap<String, f64>>> {
        self.read(name, foreign::maps)
    }

    fn read<T>(&self, name: &str, read: impl FnOnce(&ArrayRef) -> Checked<T>) -> Checked<T> {
        let column = self.0.column_by_name(name).ok_or_else(|| format!("it has no column `{name}`"))?;
        read(column).map_err(|problem| format!("column `{name}` {problem}"))
    }
}

fn full<A: Array>(column: A, name: &str) -> Checked<A> {
    if column.null_count() == 0 { Ok(column) } else { Err(format!("column `{name}` has nulls")) }
}

/// `None` where it is not known.
pub(super) fn value<T: Number>(column: &PrimitiveArray<T>, row: usize) -> Option<T::Native> {
    column.is_valid(row).then(|| column.value(row)).filter(|value| T::is_known(*value))
}

/// Where each name stands in a list of them.
pub(super) fn index(names: impl Iterator<Item = String>) -> FxHashMap<String, u16> {
    names.zip(0..=u16::MAX).collect()
}

pub(super) fn named(index: &FxHashMap<String, u16>, name: &str, what: &str) -> Checked<u16> {
    index.get(name).copied().ok_or_else(|| format!("trace.json knows no {what} `{name}`"))
}

pub(super) fn known_op(op: u32, ops: usize) -> Checked<u32> {
    if (op as usize) < ops { Ok(op) } else { Err(format!("there is no operation {op}")) }
}

pub(super) fn parsed<T>(name: &str, what: &str, parse: impl FnOnce(&str) -> Option<T>) -> Checked<T> {
    parse(name).ok_or_else(|| format!("`{name}` is no {what} known to this version"))
}
