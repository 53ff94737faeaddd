//! JSON as Kineto writes it, read in place: one pass, nothing copied, what is not asked for skipped.
//!
//! More is accepted than JSON allows, for Kineto wrote it: control characters within strings, and any escape.

/// The text is no JSON, or ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// What is between the quotes, escapes as they were written.
    Text(&'a [u8]),
    /// A number or a word.
    Bare(&'a [u8]),
    /// An object or an array: its members follow.
    Object,
    Array,
}

impl<'a> Value<'a> {
    /// The text, whether in quotes or not.
    pub(super) fn text(self) -> &'a [u8] {
        match self {
            Self::Text(text) | Self::Bare(text) => text,
            Self::Object | Self::Array => b"",
        }
    }

    /// A whole number from 0.
    pub(super) fn count(self) -> Option<u64> {
        let text = self.text();
        if text.is_empty() || text.len() > 20 {
            return None;
        }
        let digit = |whole: u64, byte: &u8| {
            let digit = byte.wrapping_sub(b'0');
            (digit < 10).then_some(())?;
            whole.checked_mul(10)?.checked_add(u64::from(digit))
        };
        text.iter().try_fold(0, digit)
    }
}

/// A place in the text.
#[derive(Debug, Clone)]
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The value that begins here. Of an object or an array, only its beginning: `key` or `element` reads on.
    pub(super) fn value(&mut self) -> Result<Value<'a>, Malformed> {
        match self.next_byte()? {
            b'"' => Ok(Value::Text(self.rest_of_string()?)),
            b'{' => Ok(Value::Object),
            b'[' => Ok(Value::Array),
            b',' | b':' | b'}' | b']' => Err(Malformed),
            _ => {
                let start = self.at - 1;
                let rest = &self.bytes[self.at..];
                let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
                self.at += rest.iter().position(ends).ok_or(Malformed)?;
                Ok(Value::Bare(&self.bytes[start..self.at]))
            }
        }
    }

    /// Within an object, the next key, after which its value stands; `None`: the object ended.
    pub(super) fn key(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        loop {
            match self.next_byte()? {
                b',' => {}
                b'}' => return Ok(None),
                b'"' => {
                    let key = self.rest_of_string()?;
                    return if self.next_byte()? == b':' { Ok(Some(key)) } else { Err(Malformed) };
                }
                _ => return Err(Malformed),
            }
        }
    }

    /// Within an array, whether a further element stands here.
    pub(super) fn element(&mut self) -> Result<bool, Malformed> {
        loop {
            match self.next_byte()? {
                b',' => {}
                b']' => return Ok(false),
                _ => {
                    self.at -= 1;
                    return Ok(true);
                }
            }
        }
    }

    /// A value that is not of interest, with all that is in it.
    pub(super) fn skip(&mut self) -> Result<(), Malformed> {
        let value = self.value()?;
        self.skip_rest(value)
    }

    /// A value as it stands there, with all that is in it.
    pub(super) fn whole(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.at;
        self.skip()?;
        Ok(&self.bytes[start..self.at])
    }

    /// What follows of a value that has begun.
    pub(super) fn skip_rest(&mut self, begun: Value<'a>) -> Result<(), Malformed> {
        if matches!(begun, Value::Text(_) | Value::Bare(_)) {
            return Ok(());
        }
        let mut depth = 1_usize;
        while depth > 0 {
            match self.next_byte()? {
                b'"' => drop(self.rest_of_string()?),
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
        }
        Ok(())
    }

    #[inline]
    fn next_byte(&mut self) -> Result<u8, Malformed> {
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Ok(byte);
            }
        }
        Err(Malformed)
    }

    /// Of a string whose first quote is behind.
    #[inline]
    fn rest_of_string(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.at;
        loop {
            let rest = self.bytes.get(self.at..).ok_or(Malformed)?;
            self.at += rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).ok_or(Malformed)?;
            if self.bytes[self.at] == b'"' {
                self.at += 1;
                return Ok(&self.bytes[start..self.at - 1]);
            }
            // What is escaped ends nothing.
            self.at += 2;
        }
    }
}

