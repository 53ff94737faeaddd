//! What a TensorFlow session told of a step (RunMetadata bytes) → leaf events.
//!
//! Node names are exact. The CPU's `thread_id` is always 0, so lanes are found by packing: an operation goes to the
//! lowest lane that is free when it starts. As many lanes are busy at each instant as operations run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::RangeInclusive;

use prost::Message as _;
use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::profiler::Shape;
use crate::profiler::tensorflow::graph::shape;
use crate::profiler::tensorflow::xplane::contains_others;
use crate::profiler::{Profile, RawEvent, RawOp};
use crate::span::Span;
use crate::trace::Kind;
use crate::wire::tensorflow::{NodeExecStats, RunMetadata};

/// A node with more results than this tells the shapes of the first.
const MOST_RESULTS: usize = 64;

/// Decodes the bytes of a RunMetadata.
///
/// # Errors
///
/// [`Error::Undecodable`] where the bytes are no RunMetadata.
pub fn decode(bytes: &[u8]) -> Result<Profile> {
    decode_within(bytes, &(i64::MIN..=i64::MAX))
}

/// Decodes the bytes of a RunMetadata, of which nothing can have happened but `within` these instants of
/// `CLOCK_REALTIME`; what did is left out.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_within(bytes: &[u8], within: &RangeInclusive<i64>) -> Result<Profile> {
    let metadata = RunMetadata::decode(bytes).map_err(|error| Error::Undecodable {
        what: "the step's statistics (RunMetadata)",
        problem: error.to_string(),
    })?;
    let mut profile = Profile::default();
    let mut names: FxHashMap<(String, String), u32> = FxHashMap::default();
    let mut lanes: FxHashMap<u16, u32> = FxHashMap::default();
    for stats in metadata.step_stats.unwrap_or_default().dev_stats {
        let Some(device) = device(&stats.device) else { continue };
        let index = profile.devices.iter().position(|known| *known == device).unwrap_or_else(|| {
            profile.devices.push(device);
            profile.devices.len() - 1
        });
        let Ok(index) = u16::try_from(index) else { continue };
        let mut events = Vec::with_capacity(stats.node_stats.len());
        for node in &stats.node_stats {
            let kind = kind(node);
            if matches!(node.node_name.as_str(), "_SOURCE" | "_SINK" | "") || contains_others(kind) {
                continue;
            }
            let name = *names.entry((node.node_name.clone(), kind.to_owned())).or_insert_with(|| {
                let (raw_name, kind) = (node.node_name.clone(), kind.to_owned());
                profile.shapes.push((raw_name.clone(), shapes(node)));
                profile.names.push(RawOp { raw_name, kind, ..RawOp::default() });
                (profile.names.len() - 1) as u32
            });
            let Span { start_ns, end_ns } = executed(node);
            if !(within.contains(&start_ns) && within.contains(&end_ns)) {
                profile.impossible += 1;
                continue;
            }
            let kind = activity(kind, &node.timeline_label);
            events.push(RawEvent { name, device: index, lane: 0, kind, start_ns, end_ns, correlation: None });
        }
        let first = lanes.entry(index).or_default();
        *first += pack(&mut events, *first);
        events.sort_by_key(|event| (event.lane, event.start_ns));
        profile.events.append(&mut events);
    }
    Ok(profile)
}

/// `CPU:0`, `GPU:1`; `None` where the device's work is told elsewhere.
fn device(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    if lower.contains("device:cpu") || lower.ends_with("/cpu:0") {
        return Some("CPU:0".into());
    }
    let (_, rest) = lower.split_once("gpu:")?;
    let (number, stream) = rest.split_once('/').unwrap_or((rest, ""));
    let number: u16 = number.parse().ok()?;
    // A GPU's own line tells when kernels were launched, `stream:all` repeats the others.
    (number < 999 && stream.starts_with("stream:") && stream != "stream:all").then(|| format!("GPU:{number}"))
}

/// The type, from `name = Type(inputs)`.
fn kind(node: &NodeExecStats) -> &str {
    let label = &node.timeline_label;
    let Some((_, rest)) = label.split_once(" = ") else { return "" };
    let end =
        rest.find(|part: char| !(part.is_ascii_alphanumeric() || part == '_' || part == '>')).unwrap_or(rest.len());
    &rest[..end]
}

