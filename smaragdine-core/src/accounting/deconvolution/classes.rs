//! Which operations are taken to draw the same power: few classes where the data tell little, one each where it can.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::trace::{Level, Op};

/// What operations of one class have in common.
fn class_key(level: Level, number: usize, op: &Op) -> String {
    let size = || format!("{}\n{}\n{:?}", op.kind, op.phase.name(), op.flops);
    match level {
        Level::Type => op.kind.clone(),
        Level::Size => size(),
        Level::Layer => format!("{}\n{}", size(), folded(&op.layer)),
        Level::Operation => number.to_string(),
    }
}

/// A layer's path without its numbers.
fn folded(layer: &str) -> String {
    let mut folded = String::with_capacity(layer.len());
    for character in layer.chars() {
        match (character.is_ascii_digit(), folded.ends_with('#')) {
            (true, true) => {}
            (true, false) => folded.push('#'),
            (false, _) => folded.push(character),
        }
    }
    folded
}

/// A partition of operations into classes.
#[derive(Debug, Clone)]
pub(super) struct Classes {
    /// By operation; `None`: it is not executed.
    pub(super) of: Vec<Option<usize>>,
    pub(super) count: usize,
    /// The class of what is too brief for a class of its own, whatever it does.
    pub(super) pool: Option<usize>,
    keys: Vec<(Option<Level>, String)>,
}

impl Classes {
    /// The classes of `level` that take at least `least_s` of the operations' `times_s`, except those in `unclear`;
    /// what is left of a coarser class is one of that level, and what then is left is pooled.
    pub(super) fn new(ops: &[Op], times_s: &[f64], level: Level, least_s: f64, unclear: &Unclear) -> Self {
        let mut classes = Self { of: vec![None; ops.len()], count: 0, pool: None, keys: Vec::new() };
        let mut left: Vec<usize> = (0..ops.len()).filter(|op| times_s[*op] > 0.0).collect();
        for level in Level::ALL.into_iter().rev().filter(|candidate| *candidate <= level) {
            let mut groups: FxHashMap<String, Vec<usize>> = FxHashMap::default();
            left.drain(..).for_each(|op| groups.entry(class_key(level, op, &ops[op])).or_default().push(op));
            let mut groups: Vec<_> = groups.into_iter().collect();
            groups.sort_unstable_by_key(|(_, members)| members[0]);
            for (key, members) in groups {
                let time_s: f64 = members.iter().map(|op| times_s[*op]).sum();
                let key = (Some(level), key);
                if time_s >= least_s && !unclear.0.contains(&key) {
                    classes.push(&members, key);
                } else {
                    left.extend(members);
                }
            }
            left.sort_unstable();
        }
        if !left.is_empty() {
            classes.pool = Some(classes.count);
            classes.push(&left, (None, String::new()));
        }
        classes
    }

    /// Those that are not pooled.
    pub(super) fn own(&self) -> impl Iterator<Item = usize> {
        (0..self.count).filter(|class| Some(*class) != self.pool)
    }

    fn push(&mut self, members: &[usize], key: (Option<Level>, String)) {
        members.iter().for_each(|op| self.of[*op] = Some(self.count));
        self.keys.push(key);
        self.count += 1;
    }
}

/// Types that vary on their own, those that run longest; the others vary together.
const MOST_KIN: usize = 24;

/// Operations of one type, whose power varies alike.
#[derive(Debug, Clone)]
pub(super) struct Kin {
    /// By operation; `None`: it is not executed.
    pub(super) of: Vec<Option<usize>>,
    pub(super) count: usize,
}

impl Kin {
    pub(super) fn new(ops: &[Op], times_s: &[f64]) -> Self {
        let mut types: FxHashMap<&str, f64> = FxHashMap::default();
        let executed = || ops.iter().zip(times_s).filter(|(_, time_s)| **time_s > 0.0);
        executed().for_each(|(op, time_s)| *types.entry(&op.kind).or_default() += time_s);
        let mut longest: Vec<(&str, f64)> = types.into_iter().collect();
        longest.sort_unstable_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(other.0)));
        let count = longest.len().min(MOST_KIN);
        let place = |op: &Op| longest[..count].iter().position(|(kind, _)| *kind == op.kind).unwrap_or(count - 1);
        let of = ops.iter().zip(times_s).map(|(op, time_s)| (*time_s > 0.0).then(|| place(op)));
        Self { of: of.collect(), count }
    }
}

/// Classes whose power the data do not tell: their operations go to coarser ones.
#[derive(Debug, Default)]
pub(super) struct Unclear(FxHashSet<(Option<Level>, String)>);

impl Unclear {
    pub(super) fn add(&mut self, classes: &Classes, class: usize) {
        self.0.insert(classes.keys[class].clone());
    }
}
