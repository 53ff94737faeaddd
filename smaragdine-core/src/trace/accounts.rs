//! What accounting derives: footprints and the ledger.

use super::Basis;
use super::words::words;

words! {
    /// How energy is split among operations.
    pub enum Policy {
        /// The paper's rule: operations that run at once on a device share its energy equally.
        Equal = "equal",
        /// The paper's Algorithm 2: a reading's power holds from its timestamp; for comparison.
        Recency = "recency",
        /// Powers of operations shorter than a reading are solved for.
        Deconvolved = "deconvolved",
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

words! {
    /// Where the energy of a counted domain went.
    pub enum Entry {
        /// Operations of the program.
        Operations = "operations",
        /// The application in traced steps, outside operations.
        Application = "application",
        /// The application in steps without events.
        Untraced = "untraced",
        /// Starting and stopping profilers.
        Profiling = "profiling",
        /// The daemon that measures.
        Daemon = "daemon",
        /// Other processes.
        Other = "other",
        /// Nothing was active on that socket or GPU.
        Idle = "idle",
        /// Missed, failed or ambiguous: whose it is cannot be known.
        Gap = "gap",
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
