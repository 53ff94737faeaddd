//! What JAX's profiler and its compiled programs say: names, passes, and the parameters that operations update.
//!
//! The bytes are an XSpace's, which `tensorflow/xplane` decodes; here are the names that JAX gives to instructions.

mod argument;
mod name;
mod names;
mod origin;
mod owners;

pub(crate) use self::argument::common;
pub use self::name::{Name, Pass, is_combined, is_traced};
pub use self::names::Namer;
pub use self::origin::Origin;
