//! What an operation was given, where the window recorded shapes: sizes of tensors, and the values of the rest.

use super::json::{Malformed, Scanner, Value};

/// More inputs, or dimensions of one, than any operation has.
const MOST: usize = 64;

/// As the text has them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inputs<'a> {
    /// `[[8, 64], [64, 128], []]`
    pub(super) dims: &'a [u8],
    /// `["", "", "[1, 1]", "False"]`; empty where it was not told.
    pub(super) values: &'a [u8],
}

/// The same, read.
#[derive(Debug, Default)]
pub(super) struct Given<'a> {
    sizes: Vec<Vec<u64>>,
    values: Vec<&'a [u8]>,
}

impl<'a> Inputs<'a> {
    /// `None` where they are none of these.
    pub(super) fn read(&self) -> Option<Given<'a>> {
        let sizes = list(self.dims, |scanner, value| match value {
            Value::Array => sizes(scanner),
            other => scanner.skip_rest(other).map(|()| Some(Vec::new())),
        })?;
        let value = |scanner: &mut Scanner<'a>, value: Value<'a>| {
            scanner.skip_rest(value)?;
            Ok(Some(value.text()))
        };
        let values = if self.values.is_empty() { Vec::new() } else { list(self.values, value)? };
        Some(Given { sizes, values })
    }
}

impl Given<'_> {
    /// Of a tensor that has dimensions; `None` where it has none, or was not given.
    pub(super) fn tensor(&self, input: usize) -> Option<&[u64]> {
        self.sizes.get(input).map(Vec::as_slice).filter(|sizes| !sizes.is_empty())
    }

    /// `[2, 2]`
    pub(super) fn numbers(&self, input: usize) -> Option<Vec<u64>> {
        self.words(input)?.map(|word| word.parse().ok()).collect()
    }

    /// `[True, False]`, or `True` alone.
    pub(super) fn flags(&self, input: usize) -> Option<Vec<bool>> {
        let flag = |word: &str| match word {
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        };
        self.words(input)?.map(flag).collect()
    }

    pub(super) fn text(&self, input: usize) -> Option<&str> {
        std::str::from_utf8(self.values.get(input)?).ok()
    }

    fn words(&self, input: usize) -> Option<impl Iterator<Item = &str>> {
        let text = self.text(input)?.trim();
        let list = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        Some(list.split(',').map(str::trim).filter(|word| !word.is_empty()))
    }
}

/// The elements of an array; `None` where it is none, is too long, or one of them is not to be read.
fn list<'a, T>(
    text: &'a [u8],
    mut read: impl FnMut(&mut Scanner<'a>, Value<'a>) -> Result<Option<T>, Malformed>,
) -> Option<Vec<T>> {
    let mut scanner = Scanner::of(text);
    let mut all = Vec::new();
    if scanner.value().ok()? != Value::Array {
        return None;
    }
    while scanner.element().ok()? {
        let value = scanner.value().ok()?;
        if all.len() >= MOST {
            return None;
        }
        all.push(read(&mut scanner, value).ok()??);
    }
    Some(all)
}

/// Of one tensor, whose bracket is behind. A list of tensors has none of its own.
fn sizes(scanner: &mut Scanner) -> Result<Option<Vec<u64>>, Malformed> {
    let mut sizes = Vec::new();
    let (mut known, mut tensors) = (true, false);
    while scanner.element()? {
        let value = scanner.value()?;
        match value {
            Value::Array | Value::Object => tensors = true,
            value if sizes.len() < MOST => match value.count() {
                Some(size) => sizes.push(size),
                None => known = false,
            },
            _ => known = false,
        }
        scanner.skip_rest(value)?;
    }
    Ok(if tensors { Some(Vec::new()) } else { known.then_some(sizes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given<'a>(dims: &'a str, values: &'a str) -> Option<Given<'a>> {
        Inputs { dims: dims.as_bytes(), values: values.as_bytes() }.read()
    }

    #[test]
    fn sizes_and_values_are_read_as_they_stand_there() {
        let given = given("[[8, 64], [], [[1, 2], [3]], 7]", r#"["", "[1, 2]", "[True, False]", "0.5"]"#).unwrap();
        assert_eq!(given.tensor(0), Some([8, 64].as_slice()));
        assert_eq!([given.tensor(1), given.tensor(2), given.tensor(3), given.tensor(4)], [None; 4]);
        assert_eq!(given.numbers(1), Some(vec![1, 2]));
        assert_eq!(given.flags(2), Some(vec![true, false]));
        assert_eq!((given.text(3), given.text(9)), (Some("0.5"), None));
        assert_eq!((given.numbers(3), given.flags(1)), (None, None));
    }

    #[test]
    fn what_is_no_list_of_sizes_tells_nothing() {
        let long = format!("[[{}1]]", "1,".repeat(MOST));
        let many = format!("[{}[1]]", "[1],".repeat(MOST));
        for dims in ["", "{}", "7", "[[8, -1]]", "[[8, x]]", "[[8", "[[99999999999999999999]]", &long, &many] {
            assert!(given(dims, "").is_none(), "{dims}");
        }
        assert!(given("[[8]]", "{}").is_none());
    }
}
