//! Profiles composed as TensorFlow's profiler writes them, for what cannot be recorded here, or not exactly enough.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::HashMap;

use prost::Message as _;
use smaragdine_core::profiler::tensorflow::xplane::decode;
use smaragdine_core::profiler::{Profile, RawEvent, RawOp};
use smaragdine_core::wire::tensorflow::profiler::{
    XEvent, XEventMetadata, XLine, XPlane, XSpace, XStat, XStatMetadata, x_event, x_stat,
};
use smaragdine_core::wire::xla::{
    DotDimensionNumbers, HloComputationProto, HloInstructionProto, HloModuleProto, HloProto, OpMetadata, ShapeProto,
};

/// When composed sessions start, CLOCK_REALTIME.
pub(crate) const START_NS: i64 = 1_700_000_000_000_000_000;

/// xla.PrimitiveType
pub(crate) const F32: i32 = 11;
pub(crate) const S32: i32 = 4;

pub(crate) enum Stat<'a> {
    Number(u64),
    Real(f64),
    /// As a reference to the plane's texts, as the profiler writes what repeats.
    Text(&'a str),
}

pub(crate) struct Plane(XPlane);

impl Plane {
    pub(crate) fn new(name: &str) -> Self {
        Self(XPlane { name: name.into(), ..XPlane::default() })
    }

    /// Starts a line; the events that follow are its own, in nanoseconds since the session's start.
    pub(crate) fn line(mut self, name: &str) -> Self {
        let id = self.0.lines.len() as i64 + 1;
        self.0.lines.push(XLine { id, name: name.into(), ..XLine::default() });
        self
    }

    pub(crate) fn event(mut self, title: &str, start_ns: i64, end_ns: i64, stats: &[(&str, Stat)]) -> Self {
        let stats = stats.iter().map(|(name, stat)| {
            let value = match stat {
                Stat::Real(number) => x_stat::Value::DoubleValue(*number),
                Stat::Number(number) => x_stat::Value::Uint64Value(*number),
                Stat::Text(text) => x_stat::Value::RefValue(self.text(text).cast_unsigned()),
            };
            XStat { metadata_id: self.text(name), value: Some(value) }
        });
        let stats = stats.collect();
        let metadata_id = self.title(title);
        let data = Some(x_event::Data::OffsetPs(start_ns * 1000));
        let event = XEvent { metadata_id, data, duration_ps: (end_ns - start_ns) * 1000, stats };
        self.0.lines.last_mut().expect("a line was started").events.push(event);
        self
    }

    fn title(&mut self, title: &str) -> i64 {
        let known = self.0.event_metadata.values().find(|metadata| metadata.name == title).map(|metadata| metadata.id);
        known.unwrap_or_else(|| {
            let id = self.0.event_metadata.len() as i64 + 1;
            self.0.event_metadata.insert(id, XEventMetadata { id, name: title.into(), stats: Vec::new() });
            id
        })
    }

    fn text(&mut self, text: &str) -> i64 {
        let known = self.0.stat_metadata.values().find(|metadata| metadata.name == text).map(|metadata| metadata.id);
        known.unwrap_or_else(|| {
            let id = self.0.stat_metadata.len() as i64 + 1;
            self.0.stat_metadata.insert(id, XStatMetadata { id, name: text.into() });
            id
        })
    }

    /// The plane with compiled programs, by their ids.
    pub(crate) fn of_programs(programs: &[(i64, HloProto)]) -> Self {
        let mut plane = Self::new("/host:metadata");
        for (id, program) in programs {
            let value = Some(x_stat::Value::BytesValue(program.encode_to_vec()));
            let stats = vec![XStat { metadata_id: 1, value }];
            let name = program.hlo_module.as_ref().map_or(String::new(), |module| module.name.clone());
            plane.0.event_metadata.insert(*id, XEventMetadata { id: *id, name, stats });
        }
        plane
    }
}

/// The bytes of a session with these planes.
pub(crate) fn space(planes: Vec<Plane>, errors: &[&str]) -> Vec<u8> {
    let mut environment = Plane::new("Task Environment");
    let metadata_id = environment.text("profile_start_time");
    environment.0.stats = vec![XStat { metadata_id, value: Some(x_stat::Value::Uint64Value(START_NS as u64)) }];
    let planes = planes.into_iter().chain([environment]).map(|plane| plane.0).collect();
    let errors = errors.iter().map(|&error| error.into()).collect();
    XSpace { planes, errors, warnings: Vec::new() }.encode_to_vec()
}

pub(crate) fn decoded(planes: Vec<Plane>) -> Profile {
    decode(&space(planes, &[])).unwrap()
}

