//! Columns as other programs write them, to the types of ours.
//!
//! Spark and old versions of Parquet know no unsigned integers; pandas has doubles where an integer is missing, no
//! maps, and no type for a column without values; Polars writes maps as lists. What a column says counts, not how.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, StringArray, StructArray, new_null_array};
use arrow_schema::DataType;

use super::columns::Checked;

/// A type that columns of ours have.
pub(super) trait Number: ArrowPrimitiveType {
    /// `None`: it does not hold this number.
    fn of_integer(integer: i128) -> Option<Self::Native>;
    /// `None`: it does not hold this number.
    fn of_double(double: f64) -> Option<Self::Native>;
    /// Whether a value is one: some write NaN for a null.
    fn is_known(_: Self::Native) -> bool {
        true
    }
}

macro_rules! integer {
    ($($of:ty),*) => {$(
        impl Number for $of {
            fn of_integer(integer: i128) -> Option<Self::Native> {
                Self::Native::try_from(integer).ok()
            }

            fn of_double(double: f64) -> Option<Self::Native> {
                // 2¹²⁷ is far outside of any type of ours: what saturates there is refused.
                (double.fract() == 0.0).then(|| Self::of_integer(double as i128)).flatten()
            }
        }
    )*};
}

integer!(Int64Type, UInt32Type, UInt64Type);

impl Number for Float64Type {
    fn of_integer(integer: i128) -> Option<f64> {
        Some(integer as f64)
    }

    fn of_double(double: f64) -> Option<f64> {
        Some(double)
    }

    fn is_known(value: f64) -> bool {
        !value.is_nan()
    }
}

/// The numbers of a column, whatever type its writer gave them.
pub(super) fn numbers<T: Number>(column: &ArrayRef) -> Checked<PrimitiveArray<T>> {
    match column.data_type() {
        own if *own == T::DATA_TYPE => Ok(column.as_primitive::<T>().clone()),
        DataType::Null => Ok(new_null_array(&T::DATA_TYPE, column.len()).as_primitive::<T>().clone()),
        DataType::Int8 => integers::<Int8Type, T>(column),
        DataType::Int16 => integers::<Int16Type, T>(column),
        DataType::Int32 => integers::<Int32Type, T>(column),
        DataType::Int64 => integers::<Int64Type, T>(column),
        DataType::UInt8 => integers::<UInt8Type, T>(column),
        DataType::UInt16 => integers::<UInt16Type, T>(column),
        DataType::UInt32 => integers::<UInt32Type, T>(column),
        DataType::UInt64 => integers::<UInt64Type, T>(column),
        // Spark's form of an unsigned integer of 64 bits.
        DataType::Decimal128(_, 0) => integers::<Decimal128Type, T>(column),
        DataType::Float32 => doubles::<Float32Type, T>(column),
        DataType::Float64 => doubles::<Float64Type, T>(column),
        other => Err(format!("is {other}, not {}", T::DATA_TYPE)),
    }
}

fn integers<S: ArrowPrimitiveType<Native: Into<i128>>, T: Number>(column: &ArrayRef) -> Checked<PrimitiveArray<T>> {
    converted(column.as_primitive::<S>().iter().map(|value| value.map(Into::into)), T::of_integer)
}

fn doubles<S: ArrowPrimitiveType<Native: Into<f64>>, T: Number>(column: &ArrayRef) -> Checked<PrimitiveArray<T>> {
    let values = column.as_primitive::<S>().iter().map(|value| value.map(Into::into));
    converted(values.map(|value| value.filter(|value: &f64| !value.is_nan())), T::of_double)
}

fn converted<V: Copy + Debug, T: Number>(
    values: impl Iterator<Item = Option<V>>,
    convert: impl Fn(V) -> Option<T::Native>,
) -> Checked<PrimitiveArray<T>> {
    let one = |value| convert(value).ok_or_else(|| format!("holds {value:?}, which is no {}", T::DATA_TYPE));
    values.map(|value| value.map(one).transpose()).collect()
}

