mod nvml;
mod sampling;
mod shares;
