//! TensorFlow's profiler, its sessions and its graphs.

pub mod flops;
pub mod graph;
pub mod names;
pub mod step_stats;
pub mod xplane;