/// A string without its escapes, of at most so many bytes and some: what is longer is cut off.
pub(super) fn unescaped(text: &[u8], most: usize) -> String {
    let mut cut = text.len().min(most);
    while cut > 0 && cut < text.len() && (text[cut] & 0xC0 == 0x80 || text[cut - 1] == b'\\') {
        cut -= 1;
    }
    let text = String::from_utf8_lossy(&text[..cut]);
    if !text.contains('\\') {
        return text.into_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some('b') => plain.push('\u{8}'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => {
                let digits = characters.as_str().get(..4).unwrap_or("");
                let known = u32::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 4);
                if known.is_some() {
                    characters = characters.as_str()[4..].chars();
                }
                // One half of a pair is none.
                plain.push(known.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => plain.push(other),
            None => plain.push('\\'),
        }
    }
    plain
}

/// Microseconds, as text with decimals, in nanoseconds: exact, where a double would round the stamps of today to 250 ns.
pub(super) fn nanoseconds(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.first()? {
        b'-' => (true, &text[1..]),
        _ => (false, text),
    };
    let mut whole: i64 = 0;
    let mut at = 0;
    while let Some(digit) = digits.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        whole = whole.checked_mul(10)?.checked_add(i64::from(digit))?;
        at += 1;
    }
    if at == 0 {
        return None;
    }
    let mut below: i64 = 0;
    match digits.get(at) {
        None => {}
        Some(b'.') => {
            let decimals = &digits[at + 1..];
            if !decimals.iter().all(u8::is_ascii_digit) {
                return scientific(text);
            }
            for place in 0..3 {
                below = below * 10 + decimals.get(place).map_or(0, |byte| i64::from(byte - b'0'));
            }
            below += i64::from(decimals.get(3).is_some_and(|byte| *byte >= b'5'));
        }
        Some(_) => return scientific(text),
    }
    let nanoseconds = whole.checked_mul(1000)?.checked_add(below)?;
    Some(if negative { -nanoseconds } else { nanoseconds })
}

/// `1.5e9`, which no profiler writes: as near as a double comes.
fn scientific(text: &[u8]) -> Option<i64> {
    let micros: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let nanoseconds = (micros * 1000.0).round();
    (nanoseconds.abs() < 9e18).then_some(nanoseconds as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn microseconds_are_read_to_the_nanosecond() {
        assert_eq!(nanoseconds(b"1795879507636518.266"), Some(1_795_879_507_636_518_266));
        assert_eq!(nanoseconds(b"0.5"), Some(500));
        assert_eq!(nanoseconds(b"-2.0019"), Some(-2002));
        assert_eq!(nanoseconds(b"1.5e3"), Some(1_500_000));
        assert_eq!(nanoseconds(b"7"), Some(7000));
        for none in [b"".as_slice(), b"-", b"x", b".5", b"nan", b"99999999999999999999", b"1e300"] {
            assert_eq!(nanoseconds(none), None, "{none:?}");
        }
    }

    #[test]
    fn escapes_and_what_should_have_been_one_are_read() {
        let text = b"{\"na\\\"me\": \"a\\u0041\\\\ \x01 \\q\", \"n\": [1, {\"x\": \"]\"}], \"after\": 2 }";
        let mut scanner = Scanner::of(text);
        assert_eq!(scanner.value(), Ok(Value::Object));
        assert_eq!(scanner.key(), Ok(Some(b"na\\\"me".as_slice())));
        assert_eq!(unescaped(scanner.value().unwrap().text(), 100), "aA\\ \u{1} q");
        assert_eq!(scanner.key(), Ok(Some(b"n".as_slice())));
        scanner.skip().unwrap();
        assert_eq!(scanner.key(), Ok(Some(b"after".as_slice())));
        assert_eq!(scanner.value().unwrap().count(), Some(2));
        assert_eq!(scanner.key(), Ok(None));
    }

    proptest! {
        #[test]
        fn text_of_any_kind_is_read_as_another_reader_reads_it(text in "\\PC{0,40}", most in 0_usize..200) {
            let written = serde_json::to_string(&text).unwrap();
            let value = Scanner::of(written.as_bytes()).value().unwrap();
            prop_assert_eq!(unescaped(value.text(), 1000), text.clone());
            prop_assert!(unescaped(value.text(), most).len() <= most + 3);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::sample::select(b"{}[]\":,\\u1 a-.e".to_vec()), 0..60)) {
            let mut scanner = Scanner::of(&bytes);
            while scanner.skip().is_ok() {}
            unescaped(&bytes, 10);
            nanoseconds(&bytes);
        }
    }
}
