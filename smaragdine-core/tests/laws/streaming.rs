//! Streaming = batch: what is accounted as it passes by is what is accounted in memory, bit by bit.

use proptest::prelude::*;
use smaragdine_core::accounting::account::{StepEnergies, account, account_recorded};
use smaragdine_core::build::reaccount::reaccount;
use smaragdine_core::error::Result;
use smaragdine_core::span::Span;
use smaragdine_core::store::tables;
use smaragdine_core::trace::{Batches, Event, Held, Policy, Reader, Reading, Recorded, SCHEMA_VERSION, Trace};

use super::random::{cases, trace};

/// All that accounting finds, to the last bit.
fn accounts(trace: &Trace) -> String {
    let Trace { metadata, steps, footprint, footprint_domains, ledger, .. } = trace;
    format!("{footprint:?} {footprint_domains:?} {ledger:?} {steps:?} {:?} {:?}", metadata.coverage, metadata.sources)
}

/// What is held in memory, in batches of so many rows.
struct InBatches<'a>(Held<'a>, usize);

impl InBatches<'_> {
    fn cut<'b, T: Clone + Send + Sync + 'b>(&self, batches: Batches<'b, T>) -> Batches<'b, T> {
        let rows = self.1;
        Box::new(batches.flat_map(move |batch| {
            let batch = batch.expect("it is in memory").into_owned();
            batch.chunks(rows).map(|rows| Ok(rows.to_vec().into())).collect::<Vec<_>>()
        }))
    }
}

impl Recorded for InBatches<'_> {
    fn events_count(&self) -> u64 {
        self.0.events_count()
    }

    fn show(&self, within: Option<&[Span]>, readers: &mut [&mut dyn Reader]) -> Result<()> {
        tables::show_on_all_cores(self, within, readers)
    }

    fn events<'a>(&'a self, within: Option<&'a [Span]>) -> Batches<'a, Event> {
        self.cut(self.0.events(within))
    }

    fn readings(&self, domain: u16) -> Batches<'_, Reading> {
        self.cut(self.0.readings(domain))
    }

    fn steps(&self) -> Batches<'_, (Span, bool)> {
        self.cut(self.0.steps())
    }
}

fn streamed(trace: &mut Trace, rows: usize, policy: Policy) -> Result<()> {
    let (events, readings) = (std::mem::take(&mut trace.events), std::mem::take(&mut trace.readings));
    let mut steps = std::mem::take(&mut trace.steps);
    let held = InBatches(Held::new(&events, &readings, &steps), rows);
    account_recorded(trace, &held, policy)?;
    let spans: Vec<Span> = steps.iter().map(|step| step.span()).collect();
    let energies = spans.chunks(rows).map(|spans| StepEnergies::of(spans, &trace.metadata.domains, &held));
    let energies = energies.collect::<Result<Vec<_>>>()?;
    for (steps, energies) in steps.chunks_mut(rows).zip(&energies) {
        energies.fill(steps, 0);
    }
    (trace.events, trace.readings, trace.steps) = (events, readings, steps);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases().cases / 10, ..cases() })]

    #[test]
    fn batches_of_any_length_are_accounted_alike(trace in trace(), rows in 1..70usize) {
        let (mut batch, mut stream) = (trace.clone(), trace);
        for policy in Policy::ALL {
            account(&mut batch, policy);
            streamed(&mut stream, rows, policy).expect("it is in memory");
            prop_assert_eq!(accounts(&stream), accounts(&batch));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases().cases / 500, ..cases() })]

    #[test]
    fn files_are_accounted_as_what_they_hold_in_whatever_order(
        (trace, order) in trace().prop_flat_map(|trace| {
            let order = Just((0..trace.events.len()).collect::<Vec<_>>()).prop_shuffle();
            (Just(trace), order)
        }),
        turned in any::<bool>(),
    ) {
        let mut trace = trace;
        trace.metadata.schema_version = SCHEMA_VERSION;
        trace.events = order.iter().map(|place| trace.events[*place]).collect();
        if turned {
            trace.readings.reverse();
            trace.steps.reverse();
        }
        let dir = tempfile::tempdir().expect("a temporary directory");
        tables::write(dir.path(), &trace).expect("a trace is written");
        let files = || std::fs::read_dir(dir.path()).expect("a directory").count();
        let before = files();
        let mut batch = tables::read(dir.path()).expect("a trace is read");
        for policy in Policy::ALL {
            account(&mut batch, policy);
            reaccount(dir.path(), policy, &[]).expect("a trace is accounted");
            prop_assert_eq!(accounts(&tables::read(dir.path()).expect("a trace is read")), accounts(&batch));
        }
        prop_assert_eq!(files(), before, "nothing else is left behind");
    }
}
