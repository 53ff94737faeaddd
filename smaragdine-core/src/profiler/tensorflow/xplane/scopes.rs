//! Gives operations that Python ran eagerly the scope that the client said they ran in.

use crate::span::Span;
use rustc_hash::FxHashMap;

use super::push;
use crate::profiler::RawOp;
use crate::profiler::leaves::{LaneSpan, What, innermost};

/// What an annotation's title starts with; the scope follows, `mlp/dense` or `gradient_tape/mlp/dense`.
pub(super) const ANNOTATION: &str = "smaragdine:";

/// Names operations by scope, the same name always by the same number.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    numbers: FxHashMap<String, u32>,
}

/// What of one thread is named by scope. Instants are CLOCK_REALTIME.
#[derive(Debug, Default)]
pub(super) struct Scoped<'a> {
    /// (start, end, scope)
    pub(super) scopes: Vec<(i64, i64, &'a str)>,
    /// Indexes of the spans of operations that Python ran eagerly.
    pub(super) eager: Vec<usize>,
}

impl Scopes {
    /// Names each eager operation after the innermost scope around it, in the order of their start: the first `MatMul`
    /// within one stretch of a scope is `<scope>/MatMul`, the second `<scope>/MatMul_1`, as a graph would number them.
    pub(super) fn name(&mut self, scoped: &mut Scoped, spans: &mut [LaneSpan], names: &mut Vec<RawOp>) {
        let (mut scopes, mut eager) = (std::mem::take(&mut scoped.scopes), std::mem::take(&mut scoped.eager));
        if scopes.is_empty() {
            return;
        }
        scopes.sort_by_key(|&(start_ns, end_ns, _)| (start_ns, std::cmp::Reverse(end_ns)));
        eager.sort_by_key(|&span| spans[span].start_ns);
        let intervals: Vec<_> = scopes.iter().map(|&(start_ns, end_ns, _)| Span { start_ns, end_ns }).collect();
        let around = innermost(&intervals, eager.iter().map(|&span| spans[span].start_ns));
        let mut counts: FxHashMap<(usize, u32), u32> = FxHashMap::default();
        for (span, stretch) in eager.into_iter().zip(around) {
            let (Some(stretch), What::Operation(bare)) = (stretch, spans[span].what) else { continue };
            let kind = names[bare as usize].kind.clone();
            let count = counts.entry((stretch, bare)).or_default();
            let number = if *count == 0 { String::new() } else { format!("_{count}") };
            *count += 1;
            let raw_name = format!("{}/{kind}{number}", scopes[stretch].2);
            let op = *self.numbers.entry(raw_name).or_insert_with_key(|raw_name| {
                push(names, RawOp { raw_name: raw_name.clone(), kind, ..RawOp::default() })
            });
            spans[span].what = What::Operation(op);
        }
    }
}
