//! Profiles of PyTorch's: recorded here on a CPU, and composed where they tell of GPUs.

mod composed;
mod damage;
mod flops;
mod gpu;
mod names;
mod recorded;
mod together;
