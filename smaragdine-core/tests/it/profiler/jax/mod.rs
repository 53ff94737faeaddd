mod names;
mod optimizer;
mod owners;
mod programs;
mod tpu;
mod versions;
