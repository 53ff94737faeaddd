//! The lines of a plane → leaf events, each event looked at only as far as its name asks for.

use prost::Message as _;
use rustc_hash::FxHashMap;

use super::fields::{Fields, Malformed};
use super::hlo::Programs;
use super::plane::Plane;
use super::title::operation;
use super::{Profile, RawEvent, RawOp, leaves};
use crate::trace::Kind;
use crate::wire::tensorflow::profiler::{XStat, x_stat};

/// What an event's name says about it.
#[derive(Clone, Copy)]
enum Class {
    /// Not work of an operation.
    Dropped,
    /// An operation: index into the profile's names.
    Operation(u32),
    /// Its stats tell: an instruction of XLA's, or a kernel.
    ByStats,
}

/// The stats that name what runs, by this plane's numbers.
struct Known {
    hlo_op: Option<i64>,
    program: Option<i64>,
    tf_op: Option<i64>,
    correlation: Option<i64>,
    memcpy: Option<i64>,
}

pub(super) struct Decoder<'a> {
    plane: &'a Plane<'a>,
    programs: &'a Programs,
    session_ns: i64,
    device: u16,
    gpu: bool,
    known: Known,
    /// By metadata id, apart for threads of the input pipeline.
    classes: [FxHashMap<i64, Class>; 2],
    /// By what the stats say: (metadata id, program, hash of the framework's name).
    named: FxHashMap<(i64, u64, String), u32>,
    scratch: Vec<RawEvent>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(plane: &'a Plane<'a>, programs: &'a Programs, session_ns: i64, device: u16) -> Self {
        let known = Known {
            hlo_op: plane.stat_named("hlo_op"),
            program: plane.stat_named("program_id"),
            tf_op: plane.stat_named("tf_op"),
            correlation: plane.stat_named("correlation_id"),
            memcpy: plane.stat_named("memcpy_details"),
        };
        let gpu = plane.name.starts_with("/device:GPU");
        let (classes, named) = (Default::default(), FxHashMap::default());
        Self { plane, programs, session_ns, device, gpu, known, classes, named, scratch: Vec::new() }
    }

    pub(super) fn run(mut self, profile: &mut Profile) -> Result<(), Malformed> {
        for (lane, line) in (0_u32..).zip(&self.plane.lines) {
            self.scratch.clear();
            self.line(line, lane, profile)?;
            leaves::resolve(&mut self.scratch, &mut profile.events);
        }
        Ok(())
    }

    fn line(&mut self, line: &'a [u8], lane: u32, profile: &mut Profile) -> Result<(), Malformed> {
        let (mut name, mut timestamp_ns) = ("", 0);
        let mut fields = Fields::of(line);
        // Events follow the line's own fields, as numbers are written in order; a writer that does otherwise costs a
        // second look, not the result.
        let mut first_event = None;
        loop {
            let before = fields.clone();
            let Some((number, value)) = fields.next_field()? else { break };
            match number {
                2 => name = value.text().unwrap_or(""),
                3 => timestamp_ns = value.int().unwrap_or(0),
                4 if first_event.is_none() => first_event = Some(before),
                _ => {}
            }
        }
        // Lines that a converter derived from the streams would be counted a second time.
        if self.gpu && !name.starts_with("Stream") {
            return Ok(());
        }
        let Some(mut fields) = first_event else { return Ok(()) };
        let pipeline = name.starts_with("tf_data");
        let base_ns = self.session_ns.saturating_add(timestamp_ns);
        while let Some((number, value)) = fields.next_field()? {
            if let (4, Some(event)) = (number, value.bytes()) {
                self.event(event, lane, base_ns, pipeline, profile)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn event(
        &mut self,
        event: &'a [u8],
        lane: u32,
        base_ns: i64,
        pipeline: bool,
        profile: &mut Profile,
    ) -> Result<(), Malformed> {
        let (mut metadata, mut offset_ps, mut duration_ps) = (0, None, 0);
        let mut fields = Fields::of(event);
        let mut class = None;
        while let Some((number, value)) = fields.next_field()? {
            match number {
                1 => {
                    metadata = value.int().ok_or(Malformed)?;
                    let found = self.class(metadata, pipeline, profile);
                    if matches!(found, Class::Dropped) {
                        return Ok(());
                    }
                    class = Some(found);
                }
                2 => offset_ps = value.int(),
                3 => duration_ps = value.int().ok_or(Malformed)?,
                // An aggregate has no place in time.
                5 => return Ok(()),
                _ => {}
            }
        }
        let (name, kind, correlation) = match class.unwrap_or_else(|| self.class(0, pipeline, profile)) {
            Class::Dropped => return Ok(()),
            Class::Operation(name) => (name, Kind::Compute, None),
            Class::ByStats => match self.by_stats(metadata, event, profile)? {
                Some(found) => found,
                None => return Ok(()),
            },
        };
        let offset_ps = offset_ps.unwrap_or(0);
        let start_ns = base_ns.saturating_add(offset_ps.div_euclid(1000));
        let end_ns = base_ns.saturating_add(offset_ps.saturating_add(duration_ps.max(0)).div_euclid(1000));
        self.scratch.push(RawEvent { name, device: self.device, lane, kind, start_ns, end_ns, correlation });
        Ok(())
    }

    #[inline]
    fn class(&mut self, metadata: i64, pipeline: bool, profile: &mut Profile) -> Class {
        if let Some(&class) = self.classes[usize::from(pipeline)].get(&metadata) {
            return class;
        }
        let class = self.classify(metadata, pipeline, profile);
        self.classes[usize::from(pipeline)].insert(metadata, class);
        class
    }

    fn classify(&self, metadata: i64, pipeline: bool, profile: &mut Profile) -> Class {
        let Some(metadata) = self.plane.events.get(&metadata) else { return Class::Dropped };
        if self.gpu {
            return Class::ByStats;
        }
        if let Some((raw_name, kind)) = operation(&metadata.name) {
            let op = RawOp { raw_name: raw_name.into(), kind: kind.into(), flops: None, pipeline };
            return Class::Operation(push(&mut profile.names, op));
        }
        let instruction = self.known.hlo_op.is_some()
            && !metadata.name.starts_with("end: ")
            && !metadata.name.contains("::")
            && !metadata.name.contains(' ');
        if instruction { Class::ByStats } else { Class::Dropped }
    }

    /// The operation, kind and correlation of an event whose stats name it; `None` where they do not.
    fn by_stats(
        &mut self,
        metadata: i64,
        event: &[u8],
        profile: &mut Profile,
    ) -> Result<Option<(u32, Kind, Option<u64>)>, Malformed> {
        let (mut hlo_op, mut program, mut tf_op, mut correlation) = (None, 0, None, None);
        let mut kind = Kind::Compute;
        let mut fields = Fields::of(event);
        while let Some((number, value)) = fields.next_field()? {
            let (4, Some(stat)) = (number, value.bytes()) else { continue };
            let stat = XStat::decode(stat).map_err(|_| Malformed)?;
            let id = Some(stat.metadata_id);
            if id == self.known.hlo_op {
                hlo_op = self.text(stat);
            } else if id == self.known.program {
                program = unsigned(&stat).unwrap_or(0);
            } else if id == self.known.tf_op {
                tf_op = self.text(stat).filter(|name| !name.is_empty());
            } else if id == self.known.correlation {
                correlation = unsigned(&stat).filter(|&id| id != 0);
            } else if id == self.known.memcpy {
                kind = Kind::Copy;
            }
        }
        let title = self.plane.events.get(&metadata).map_or("", |metadata| metadata.name.as_str());
        if self.gpu && (title.starts_with("Memcpy") || title.starts_with("Memset")) {
            kind = Kind::Copy;
        }
        if !self.gpu && hlo_op.is_none() {
            return Ok(None);
        }
        let key = (metadata, program, tf_op.unwrap_or_default());
        if let Some(&name) = self.named.get(&key) {
            return Ok(Some((name, kind, correlation)));
        }
        let origin = hlo_op.as_deref().and_then(|instruction| self.programs.origin(program, instruction));
        let op = if let Some(origin) = origin {
            RawOp { raw_name: origin.name.clone(), kind: origin.kind.clone(), ..RawOp::default() }
        } else if let Some((raw_name, kind)) = key.2.rsplit_once(':') {
            RawOp { raw_name: raw_name.into(), kind: kind.into(), ..RawOp::default() }
        } else {
            let raw_name = if key.2.is_empty() { hlo_op.as_deref().unwrap_or(title) } else { &key.2 };
            // `copy.44` is a copy.
            let kind = if self.gpu { "" } else { raw_name.split('.').next().unwrap_or("") };
            RawOp { raw_name: raw_name.into(), kind: kind.into(), ..RawOp::default() }
        };
        let name = push(&mut profile.names, op);
        self.named.insert(key, name);
        Ok(Some((name, kind, correlation)))
    }

    fn text(&self, stat: XStat) -> Option<String> {
        match stat.value? {
            x_stat::Value::StrValue(text) => Some(text),
            x_stat::Value::RefValue(id) => self.plane.stats.get(&id.cast_signed()).cloned(),
            _ => None,
        }
    }
}

fn unsigned(stat: &XStat) -> Option<u64> {
    match stat.value.as_ref()? {
        x_stat::Value::Uint64Value(value) | x_stat::Value::RefValue(value) => Some(*value),
        x_stat::Value::Int64Value(value) => Some(value.cast_unsigned()),
        _ => None,
    }
}

fn push(names: &mut Vec<RawOp>, op: RawOp) -> u32 {
    names.push(op);
    // A name takes more than one byte of a profile, and profiles are far below 4 GiB.
    u32::try_from(names.len() - 1).unwrap_or(u32::MAX)
}
