mod metrics;
mod nvml;
mod sampling;
mod shares;
mod station;