/// The strings of a column; bytes are, where they are UTF-8.
pub(super) fn strings(column: &ArrayRef) -> Checked<StringArray> {
    match column.data_type() {
        DataType::Utf8 => Ok(column.as_string::<i32>().clone()),
        DataType::Binary => StringArray::try_from_binary(column.as_binary::<i32>().clone())
            .map_err(|_| "holds bytes that are no UTF-8".to_owned()),
        DataType::Null => Ok(new_null_array(&DataType::Utf8, column.len()).as_string::<i32>().clone()),
        // As ours are until they are written.
        DataType::Dictionary(..) => column
            .as_dictionary_opt::<UInt16Type>()
            .and_then(|column| Some(column.downcast_dict::<StringArray>()?.into_iter().collect()))
            .ok_or_else(|| format!("is {}, not strings", column.data_type())),
        other => Err(format!("is {other}, not strings")),
    }
}

/// The truth values of a column, perhaps as 0 and 1.
pub(super) fn booleans(column: &ArrayRef) -> Checked<BooleanArray> {
    if let Some(own) = column.as_boolean_opt() {
        return Ok(own.clone());
    }
    let numbers = numbers::<Int64Type>(column).map_err(|_| format!("is {}, not boolean", column.data_type()))?;
    let one = |value| if value == 0 || value == 1 { Ok(value == 1) } else { Err(format!("holds {value}, no boolean")) };
    numbers.iter().map(|value| value.map(one).transpose()).collect()
}

/// The strings in each row of a column of lists; a null is an empty list.
pub(super) fn string_lists(column: &ArrayRef) -> Checked<Vec<StringArray>> {
    if column.data_type() == &DataType::Null {
        return Ok(vec![StringArray::new_null(0); column.len()]);
    }
    let lists = column.as_list_opt::<i32>().ok_or_else(|| format!("is {}, not lists", column.data_type()))?;
    let strings = strings(lists.values()).map_err(|problem| format!("is of lists, of which one {problem}"))?;
    let row = |span: Range<usize>| strings.slice(span.start, span.len());
    Ok(spans(column, lists.value_offsets()).map(row).collect())
}

/// Doubles by name in each row of a column: of maps, of lists of their entries, or of structs with a field for each
/// name. What is null is left out.
pub(super) fn maps(column: &ArrayRef) -> Checked<Vec<BTreeMap<String, f64>>> {
    let (entries, offsets) = match column.data_type() {
        DataType::Null => return Ok(vec![BTreeMap::new(); column.len()]),
        DataType::Struct(_) => return structs(column.as_struct()),
        DataType::Map(..) => {
            let maps = column.as_map();
            (Some((maps.keys(), maps.values())), maps.value_offsets())
        }
        DataType::List(_) => {
            let lists = column.as_list::<i32>();
            // Of lists that are all empty, nobody knows what they would hold.
            if lists.values().is_empty() {
                return Ok(vec![BTreeMap::new(); column.len()]);
            }
            let entry = lists.values().as_struct_opt();
            let entry = entry.and_then(|of| Some((of.column_by_name("key")?, of.column_by_name("value")?)));
            (entry, lists.value_offsets())
        }
        _ => (None, &[] as &[i32]),
    };
    let (keys, values) = entries.ok_or_else(|| format!("is {}, not maps of doubles", column.data_type()))?;
    let (keys, values) = (strings(keys)?, numbers::<Float64Type>(values)?);
    let entry = |entry| (keys.is_valid(entry) && values.is_valid(entry)).then(|| values.value(entry));
    let row = |span: Range<usize>| span.filter_map(|at| Some((keys.value(at).to_owned(), entry(at)?))).collect();
    Ok(spans(column, offsets).map(row).collect())
}

fn structs(column: &StructArray) -> Checked<Vec<BTreeMap<String, f64>>> {
    let mut rows = vec![BTreeMap::new(); column.len()];
    for (field, values) in column.fields().iter().zip(column.columns()) {
        for (row, value) in numbers::<Float64Type>(values)?.iter().enumerate() {
            if let Some(value) = value.filter(|_| column.is_valid(row)) {
                rows[row].insert(field.name().clone(), value);
            }
        }
    }
    Ok(rows)
}

/// Where the elements of each row of lists or maps stand; of a null nowhere.
fn spans<'a>(column: &'a ArrayRef, offsets: &'a [i32]) -> impl Iterator<Item = Range<usize>> + 'a {
    let span = |row: usize| offsets[row] as usize..offsets[row + 1] as usize;
    (0..column.len()).map(move |row| if column.is_valid(row) { span(row) } else { 0..0 })
}
