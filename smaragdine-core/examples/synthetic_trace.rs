//! Writes a small synthetic trace: `cargo run --example synthetic_trace -- DIR`.

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    let dir = std::env::args_os().nth(1).context("name the directory to write")?;
    Ok(smaragdine_core::tables::write(dir.as_ref(), &synthetic::trace())?)
}
