//! Laws 2, 3 and 4: the equal share, its symmetries, and to which interval energy belongs.

use proptest::prelude::*;
use smaragdine_core::accounting::alignment::{Aligner, Alignment};
use smaragdine_core::trace::Event;

use super::definition::{by_definition, close, sharing};
use super::random::{OPS, Piece, SPAN_NS, cases, domains, events, pieces};

fn align(domains: &[Vec<Piece>], events: &[Event]) -> Alignment {
    let mut aligner = Aligner::new(domains.len(), OPS);
    for (domain, pieces) in domains.iter().enumerate() {
        pieces.iter().for_each(|(start, end, energy)| assert!(aligner.push_energy(domain, *start, *end, *energy)));
    }
    events.iter().for_each(|event| assert!(aligner.push_event(event)));
    aligner.finish()
}

fn assert_same(a: &Alignment, b: &Alignment, scale: f64) -> Result<(), TestCaseError> {
    prop_assert_eq!((a.domains, a.count.len()), (b.domains, b.count.len()));
    for domain in 0..a.domains {
        for op in 0..a.count.len() {
            let (a, b) = (a.energy_j(op, domain) * scale, b.energy_j(op, domain));
            prop_assert!(close(a, b, 1e-12), "operation {} in domain {}: {} and {}", op, domain, a, b);
        }
        prop_assert!(close(a.untraced_j[domain] * scale, b.untraced_j[domain], 1e-12));
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn an_event_receives_its_equal_share_as_defined(domains in domains(), events in events()) {
        let alignment = align(&domains, &events);
        for (domain, pieces) in domains.iter().enumerate() {
            let (energy, outside) = by_definition(pieces, &events, sharing);
            for (op, expected) in energy.iter().enumerate() {
                let energy = alignment.energy_j(op, domain);
                prop_assert!(close(energy, *expected, 1e-12), "{} {}: {} and {}", op, domain, energy, expected);
            }
            // A remainder of what operations took is only as exact as the energy that it remains of.
            let whole: f64 = pieces.iter().map(|piece| piece.2).sum();
            prop_assert!((alignment.untraced_j[domain] - outside).abs() <= 1e-12 * whole);
        }
        for op in 0..OPS {
            let mine = || events.iter().filter(|event| event.op as usize == op);
            prop_assert_eq!(alignment.count[op], mine().count() as u64);
            prop_assert_eq!(alignment.time_ns[op] as i64, mine().map(|event| event.end_ns - event.start_ns).sum::<i64>());
        }
    }

    #[test]
    fn the_order_in_which_events_come_changes_nothing(
        domains in domains(),
        (events, shuffled) in events().prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
    ) {
        assert_same(&align(&domains, &events), &align(&domains, &shuffled), 1.0)?;
    }

    #[test]
    fn an_event_split_in_two_receives_what_it_received_whole(
        domains in domains(),
        events in events(),
        which in any::<prop::sample::Index>(),
        at in 0.0..1.0f64,
    ) {
        if events.is_empty() {
            return Ok(());
        }
        let mut split = events.clone();
        let event = &mut split[which.index(events.len())];
        let middle = event.start_ns + ((event.end_ns - event.start_ns) as f64 * at) as i64;
        let rest = Event { start_ns: middle, ..*event };
        event.end_ns = middle;
        split.push(rest);
        assert_same(&align(&domains, &events), &align(&domains, &split), 1.0)?;
    }

    #[test]
    fn energies_follow_power(domains in domains(), events in events(), scale in 1e-6..1e6f64) {
        let scaled: Vec<Vec<Piece>> = domains
            .iter()
            .map(|pieces| pieces.iter().map(|(start, end, energy)| (*start, *end, energy * scale)).collect())
            .collect();
        assert_same(&align(&domains, &events), &align(&scaled, &events), scale)?;
    }

    #[test]
    fn the_clock_may_start_anywhere(
        domains in domains(),
        events in events(),
        shift in prop_oneof![Just(1_760_000_000_000_000_000i64), Just(-SPAN_NS), Just(i64::MIN), Just(i64::MAX - 10 * SPAN_NS), any::<i64>()],
    ) {
        let shift = shift.min(i64::MAX - 10 * SPAN_NS);
        let shifted_events = events.iter().map(|event| Event {
            start_ns: event.start_ns + shift,
            end_ns: event.end_ns + shift,
            ..*event
        });
        let shifted: Vec<Vec<Piece>> = domains
            .iter()
            .map(|pieces| pieces.iter().map(|(start, end, energy)| (start + shift, end + shift, *energy)).collect())
            .collect();
        assert_same(&align(&domains, &events), &align(&shifted, &shifted_events.collect::<Vec<_>>()), 1.0)?;
    }

    #[test]
    fn what_comes_in_a_stream_is_aligned_as_what_comes_at_once(
        domains in domains(),
        events in events(),
        mut instants in prop::collection::vec(0..2 * SPAN_NS, 0..12),
    ) {
        let batch = align(&domains, &events);
        instants.sort_unstable();
        instants.push(i64::MAX);
        let mut aligner = Aligner::new(domains.len(), 0);
        aligner.grow(OPS);
        let mut after = i64::MIN;
        for until in instants {
            let due = |start: i64| after <= start && start < until;
            for (domain, pieces) in domains.iter().enumerate() {
                for (start, end, energy) in pieces.iter().filter(|piece| due(piece.0)) {
                    prop_assert!(aligner.push_energy(domain, *start, *end, *energy));
                }
            }
            // The last that start come first, as far as the stream allows.
            events.iter().rev().filter(|event| due(event.start_ns)).for_each(|event| assert!(aligner.push_event(event)));
            aligner.advance(until);
            after = until;
        }
        prop_assert_eq!(aligner.late(), 0);
        assert_same(&batch, &aligner.finish(), 1.0)?;
    }

    #[test]
    fn energy_belongs_to_the_interval_over_which_it_was_measured(
        pieces in pieces(),
        events in events(),
        which in any::<prop::sample::Index>(),
    ) {
        if pieces.is_empty() {
            return Ok(());
        }
        let which = which.index(pieces.len());
        let mut more = pieces.clone();
        more[which].2 += 100.0;
        let (start, end, _) = pieces[which];
        let (before, after) = (align(&[pieces], &events), align(&[more], &events));
        for op in 0..OPS {
            let overlaps = |event: &Event| event.op as usize == op && event.start_ns < end && start < event.end_ns;
            if !events.iter().any(overlaps) {
                prop_assert!(close(before.energy_j(op, 0), after.energy_j(op, 0), 1e-12));
            }
        }
        let sum = |alignment: &Alignment| alignment.operations_j(0) + alignment.untraced_j[0];
        prop_assert!(close(sum(&before) + 100.0, sum(&after), 1e-12));
    }
}
