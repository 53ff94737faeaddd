//! What goes wrong with a zone, and for how long.

use std::fmt;
use std::str::FromStr;

/// What a zone suffers for a while. Its energy goes on, except for what [`Kind::Reset`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Reads yield nothing.
    Fail,
    /// Reads yield text that is no number, through descriptors that are open already, too.
    Garbage,
    /// Reads yield nothing, and nobody but root may open the register.
    Deny,
    /// The register stands still; afterwards it shows what was drawn meanwhile.
    Stall,
    /// The zone and those within it are gone, as when a driver is unloaded; open descriptors yield nothing.
    Vanish,
    /// From then on the register counts from 0, as after its driver was reloaded. It has no length.
    Reset,
    /// The register shows so many joules more, or less.
    Jump,
    /// The register shows 0.
    Zero,
    /// The register stands still, and what was drawn meanwhile is never shown.
    Freeze,
}

impl Kind {
    pub const ALL: [(&'static str, Self); 9] = [
        ("fail", Self::Fail),
        ("garbage", Self::Garbage),
        ("deny", Self::Deny),
        ("stall", Self::Stall),
        ("vanish", Self::Vanish),
        ("reset", Self::Reset),
        ("jump", Self::Jump),
        ("zero", Self::Zero),
        ("freeze", Self::Freeze),
    ];
}

/// One fault of one zone, in seconds since the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub kind: Kind,
    /// `intel-rapl:0:0`
    pub zone: String,
    pub from_s: f64,
    pub for_s: f64,
    /// By how much a register jumps.
    pub by_j: f64,
}

impl Fault {
    /// `for_s` is ignored by a reset.
    #[must_use]
    pub fn new(kind: Kind, zone: &str, from_s: f64, for_s: f64) -> Self {
        Self { kind, zone: zone.to_owned(), from_s, for_s, by_j: 0.0 }
    }

    /// A register that shows `by_j` too much, or too little, for a while.
    #[must_use]
    pub fn jump(zone: &str, from_s: f64, for_s: f64, by_j: f64) -> Self {
        Self { by_j, ..Self::new(Kind::Jump, zone, from_s, for_s) }
    }

    pub fn holds(&self, seconds: f64) -> bool {
        (self.from_s..self.from_s + self.for_s).contains(&seconds)
    }

    /// A zone goes with the one that it lies in; other faults are of one register.
    pub(crate) fn concerns(&self, zone: &str) -> bool {
        let inside = zone.strip_prefix(&self.zone).is_some_and(|rest| rest.starts_with(':'));
        zone == self.zone || (self.kind == Kind::Vanish && inside)
    }
}

/// `stall:intel-rapl:0:1:2.5:1`: the zone `intel-rapl:0:1` stands still for a second from 2.5 s on.
impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            let kinds: Vec<&str> = Kind::ALL.iter().map(|(name, _)| *name).collect();
            format!(
                "{text:?} is no fault: KIND:ZONE:FROM_S:FOR_S, reset:ZONE:AT_S or jump:ZONE:FROM_S:FOR_S:BY_J, KIND of {}",
                kinds.join(", ")
            )
        };
        let (name, rest) = text.split_once(':').ok_or_else(wrong)?;
        let (_, kind) = *Kind::ALL.iter().find(|(known, _)| *known == name).ok_or_else(wrong)?;
        let (rest, by_j) = match kind {
            Kind::Jump => rest.rsplit_once(':').ok_or_else(wrong)?,
            _ => (rest, "0"),
        };
        let (rest, for_s) = match kind {
            Kind::Reset => (rest, "0"),
            _ => rest.rsplit_once(':').ok_or_else(wrong)?,
        };
        let (zone, from_s) = rest.rsplit_once(':').ok_or_else(wrong)?;
        let number = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(wrong);
        let seconds = |text: &str| number(text).ok().filter(|seconds| *seconds >= 0.0).ok_or_else(wrong);
        let (from_s, for_s, by_j) = (seconds(from_s)?, seconds(for_s)?, number(by_j)?);
        Ok(Self { kind, zone: zone.to_owned(), from_s, for_s, by_j })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Kind::ALL.iter().find(|(_, kind)| *kind == self.kind).map_or("", |(name, _)| name);
        write!(formatter, "{name}:{}:{}:{}", self.zone, self.from_s, self.for_s)?;
        if self.kind == Kind::Jump { write!(formatter, ":{}", self.by_j) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_with_its_zone_however_deep() {
        let fault = |text: &str| text.parse::<Fault>();
        assert_eq!(fault("stall:intel-rapl:0:1:2.5:1"), Ok(Fault::new(Kind::Stall, "intel-rapl:0:1", 2.5, 1.0)));
        assert_eq!(fault("reset:intel-rapl:0:2"), Ok(Fault::new(Kind::Reset, "intel-rapl:0", 2.0, 0.0)));
        assert_eq!(fault("jump:intel-rapl:0:2:0.5:-702"), Ok(Fault::jump("intel-rapl:0", 2.0, 0.5, -702.0)));
        for text in [
            "",
            "fail",
            "jump:intel-rapl:0:2:0.5:x",
            "fail:intel-rapl",
            "melt:intel-rapl:0:1:1",
            "fail:intel-rapl:0:1:-1",
        ] {
            assert!(fault(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_lies_in_a_zone_vanishes_with_it() {
        let fault = Fault::new(Kind::Vanish, "intel-rapl:1", 0.0, 1.0);
        assert!(fault.concerns("intel-rapl:1") && fault.concerns("intel-rapl:1:0"));
        assert!(!fault.concerns("intel-rapl:10") && !fault.concerns("intel-rapl:0"));
        assert!(!Fault { kind: Kind::Fail, ..fault }.concerns("intel-rapl:1:0"));
    }
}