/// Of the results, in order.
fn shapes(node: &NodeExecStats) -> Vec<Option<Shape>> {
    let mut shapes = Vec::new();
    for output in &node.output {
        // A node has a handful of results; a hostile number must not ask for more room than its message takes.
        let Some(slot) = usize::try_from(output.slot).ok().filter(|&slot| slot < MOST_RESULTS) else { continue };
        shapes.resize(shapes.len().max(slot + 1), None);
        shapes[slot] = output.tensor_description.as_ref().and_then(|tensor| shape(tensor.shape.as_ref()?));
    }
    shapes
}

/// Asynchronous operations are told from their start to their answer: they wait.
fn activity(kind: &str, label: &str) -> Kind {
    match kind {
        "_Recv" | "_HostRecv" | "Recv" | "IteratorGetNext" | "QueueDequeueV2" | "QueueDequeueManyV2" | "Barrier" => {
            Kind::Wait
        }
        _ if label.starts_with("MEMCPY") || label.contains("[Memcpy") => Kind::Copy,
        _ => Kind::Compute,
    }
}

/// When the operation itself ran, without being scheduled.
fn executed(node: &NodeExecStats) -> Span {
    let nanos = |nanos: i64, micros: i64| if nanos == 0 { micros.saturating_mul(1000) } else { nanos };
    let all_start = nanos(node.all_start_nanos, node.all_start_micros);
    let start = all_start.saturating_add(nanos(node.op_start_rel_nanos, node.op_start_rel_micros).max(0));
    let end = all_start.saturating_add(nanos(node.op_end_rel_nanos, node.op_end_rel_micros));
    Span::new(start, end.max(start))
}

/// Gives each event the lowest lane from `first` on that is free; returns the number of lanes.
fn pack(events: &mut [RawEvent], first: u32) -> u32 {
    events.sort_by_key(|event| (event.start_ns, event.end_ns));
    let mut free: BinaryHeap<Reverse<u32>> = BinaryHeap::new();
    let mut busy: BinaryHeap<Reverse<(i64, u32)>> = BinaryHeap::new();
    let mut lanes = 0;
    for event in events {
        while let Some(&Reverse((end_ns, lane))) = busy.peek()
            && end_ns <= event.start_ns
        {
            busy.pop();
            free.push(Reverse(lane));
        }
        let lane = free.pop().map_or_else(
            || {
                lanes += 1;
                lanes - 1
            },
            |Reverse(lane)| lane,
        );
        event.lane = first.saturating_add(lane);
        busy.push(Reverse((event.end_ns, lane)));
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tensorflow::{DeviceStepStats, StepStats};

    fn node(name: &str, label: &str, start: i64, end: i64) -> NodeExecStats {
        NodeExecStats {
            node_name: name.into(),
            timeline_label: label.into(),
            all_start_nanos: 1_700_000_000_000_000_000 + start,
            op_end_rel_nanos: end - start,
            ..NodeExecStats::default()
        }
    }

    fn decoded(device: &str, node_stats: Vec<NodeExecStats>) -> Profile {
        let stats = StepStats { dev_stats: vec![DeviceStepStats { device: device.into(), node_stats }] };
        decode(&RunMetadata { step_stats: Some(stats), ..RunMetadata::default() }.encode_to_vec()).unwrap()
    }

    #[test]
    fn operations_that_run_at_once_have_lanes_of_their_own() {
        let nodes = vec![
            node("_SOURCE", "_SOURCE = NoOp()", 0, 1),
            node("a", "a = MatMul(x, y)", 0, 10),
            node("b", "b = Relu(a)", 5, 12),
            node("c", "c = Add(a, b)", 10, 14),
        ];
        let profile = decoded("/job:localhost/replica:0/task:0/device:CPU:0", nodes);
        assert_eq!(profile.devices, ["CPU:0"]);
        let lanes: Vec<_> = profile
            .events
            .iter()
            .map(|event| (profile.names[event.name as usize].raw_name.as_str(), event.lane))
            .collect();
        assert_eq!(lanes, [("a", 0), ("c", 0), ("b", 1)]);
        assert_eq!(profile.names[0].kind, "MatMul");
    }

    #[test]
    fn launches_and_repeated_streams_of_a_gpu_are_left_out() {
        let nodes = || vec![node("a", "", 0, 10)];
        assert_eq!(decoded("/device:GPU:1/stream:3", nodes()).devices, ["GPU:1"]);
        assert!(decoded("/device:GPU:1", nodes()).events.is_empty());
        assert!(decoded("/device:GPU:1/stream:all", nodes()).events.is_empty());
    }

    #[test]
    fn asynchronous_operations_wait() {
        let profile = decoded("/device:CPU:0", vec![node("next", "next = IteratorGetNext(iterator)", 0, 10)]);
        assert_eq!(profile.events[0].kind, Kind::Wait);
    }
}
