mod names;
mod optimizer;
mod programs;
mod tpu;
mod versions;
