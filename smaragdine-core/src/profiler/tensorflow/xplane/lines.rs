//! The lines of a plane: their events, each read only as far as its name asks for.

use super::fields::{Fields, Malformed, Value};
use super::plane::Plane;

/// One thread or stream; its events are not yet looked at.
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    /// CLOCK_REALTIME, from which its events' offsets count.
    base_ns: i64,
    events: Option<Fields<'a>>,
}

/// One event whose stats are not yet looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Occurrence<'a> {
    pub(super) metadata: i64,
    /// CLOCK_REALTIME
    pub(super) start_ns: i64,
    /// CLOCK_REALTIME
    pub(super) end_ns: i64,
    message: &'a [u8],
}

/// What a stat says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stat<'a> {
    Number(u64),
    Real(f64),
    Text(&'a str),
}

impl<'a> Line<'a> {
    /// `session_ns` is when the session started.
    pub(super) fn scan(line: &'a [u8], session_ns: i64) -> Result<Self, Malformed> {
        let (mut name, mut timestamp_ns) = ("", 0);
        let mut fields = Fields::of(line);
        // Events follow the line's own fields, as numbers are written in order; a writer that does otherwise costs a
        // second look, not the result.
        let mut events = None;
        loop {
            let before = fields.clone();
            let Some((number, value)) = fields.next_field()? else { break };
            match number {
                2 => name = value.text().unwrap_or(""),
                3 => timestamp_ns = value.int().unwrap_or(0),
                4 if events.is_none() => events = Some(before),
                _ => {}
            }
        }
        Ok(Self { name, base_ns: session_ns.saturating_add(timestamp_ns), events })
    }

    /// The next event that `class`, told the number of its metadata, does not leave out.
    #[inline]
    pub(super) fn next_event<C>(
        &mut self,
        mut class: impl FnMut(i64) -> Option<C>,
    ) -> Result<Option<(C, Occurrence<'a>)>, Malformed> {
        let Some(events) = &mut self.events else { return Ok(None) };
        while let Some((number, value)) = events.next_field()? {
            let (4, Some(message)) = (number, value.bytes()) else { continue };
            if let Some(found) = read(message, self.base_ns, &mut class)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

#[inline]
fn read<'a, C>(
    message: &'a [u8],
    base_ns: i64,
    class: &mut impl FnMut(i64) -> Option<C>,
) -> Result<Option<(C, Occurrence<'a>)>, Malformed> {
    let (mut metadata, mut offset_ps, mut duration_ps) = (0, 0_i64, 0_i64);
    let mut found = None;
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next_field()? {
        match number {
            1 => {
                metadata = value.int().ok_or(Malformed)?;
                found = class(metadata);
                if found.is_none() {
                    return Ok(None);
                }
            }
            2 => offset_ps = value.int().unwrap_or(0),
            3 => duration_ps = value.int().ok_or(Malformed)?,
            // An aggregate has no place in time.
            5 => return Ok(None),
            _ => {}
        }
    }
    let start_ns = base_ns.saturating_add(offset_ps.div_euclid(1000));
    let end_ns = base_ns.saturating_add(offset_ps.saturating_add(duration_ps.max(0)).div_euclid(1000));
    let occurrence = Occurrence { metadata, start_ns, end_ns, message };
    Ok(found.or_else(|| class(0)).map(|class| (class, occurrence)))
}

impl<'a> Occurrence<'a> {
    /// Calls `told` for each stat with its number in `plane`.
    pub(super) fn stats(&self, plane: &'a Plane, mut told: impl FnMut(i64, Stat<'a>)) -> Result<(), Malformed> {
        let mut fields = Fields::of(self.message);
        while let Some((number, value)) = fields.next_field()? {
            let (4, Some(stat)) = (number, value.bytes()) else { continue };
            let (mut id, mut says) = (0, None);
            let mut fields = Fields::of(stat);
            while let Some((number, value)) = fields.next_field()? {
                match (number, value) {
                    (1, _) => id = value.int().ok_or(Malformed)?,
                    (2, Value::Fixed64(bits)) => says = Some(Stat::Real(f64::from_bits(bits))),
                    (3 | 4, Value::Varint(number)) => says = Some(Stat::Number(number)),
                    (5, _) => says = value.text().map(Stat::Text),
                    (7, Value::Varint(text)) => {
                        says = plane.stats.get(&text.cast_signed()).map(|text| Stat::Text(text));
                    }
                    _ => {}
                }
            }
            if let Some(says) = says {
                told(id, says);
            }
        }
        Ok(())
    }
}

impl<'a> Stat<'a> {
    pub(super) fn number(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Text(_) | Self::Real(_) => None,
        }
    }

    pub(super) fn real(self) -> Option<f64> {
        match self {
            Self::Real(number) => Some(number),
            Self::Number(_) | Self::Text(_) => None,
        }
    }

    pub(super) fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) | Self::Real(_) => None,
        }
    }
}
