//! What is said first of a recording in which no sensor's energy is counted.
//!
//! Python says the same of traces (`smaragdine.notice`); tests/fixtures/notices.json holds both to one text.

use super::{Basis, Domain};

/// What follows from power that is modelled.
const MODELLED: &str = "power is modelled from CPU use, so shares follow time and watts per operation mean nothing";
/// So many reasons are told; the trace has all.
const MOST_REASONS: usize = 3;

/// The sentence that every view opens with; `None` where something counted is measured.
#[must_use]
pub fn notice(domains: &[Domain]) -> Option<String> {
    if measured(domains).any(|domain| domain.counted) {
        return None;
    }
    let sensors = uncounted(domains).unwrap_or_else(|| "no energy sensor was readable".to_owned());
    let model = if domains.iter().any(|domain| domain.counted) { MODELLED } else { "nothing is accounted" };
    Some(format!("{sensors}; {model}; `smaragdine doctor` tells how to measure."))
}

/// That sensors were read, and why none of them is counted; `None` where none was read.
#[must_use]
pub fn uncounted(domains: &[Domain]) -> Option<String> {
    let reasons = reasons(measured(domains).filter(|domain| !domain.counted));
    (!reasons.is_empty()).then(|| format!("energy sensors were read, but none of them can be counted ({reasons})"))
}

fn measured(domains: &[Domain]) -> impl Iterator<Item = &Domain> {
    domains.iter().filter(|domain| domain.basis == Basis::Measured)
}

/// Each reason once, with whose it is: `gpu-0, gpu-1: the application does not see this GPU`.
fn reasons<'a>(uncounted: impl Iterator<Item = &'a Domain>) -> String {
    let mut told: Vec<(&str, Vec<&str>)> = Vec::new();
    for domain in uncounted {
        let because = domain.not_counted_because.as_deref().unwrap_or("another holds its energy");
        match told.iter_mut().find(|(reason, _)| *reason == because) {
            Some((_, names)) => names.push(&domain.name),
            None => told.push((because, vec![&domain.name])),
        }
    }
    let more = told.len().saturating_sub(MOST_REASONS);
    let reason = |(because, names): &(&str, Vec<&str>)| match names.as_slice() {
        [first, _, _, rest @ ..] => format!("{first} and {} more: {because}", rest.len() + 2),
        few => format!("{}: {because}", few.join(", ")),
    };
    let shown: Vec<String> = told.iter().take(MOST_REASONS).map(reason).collect();
    let rest = if more > 0 { format!("; and {more} further reasons") } else { String::new() };
    shown.join("; ") + &rest
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        domains: Vec<(String, bool, Basis, Option<String>)>,
        notice: Option<String>,
    }

    #[test]
    fn the_notice_is_what_python_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/notices.json");
        let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(cases.len() >= 8);
        for Case { domains, notice: expected } in cases {
            let domain = |(name, counted, basis, not_counted_because)| Domain {
                counted,
                basis,
                not_counted_because,
                ..Domain::new(name, "CPU:0", "x", "socket:0")
            };
            let domains: Vec<Domain> = domains
                .iter()
                .map(|(name, counted, basis, because)| domain((name, *counted, *basis, because.clone())))
                .collect();
            assert_eq!(notice(&domains), expected);
        }
    }
}
