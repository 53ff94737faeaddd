//! Energy registers: what reads them, what their differences are, and whose their energy is.

mod cpuinfo;
mod mounts;

pub mod container;
pub mod counter;
pub mod host;
pub mod metrics;
pub mod mirrors;
pub(crate) mod sampler;
pub mod shares;
pub mod source;
pub mod station;
pub mod topology;
