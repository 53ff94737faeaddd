//! What TensorFlow's profiler wrote (XSpace bytes) → leaf events.
//!
//! Times: `profile_start_time` of the plane `Task Environment` + the line's `timestamp_ns` + the event's `offset_ps`.
//! A thread's line mixes operations (`<node>:<type>`) with what the runtime does around them: executor loops, thread
//! pools, allocations, Python calls. Only operations are work; the rest is dropped by its name, once per name.

use prost::Message as _;
use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::fields::{Fields, Malformed};
use crate::hlo::Programs;
use crate::leaves;
use crate::trace::Kind;
use crate::wire::tensorflow::profiler::{XEventMetadata, XStat, XStatMetadata, x_stat};

/// A profiler's output: leaf events and the operations they name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profile {
    /// `CPU:0`, `GPU:0`, …
    pub devices: Vec<String>,
    pub names: Vec<RawOp>,
    /// By device and lane, then in order of time; the events of one lane do not overlap.
    pub events: Vec<RawEvent>,
    /// What people should know about this profile.
    pub notes: Vec<String>,
}

/// An operation as the framework names it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RawOp {
    /// `StatefulPartitionedCall/bert_1/encoder_1/layer_0_1/…/BiasAdd`
    pub raw_name: String,
    /// Its type, `_MklNativeFusedMatMul`; empty where unknown.
    pub kind: String,
    /// Floating-point operations of one execution.
    pub flops: Option<f64>,
    /// Executed by the threads of the input pipeline.
    pub pipeline: bool,
}

/// One execution of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawEvent {
    /// Index into [`Profile::names`].
    pub name: u32,
    /// Index into [`Profile::devices`].
    pub device: u16,
    /// Thread or stream, unique within the device.
    pub lane: u32,
    pub kind: Kind,
    /// CLOCK_REALTIME
    pub start_ns: i64,
    /// CLOCK_REALTIME
    pub end_ns: i64,
    /// Ties a kernel to its launch.
    pub correlation: Option<u64>,
}

impl From<Malformed> for Error {
    fn from(Malformed: Malformed) -> Self {
        Self::Undecodable { what: "the profile (XSpace)", problem: "it ends early, or is no XSpace".into() }
    }
}

/// Decodes the bytes of an XSpace.
///
/// # Errors
///
/// [`Error::Undecodable`] where the bytes are no XSpace or a part of one. Memory is bounded by some 30 times the bytes'
/// length, whatever they hold.
pub fn decode(bytes: &[u8]) -> Result<Profile> {
    let mut profile = Profile::default();
    let mut planes = Vec::new();
    let mut space = Fields::of(bytes);
    while let Some((number, value)) = space.next_field()? {
        match (number, value.bytes()) {
            (1, Some(plane)) => planes.push(Plane::scan(plane)?),
            (2, Some(error)) => profile.notes.push(format!("the profiler reports: {}", String::from_utf8_lossy(error))),
            _ => {}
        }
    }
    let session_ns = planes.iter().find_map(Plane::session_start_ns);
    if session_ns.is_none() && planes.iter().any(|plane| !plane.lines.is_empty()) {
        profile.notes.push("the profile does not say when it started; its times are taken as absolute".into());
    }
    let mut programs = Programs::default();
    for plane in planes.iter().filter(|plane| plane.name == "/host:metadata") {
        plane.programs(&mut programs, &mut profile.notes);
    }
    for plane in &planes {
        let Some(device) = plane.device() else { continue };
        let device = index_of(&mut profile.devices, device);
        Decoder::new(plane, &programs, session_ns.unwrap_or(0), device).run(&mut profile)?;
    }
    Ok(profile)
}

fn index_of(devices: &mut Vec<String>, device: String) -> u16 {
    let index = devices.iter().position(|known| *known == device).unwrap_or_else(|| {
        devices.push(device);
        devices.len() - 1
    });
    // `Plane::device` names at most 1,000 devices.
    u16::try_from(index).unwrap_or(u16::MAX)
}

/// A plane with its lines still serialised: their events name metadata that comes after them.
struct Plane<'a> {
    name: &'a str,
    lines: Vec<&'a [u8]>,
    events: FxHashMap<i64, XEventMetadata>,
    stats: FxHashMap<i64, String>,
    facts: Vec<XStat>,
}

