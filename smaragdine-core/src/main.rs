//! `smaragdined`: the accountant's daemon.

fn main() {}
