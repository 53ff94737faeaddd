mod counter;
mod cray;
mod drm;
mod perf;
mod powercap;