impl<'a> Plane<'a> {
    fn scan(plane: &'a [u8]) -> Result<Self, Malformed> {
        let mut scanned = Self {
            name: "",
            lines: Vec::new(),
            events: FxHashMap::default(),
            stats: FxHashMap::default(),
            facts: Vec::new(),
        };
        let mut fields = Fields::of(plane);
        while let Some((number, value)) = fields.next_field()? {
            let Some(bytes) = value.bytes() else { continue };
            match number {
                2 => scanned.name = value.text().unwrap_or(""),
                3 => scanned.lines.push(bytes),
                4 => {
                    if let Some((id, metadata)) = entry::<XEventMetadata>(bytes)? {
                        scanned.events.insert(id, metadata);
                    }
                }
                5 => {
                    if let Some((id, metadata)) = entry::<XStatMetadata>(bytes)? {
                        scanned.stats.insert(id, metadata.name);
                    }
                }
                6 => scanned.facts.push(XStat::decode(bytes).map_err(|_| Malformed)?),
                _ => {}
            }
        }
        Ok(scanned)
    }

    fn session_start_ns(&self) -> Option<i64> {
        let fact = |stat: &XStat| self.stats.get(&stat.metadata_id).is_some_and(|name| name == "profile_start_time");
        match self.facts.iter().find(|stat| fact(stat))?.value {
            Some(x_stat::Value::Uint64Value(start)) => i64::try_from(start).ok(),
            Some(x_stat::Value::Int64Value(start)) => Some(start),
            _ => None,
        }
    }

    /// The device whose work this plane holds. Every CPU of TensorFlow's is `CPU:0`.
    fn device(&self) -> Option<String> {
        if self.name == "/host:CPU" {
            return Some("CPU:0".into());
        }
        let number: u16 = self.name.strip_prefix("/device:GPU:")?.split(' ').next()?.parse().ok()?;
        (number < 999).then(|| format!("GPU:{number}"))
    }

    fn programs(&self, programs: &mut Programs, notes: &mut Vec<String>) {
        for (&id, metadata) in &self.events {
            for stat in &metadata.stats {
                if let Some(x_stat::Value::BytesValue(program)) = &stat.value
                    && !programs.add(id.cast_unsigned(), program)
                {
                    notes.push(format!("the compiled program {} could not be decoded", metadata.name));
                }
            }
        }
    }

    fn stat_named(&self, name: &str) -> Option<i64> {
        self.stats.iter().find(|(_, known)| *known == name).map(|(&id, _)| id)
    }
}

/// An entry of a map from int64 to a message.
fn entry<M: prost::Message + Default>(bytes: &[u8]) -> Result<Option<(i64, M)>, Malformed> {
    let (mut key, mut message) = (0, None);
    let mut fields = Fields::of(bytes);
    while let Some((number, value)) = fields.next_field()? {
        match number {
            1 => key = value.int().ok_or(Malformed)?,
            2 => message = Some(M::decode(value.bytes().ok_or(Malformed)?).map_err(|_| Malformed)?),
            _ => {}
        }
    }
    Ok(message.map(|message| (key, message)))
}

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

struct Decoder<'a> {
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
    fn new(plane: &'a Plane<'a>, programs: &'a Programs, session_ns: i64, device: u16) -> Self {
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

    fn run(mut self, profile: &mut Profile) -> Result<(), Malformed> {
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
            RawOp { raw_name: raw_name.into(), ..RawOp::default() }
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

/// `<node>:<type>`, or an operation that Python ran eagerly, which has no place in a graph.
fn operation(title: &str) -> Option<(&str, &str)> {
    if let Some(kind) = title.strip_prefix("EagerLocalExecute: ") {
        return (!kind.starts_with("__") && is_type(kind) && !contains_others(kind)).then_some((kind, kind));
    }
    let (name, kind) = title.split_once(':')?;
    let named = !name.is_empty() && !name.contains(' ');
    (named && is_type(kind) && !contains_others(kind)).then_some((name, kind))
}

fn is_type(kind: &str) -> bool {
    kind.starts_with(|first: char| first.is_ascii_uppercase() || first == '_')
        && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'>')
}

/// Operations that run other operations: their time is their content's.
pub(crate) fn contains_others(kind: &str) -> bool {
    const CONTAINERS: [&str; 16] = [
        "PartitionedCall",
        "StatefulPartitionedCall",
        "TPUPartitionedCall",
        "RemoteCall",
        "SymbolicGradient",
        "While",
        "StatelessWhile",
        "_While",
        "If",
        "StatelessIf",
        "_If",
        "Case",
        "StatelessCase",
        "For",
        "_XlaRun",
        "XlaLaunch",
    ];
    CONTAINERS.contains(&kind)
}
