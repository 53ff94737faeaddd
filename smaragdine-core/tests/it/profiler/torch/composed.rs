//! Kineto's text, composed by hand in the form that its versions write.

use std::fmt::Write as _;

use smaragdine_core::profiler::Profile;
use smaragdine_core::profiler::torch::decode;

/// An instant of 2026, CLOCK_REALTIME; half of it stands as the base.
pub(crate) const START_NS: i64 = 1_790_000_000_000_000_000;
pub(crate) const BASE_NS: i64 = 1_700_000_000_000_000_000;

/// In the order in which fields stand, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// The base before the events, as 2.15 has it.
    Newest,
    /// The base behind the events, and arguments first.
    Oldest,
    /// Stamps in quotes.
    Quoted,
}

/// A trace whose events are added one by one; stamps are nanoseconds from its start.
pub(crate) struct Trace {
    form: Form,
    events: Vec<String>,
}

impl Trace {
    pub(crate) fn new(form: Form) -> Self {
        Self { form, events: Vec::new() }
    }

    pub(crate) fn event(&mut self, cat: &str, name: &str, thread: u32, (start, end): (i64, i64), args: &str) {
        let micros = |ns: i64| format!("{}.{:03}", ns / 1000, ns % 1000);
        let (ts, dur) = (micros(START_NS - BASE_NS + start), micros(end - start));
        let name = name.replace('"', "\\\"");
        let event = match self.form {
            Form::Newest => format!(
                "\"ph\": \"X\", \"cat\": \"{cat}\", \"name\": \"{name}\", \"pid\": 7, \"tid\": {thread},\n\
                 \"ts\": {ts}, \"dur\": {dur},\n\"args\": {{ {args} }}"
            ),
            Form::Oldest => format!(
                "\"args\": {{ {args} }}, \"dur\": {dur}, \"ts\": {ts}, \"tid\": {thread}, \"pid\": 7, \
                 \"name\": \"{name}\", \"cat\": \"{cat}\", \"ph\": \"X\""
            ),
            Form::Quoted => format!(
                "\"ph\": \"X\", \"cat\": \"{cat}\", \"name\": \"{name}\", \"pid\": \"7\", \"tid\": \"{thread}\", \
                 \"ts\": \"{ts}\", \"dur\": \"{dur}\", \"args\": {{ {args} }}"
            ),
        };
        self.events.push(format!("{{ {event} }}"));
    }

    /// An operation on the CPU.
    pub(crate) fn op(&mut self, name: &str, span: (i64, i64)) {
        self.event("cpu_op", name, 1, span, "\"External id\": 1");
    }

    /// One that makes a node of autograd's, or (`runs`) runs one.
    pub(crate) fn with_node(&mut self, name: &str, span: (i64, i64), sequence: u64, runs: bool) {
        let args = format!("\"Sequence number\": {sequence}, \"Fwd thread id\": {}", u8::from(runs));
        self.event("cpu_op", name, 1, span, &args);
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::from("{ \"schemaVersion\": 1, ");
        let base = format!("\"baseTimeNanoseconds\": {BASE_NS}");
        if self.form != Form::Oldest {
            let _ = write!(text, "{base}, ");
        }
        let _ = write!(text, "\"traceEvents\": [\n{}\n]", self.events.join(",\n"));
        if self.form == Form::Oldest {
            let _ = write!(text, ", {base}");
        }
        text.push('}');
        text
    }

    pub(crate) fn decoded(&self) -> Profile {
        decode(self.text().as_bytes()).unwrap()
    }
}

/// Every operation with its device, phase and layer, and its time, in order of time.
pub(crate) fn told(profile: &Profile) -> Vec<String> {
    let line = |event: &smaragdine_core::profiler::RawEvent| {
        let op = profile.names[event.name as usize].as_told().unwrap();
        let device = &profile.devices[usize::from(event.device)];
        format!(
            "{device} {} {} {} | {} {}..{}",
            event.kind.name(),
            op.phase.name(),
            op.layer,
            op.qtn,
            event.start_ns - START_NS,
            event.end_ns - START_NS
        )
    };
    profile.events.iter().map(line).collect()
}
