//! A training of which the power of every operation is known, the sensors that watch it, and how far from the truth
//! the product's accounting of it is.
//!
//! Deterministic: the same case gives the same numbers on every machine.

pub mod battery;
pub mod live;
pub mod noise;
pub mod power;
pub mod released;
pub mod score;
pub mod sensor;
pub mod table;
pub mod training;
pub mod world;
