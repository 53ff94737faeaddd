//! What sensors said: readings, the shares that apply to them, and what is remarkable about either.

use super::words::words;

words! {
    /// What is remarkable about a reading; also why a gap is one.
    pub enum Flag {
        /// The register wrapped within this reading.
        Wrap = "wrap",
        /// One or more reads failed; the energy is that of the whole, lengthened interval.
        Failed = "failed",
        /// One or more ticks of the sampler were missed within this reading.
        Missed = "missed",
        /// The register started again at 0: the energy of this interval is unknown.
        Reset = "reset",
        /// A further wrap was possible within this interval: the energy is a lower bound.
        Ambiguous = "ambiguous",
        /// Energy integrated from power samples, because there is no energy counter.
        Integrated = "integrated",
        /// Several readings merged into one.
        Merged = "merged",
        /// The share was estimated from device utilisation rather than from CPU time or exclusive use.
        Utilisation = "utilisation",
        /// The register could not be read at the start or at the end of the recording: the energy is unknown.
        Lost = "lost",
        /// The machine was suspended within this reading: whose energy it is cannot be known.
        Suspended = "suspended",
        /// The processor blurs the register on purpose; sums over seconds hold, single readings do not.
        Filtered = "filtered",
        /// The sensor showed what its source cannot do, upwards or downwards: the energy of this interval is unknown.
        Impossible = "impossible",
        /// The register stood still for longer than it can: the energy of this interval is unknown.
        Standing = "standing",
        /// Computed from several registers, because none meters it: their sum, or what some leave of another.
        Derived = "derived",
    }
}

/// A set of [`Flag`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Flags(u16);

impl Flags {
    pub const NONE: Self = Self(0);

    #[must_use]
    pub fn with(self, flag: Flag) -> Self {
        Self(self.0 | 1 << flag as u16)
    }

    #[must_use]
    pub fn without(self, flag: Flag) -> Self {
        Self(self.0 & !(1 << flag as u16))
    }

    #[must_use]
    pub fn has(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u16) != 0
    }

    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::ALL.into_iter().filter(move |flag| self.has(*flag))
    }

    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    #[must_use]
    pub fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The interval's energy, or whose it is, is not known: it is entered as `gap`, never given to an operation.
    #[must_use]
    pub fn is_gap(self) -> bool {
        self.doubts() != Self::NONE
    }

    /// Those of the flags for which the interval is a gap.
    #[must_use]
    pub fn doubts(self) -> Self {
        let doubts =
            [Flag::Reset, Flag::Ambiguous, Flag::Lost, Flag::Suspended, Flag::Impossible, Flag::Standing].into_iter();
        Self(self.0 & doubts.fold(Self::NONE, Self::with).0)
    }
}

/// Energy of one domain over one interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Index into [`Metadata::domains`](super::Metadata::domains).
    pub domain: u16,
    pub start_ns: i64,
    pub end_ns: i64,
    /// Uncertainty of both edges; `None`: one update period of the register.
    pub edge_uncertainty_ns: Option<i64>,
    /// Around the read that ended this interval.
    pub read_start_ns: i64,
    pub read_end_ns: i64,
    pub energy_j: f64,
    pub app_share: Option<f64>,
    pub daemon_share: Option<f64>,
    pub idle_share: Option<f64>,
    pub flags: Flags,
}

/// The readings of one domain; `readings` are by domain and time.
#[must_use]
pub fn readings_of_domain(readings: &[Reading], domain: u16) -> &[Reading] {
    let start = readings.partition_point(|reading| reading.domain < domain);
    let end = readings.partition_point(|reading| reading.domain <= domain);
    &readings[start..end]
}

/// Shares of the energy of one scope over one interval, measured apart from the readings (law 5).
#[derive(Debug, Clone, PartialEq)]
pub struct ShareSample {
    /// `socket:0`, `gpu:0`: see [`Domain::scope`](super::Domain::scope).
    pub scope: String,
    pub start_ns: i64,
    pub end_ns: i64,
    pub app: Option<f64>,
    pub daemon: Option<f64>,
    pub idle: Option<f64>,
    pub flags: Flags,
}
