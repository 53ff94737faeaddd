//! Walks the fields of a serialised protocol buffer without decoding what nobody asks for.
//!
//! A profile holds tens of thousands of events per step, of which nine in ten are dropped after a look at their first
//! field: building a struct for each would cost more than all the rest.

/// One field's value, borrowed from the message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

impl<'a> Value<'a> {
    pub(crate) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A string field; text that is not UTF-8 is no string.
    pub(crate) fn text(self) -> Option<&'a str> {
        self.bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    pub(crate) fn int(self) -> Option<i64> {
        match self {
            Self::Varint(value) => Some(value.cast_signed()),
            _ => None,
        }
    }

    /// Adds the integers of a repeated field, written one by one or packed.
    pub(crate) fn ints(self, to: &mut Vec<i64>) -> Result<(), Malformed> {
        match self {
            Self::Varint(value) => to.push(value.cast_signed()),
            Self::Bytes(packed) => {
                let mut packed = Fields::of(packed);
                while !packed.rest.is_empty() {
                    to.push(packed.varint()?.cast_signed());
                }
            }
            Self::Fixed64(_) | Self::Fixed32(_) => return Err(Malformed),
        }
        Ok(())
    }
}

/// The message ends in the middle of a field, or holds one that no writer makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The fields of one message in order: (number, value).
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field, `None` at the end; after an error there is no next one.
    #[inline]
    pub(crate) fn next_field(&mut self) -> Result<Option<(u32, Value<'a>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| Malformed)?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.take::<8>()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.take::<4>()?)),
            _ => return Err(Malformed),
        };
        Ok(Some((number, value)))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for (index, &byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    #[inline]
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wire_type_is_read_and_unknown_ones_are_refused() {
        let message = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1d, 1, 0, 0, 0, 0x21, 2, 0, 0, 0, 0, 0, 0, 0];
        let mut fields = Fields::of(&message);
        assert_eq!(fields.next_field(), Ok(Some((1, Value::Varint(150)))));
        assert_eq!(fields.next_field().map(|field| field.and_then(|(_, value)| value.text())), Ok(Some("hi")));
        assert_eq!(fields.next_field(), Ok(Some((3, Value::Fixed32(1)))));
        assert_eq!(fields.next_field(), Ok(Some((4, Value::Fixed64(2)))));
        assert_eq!(fields.next_field(), Ok(None));
        assert_eq!(Fields::of(&[0x0b]).next_field(), Err(Malformed));
    }

    #[test]
    fn a_message_that_ends_within_a_field_is_malformed() {
        for message in [&[0x08][..], &[0x08, 0x80], &[0x12, 0x05, b'x'], &[0x1d, 1, 0], &[0xff; 11]] {
            assert_eq!(Fields::of(message).next_field(), Err(Malformed));
        }
    }
}
