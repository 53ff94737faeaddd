//! What accounting derives: footprints and the ledger.

use super::Basis;

/// How energy is split among operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// The paper's rule: operations that run at once on a device share its energy equally.
    Equal,
    /// The paper's Algorithm 2: a reading's power holds from its timestamp; for comparison.
    Recency,
    /// Powers of operations shorter than a reading solved for, see [`crate::deconvolution`].
    Deconvolved,
}

impl Policy {
    pub const ALL: [Self; 3] = [Self::Equal, Self::Recency, Self::Deconvolved];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Recency => "recency",
            Self::Deconvolved => "deconvolved",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }
}

/// Energy and time of one operation on one device.
#[derive(Debug, Clone, PartialEq)]
pub struct FootprintRow {
    pub policy: Policy,
    pub op: u32,
    pub device: String,
    pub basis: Basis,
    pub energy_j: f64,
    pub energy_low_j: Option<f64>,
    pub energy_high_j: Option<f64>,
    /// Sum of durations.
    pub time_s: f64,
    /// Energy ÷ time; `None` where the time is 0.
    pub power_w: Option<f64>,
    pub count: u64,
}

/// Energy of one operation in one domain.
#[derive(Debug, Clone, PartialEq)]
pub struct FootprintDomainRow {
    pub policy: Policy,
    pub op: u32,
    pub domain: String,
    pub energy_j: f64,
}

/// Where the energy of a counted domain went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    Operations,
    Application,
    Untraced,
    Profiling,
    Daemon,
    Other,
    Idle,
    Gap,
}

impl Entry {
    pub const ALL: [Self; 8] = [
        Self::Operations,
        Self::Application,
        Self::Untraced,
        Self::Profiling,
        Self::Daemon,
        Self::Other,
        Self::Idle,
        Self::Gap,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Operations => "operations",
            Self::Application => "application",
            Self::Untraced => "untraced",
            Self::Profiling => "profiling",
            Self::Daemon => "daemon",
            Self::Other => "other",
            Self::Idle => "idle",
            Self::Gap => "gap",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|entry| entry.name() == name)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct LedgerRow {
    pub policy: Policy,
    /// A counted domain's name.
    pub domain: String,
    pub entry: Entry,
    pub energy_j: f64,
}
