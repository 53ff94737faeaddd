//! Why energy is not deconvolved, in words.

use std::fmt;

use super::{LEAST_SOLVABLE, LEAST_STEPS};

/// Why a domain's energy is not deconvolved.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    Modelled,
    Integrated,
    Filtered,
    /// Its updates tell of so many nanoseconds.
    Looks(f64),
    FewSteps(usize),
    FewReadings(usize),
    /// Updates are known too badly for what is so long.
    UnknownEdges {
        uncertainty_ns: f64,
        than: &'static str,
        length_ns: f64,
    },
    StepLocked,
    IllConditioned(f64),
    Edges(f64),
    Lag(f64),
    NoBetter,
    Disagree(f64),
    Wide(f64),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Modelled => write!(f, "power is modelled, and the same for every operation at the same load"),
            Self::Integrated => {
                write!(
                    f,
                    "its energy is integrated from power samples, of which it is not known what time each stands for"
                )
            }
            Self::Filtered => write!(f, "the processor blurs this register on purpose (SGX)"),
            Self::Looks(look_ns) => write!(
                f,
                "an update of its register tells the power of {:.3} ms, and not all that was drawn since the last",
                look_ns * 1e-6
            ),
            Self::FewSteps(steps) => write!(f, "{steps} steps are traced; it takes {LEAST_STEPS}"),
            Self::FewReadings(readings) => {
                write!(f, "{readings} readings lie within traced steps; it takes {LEAST_SOLVABLE}")
            }
            Self::UnknownEdges { uncertainty_ns, than, length_ns } => write!(
                f,
                "when the register was updated is known to ±{:.2} ms, and {than} are {:.2} ms long",
                uncertainty_ns * 1e-6,
                length_ns * 1e-6
            ),
            Self::StepLocked => {
                write!(f, "steps and readings run in lockstep, so every step is cut at the same places")
            }
            Self::IllConditioned(condition) => {
                write!(f, "operations run in too much the same company: errors would be magnified {condition:.0} times")
            }
            Self::Edges(moved) => {
                write!(f, "how well the register's updates are known alone moves powers by {}", percent(*moved))
            }
            Self::Lag(moved) => write!(
                f,
                "a delay of the register, as far as it is not known, alone moves powers by {}",
                percent(*moved)
            ),
            Self::NoBetter => write!(f, "steps held out are predicted no better than by equal share"),
            Self::Disagree(times) => write!(
                f,
                "parts of the recording disagree by {times:.1} times what the intervals allow: powers changed meanwhile"
            ),
            Self::Wide(half) => write!(f, "the intervals would be ±{} wide", percent(*half)),
        }
    }
}

fn percent(part: f64) -> String {
    if part < 1.0 { format!("{:.0} %", part * 100.0) } else { "100 % or more".to_owned() }
}
