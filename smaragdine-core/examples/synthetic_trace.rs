//! Writes a small synthetic trace: `cargo run --example synthetic_trace -- DIR`.

#[path = "../tests/support/synthetic.rs"]
mod synthetic;

use anyhow::Context;
use smaragdine_core::accounting::account::account;
use smaragdine_core::store::tables;
use smaragdine_core::trace::Policy;

fn main() -> anyhow::Result<()> {
    let dir = std::env::args_os().nth(1).context("name the directory to write")?;
    let mut trace = synthetic::trace();
    Policy::ALL.into_iter().for_each(|policy| account(&mut trace, policy));
    Ok(tables::write(dir.as_ref(), &trace)?)
}