pub(crate) fn op<'a>(profile: &'a Profile, event: &RawEvent) -> &'a RawOp {
    &profile.names[event.name as usize]
}

/// Each event as (name of its operation, lane, start, end) since the session's start.
pub(crate) fn told(profile: &Profile) -> Vec<(&str, u32, i64, i64)> {
    let told = |event: &RawEvent| {
        let name = profile.names[event.name as usize].raw_name.as_str();
        (name, event.lane, event.start_ns - START_NS, event.end_ns - START_NS)
    };
    profile.events.iter().map(told).collect()
}

/// Floating-point operations by name, where one is known under one number.
pub(crate) fn flops(profile: &Profile) -> HashMap<&str, Option<f64>> {
    profile.names.iter().map(|op| (op.raw_name.as_str(), op.flops)).collect()
}

/// An instruction on floats, named `<opcode>.<id>`; `op_name` is empty for XLA's own.
pub(crate) fn instruction(
    id: i64,
    opcode: &str,
    op_name: &str,
    shape: &[i64],
    operands: &[i64],
) -> HloInstructionProto {
    let shape = ShapeProto { element_type: F32, dimensions: shape.to_vec(), tuple_shapes: Vec::new() };
    let op_type = op_name.rsplit('/').next().unwrap_or("").to_owned();
    HloInstructionProto {
        name: format!("{opcode}.{id}"),
        opcode: opcode.into(),
        shape: Some(shape),
        metadata: Some(OpMetadata { op_type, op_name: op_name.into() }),
        id,
        operand_ids: operands.to_vec(),
        ..HloInstructionProto::default()
    }
}

pub(crate) fn parameter(id: i64, number: i64, shape: &[i64]) -> HloInstructionProto {
    HloInstructionProto { parameter_number: number, ..instruction(id, "parameter", "XLA_Args", shape, &[]) }
}

/// An instruction that calls a computation.
pub(crate) fn calling(
    id: i64,
    opcode: &str,
    op_name: &str,
    shape: &[i64],
    operands: &[i64],
    computation: i64,
) -> HloInstructionProto {
    let called_computation_ids = vec![computation];
    HloInstructionProto { called_computation_ids, ..instruction(id, opcode, op_name, shape, operands) }
}

/// A computation whose last instruction is its root.
pub(crate) fn computation(id: i64, instructions: Vec<HloInstructionProto>) -> HloComputationProto {
    let root_id = instructions.last().map_or(0, |root| root.id);
    HloComputationProto { name: format!("computation.{id}"), instructions, id, root_id }
}

pub(crate) fn program(computations: Vec<HloComputationProto>) -> HloProto {
    HloProto { hlo_module: Some(HloModuleProto { name: "a_step".into(), computations }) }
}

/// An execution of an instruction of program 7.
pub(crate) fn executes(instruction: &str) -> [(&str, Stat<'_>); 2] {
    [("hlo_op", Stat::Text(instruction)), ("program_id", Stat::Number(7))]
}

/// Executions of instructions of one program on one thread, each 1,000 ns long and 1,000 ns after the other.
pub(crate) fn executed(computations: Vec<HloComputationProto>, instructions: &[&str]) -> Profile {
    let mut host = Plane::new("/host:CPU").line("tf_Compute/1");
    for (start_ns, instruction) in (0..).step_by(2_000).zip(instructions) {
        host = host.event(instruction, start_ns, start_ns + 1_000, &executes(instruction));
    }
    decoded(vec![host, Plane::of_programs(&[(7, program(computations))])])
}

pub(crate) fn fusion(members: Vec<HloInstructionProto>) -> Vec<HloComputationProto> {
    let entry = vec![calling(90, "fusion", "m/dense/Relu", &[4], &[], 1)];
    vec![computation(1, members), computation(2, entry)]
}

pub(crate) fn dot(id: i64, op_name: &str, shape: &[i64], operands: &[i64]) -> HloInstructionProto {
    let dot_dimension_numbers = Some(DotDimensionNumbers { lhs_contracting_dimensions: vec![1] });
    HloInstructionProto { dot_dimension_numbers, ..instruction(id, "dot", op_name, shape, operands) }
}

/// A loop whose body is one addition.
pub(crate) fn looped() -> Vec<HloComputationProto> {
    let body = vec![instruction(1, "add", "m/while/body/Add", &[8], &[])];
    vec![computation(1, body), computation(2, vec![calling(3, "while", "m/while", &[8], &[], 1)])]
}

pub(crate) fn id(name: &str, number: u64) -> (&str, Stat<'_>) {
    (name, Stat::Number(number))
}
