//! The cores of a TPU → spans, and the energy that the profiler measured of each.
//!
//! A plane `/device:TPU:n` has a line `XLA Ops` with one event for each execution of an instruction, named after the
//! instruction's text; the other lines tell the same time anew. Stats may stand with the event or with its metadata.

use super::fields::Malformed;
use super::kernels::Kernels;
use super::lanes::Lanes;
use super::lines::Line;
use super::plane::Plane;
use super::push;
use crate::profiler::jax::{Origin, is_traced};
use crate::profiler::leaves::{LaneSpan, What};
use crate::profiler::{Drawn, RawOp};
use crate::trace::Kind;
use crate::wire::tensorflow::profiler::{XEventMetadata, XStat, x_stat};

const OPERATIONS: &str = "XLA Ops";
/// Joules that an event's core drew, measured.
const ENERGY: &str = "vdd_energy_j";

pub(super) struct Tpu<'a, 'p> {
    plane: &'a Plane<'a>,
    kernels: &'p mut Kernels<'a>,
    names: &'p mut Vec<RawOp>,
    /// By metadata id.
    known: rustc_hash::FxHashMap<i64, Option<What>>,
}

impl<'a, 'p> Tpu<'a, 'p> {
    pub(super) fn new(plane: &'a Plane<'a>, kernels: &'p mut Kernels<'a>, names: &'p mut Vec<RawOp>) -> Self {
        Self { plane, kernels, names, known: rustc_hash::FxHashMap::default() }
    }

    /// Adds what each core executes to `lanes`, and what it drew to `drawn`; `device` is the plane's number.
    pub(super) fn read(
        mut self,
        session_ns: i64,
        lanes: &mut Lanes,
        device: u16,
        drawn: &mut Vec<Drawn>,
    ) -> Result<(), Malformed> {
        let energy = self.plane.stat_named(ENERGY);
        for (lane, line) in (0..).zip(&self.plane.lines) {
            let mut line = Line::scan(line, session_ns)?;
            if line.name != OPERATIONS {
                continue;
            }
            let (mut spans, mut own) = (Vec::new(), Vec::new());
            while let Some((what, event)) = line.next_event(|metadata| self.what(metadata))? {
                let mut energy_j = None;
                event.stats(self.plane, |id, stat| {
                    if Some(id) == energy {
                        energy_j = stat.real();
                    }
                })?;
                let (start_ns, end_ns) = (event.start_ns, event.end_ns);
                spans.push(LaneSpan { what, kind: Kind::Compute, start_ns, end_ns, correlation: None });
                own.extend(energy_j.map(|energy_j| Drawn { device, start_ns, end_ns, energy_j }));
            }
            own.retain(|one| one.end_ns > one.start_ns && one.energy_j >= 0.0 && one.energy_j.is_finite());
            own.sort_by_key(|one| (one.start_ns, std::cmp::Reverse(one.end_ns)));
            // A loop's event holds those of its body, and their energy: only what holds no other is kept.
            let next = own.iter().skip(1).map(|next| Some(next.start_ns)).chain([None]);
            let leaves = own.iter().zip(next).filter(|(one, next)| next.is_none_or(|next| next >= one.end_ns));
            drawn.extend(leaves.map(|(one, _)| *one));
            lanes.add(lane, &mut spans, self.kernels);
        }
        Ok(())
    }

    fn what(&mut self, metadata: i64) -> Option<What> {
        if let Some(&known) = self.known.get(&metadata) {
            return known;
        }
        let what = self.plane.events.get(&metadata).map(|metadata| self.executes(metadata));
        self.known.insert(metadata, what);
        what
    }

    fn executes(&mut self, metadata: &'a XEventMetadata) -> What {
        let instruction = instruction(&metadata.name);
        let stat = |name: &str| {
            let id = self.plane.stat_named(name)?;
            metadata.stats.iter().find(|stat| stat.metadata_id == id)
        };
        let program = stat("program_id").and_then(number).unwrap_or(0);
        let named = stat("tf_op").and_then(|stat| self.text(stat)).map(|name| name.trim_end_matches(':').to_owned());
        if let (Some(raw_name), false) = (named.filter(|name| is_traced(name)), self.kernels.knows(program)) {
            let kind = raw_name.rsplit('/').next().unwrap_or("").to_owned();
            let origin = Some(Box::new(Origin::default()));
            return What::Operation(push(self.names, RawOp { raw_name, kind, origin, ..RawOp::default() }));
        }
        let kernel = self.kernels.kernel(program, instruction, self.names);
        if kernel.runs_others { What::Nothing } else { kernel.what }
    }

    fn text(&self, stat: &'a XStat) -> Option<&'a str> {
        match stat.value.as_ref()? {
            x_stat::Value::StrValue(text) => Some(text),
            x_stat::Value::RefValue(text) => self.plane.stats.get(&text.cast_signed()).map(String::as_str),
            _ => None,
        }
    }
}

fn number(stat: &XStat) -> Option<u64> {
    match stat.value.as_ref()? {
        x_stat::Value::Uint64Value(number) => Some(*number),
        x_stat::Value::Int64Value(number) => Some(number.cast_unsigned()),
        _ => None,
    }
}

/// `%fusion.3 = f32[8]{0} fusion(…)` → `fusion.3`
fn instruction(text: &str) -> &str {
    let name = text.split([' ', '=']).next().unwrap_or(text);
    name.strip_prefix('%').unwrap_or(name)
}
