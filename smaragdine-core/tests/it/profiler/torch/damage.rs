//! Profiles that nobody should save: cut, huge, of other times, with names of any kind.

use proptest::prelude::*;
use smaragdine_core::profiler::Profile;
use smaragdine_core::profiler::torch::{decode, decode_within};

use super::composed::{BASE_NS, Form, START_NS, Trace, told};

fn some() -> Trace {
    let mut trace = Trace::new(Form::Newest);
    trace.op("smaragdine:net", (0, 100));
    trace.op("aten::mm", (10, 90));
    trace
}

#[test]
fn a_cut_text_is_refused_wherever_it_is_cut() {
    let text = some().text();
    for length in 0..text.len() {
        let error = decode(&text.as_bytes()[..length]).unwrap_err();
        assert!(error.to_string().contains("Kineto JSON"), "{error}");
    }
    for other in ["", "\"x\"", "{}", "{\"traceEvents\": {}}", "7 ", "{\"traceEvents\": [}"] {
        assert!(decode(other.as_bytes()).is_err(), "{other}");
    }
    assert_eq!(decode(b"[1, 2, {}]").unwrap(), Profile::default());
}

#[test]
fn names_of_any_kind_stay_names() {
    let mut trace = Trace::new(Form::Newest);
    trace.op("smaragdine:a \"b\"/c\u{1}", (0, 100));
    trace.op("my op<int>\t\"x\"/y", (10, 90));
    let told = told(&trace.decoded());
    assert_eq!(told, ["CPU:0 compute forward a_\"b\"/c_ | a_\"b\"/c_/my_op<int>_\"x\"_y 10..90"]);
}

#[test]
fn what_cannot_have_happened_is_counted_and_takes_nothing_from_the_rest() {
    let text = some().text();
    let year = 365 * 86_400 * 1_000_000_000_i64;
    let within = START_NS - 1..=START_NS + 1000;
    let broken = [
        format!("\"ts\": {}.000, \"dur\": 5.000", (START_NS - BASE_NS) / 1000 + year / 1000),
        "\"ts\": 99999999999999999999, \"dur\": 5".to_owned(),
        format!("\"ts\": {}.000, \"dur\": -5.000", (START_NS - BASE_NS) / 1000),
        "\"ts\": \"soon\", \"dur\": 5".to_owned(),
        "\"dur\": 5".to_owned(),
    ];
    let whole = told(&decode_within(text.as_bytes(), &within).unwrap());
    for stamps in broken {
        let event = format!(
            "{{\"ph\": \"X\", \"cat\": \"cpu_op\", \"name\": \"aten::x\", \"pid\": 7, \"tid\": 1, {stamps}}},\n"
        );
        let text = text.replacen("[\n", &format!("[\n{event}"), 1);
        let profile = decode_within(text.as_bytes(), &within).unwrap();
        assert_eq!(profile.impossible, 1, "{stamps}");
        assert_eq!(told(&profile), whole, "{stamps}");
    }
}

#[test]
fn without_a_base_stamps_are_taken_as_they_are_and_this_is_said() {
    let text = some().text().replace("baseTimeNanoseconds", "other");
    let profile = decode(text.as_bytes()).unwrap();
    assert_eq!(profile.events[0].start_ns, START_NS - BASE_NS + 10);
    assert!(profile.notes[0].contains("does not say when it started"));
}

#[test]
fn a_million_threads_are_a_million_lanes() {
    let mut text = format!("{{\"baseTimeNanoseconds\": {BASE_NS}, \"traceEvents\": [");
    for thread in 0..1_000_000 {
        text.push_str(&format!(
            "{{\"ph\":\"X\",\"cat\":\"cpu_op\",\"name\":\"a\",\"pid\":1,\"tid\":{thread},\"ts\":1,\"dur\":1}},"
        ));
    }
    text.push_str("]}");
    let profile = decode(text.as_bytes()).unwrap();
    assert_eq!(profile.events.len(), 1_000_000);
    assert_eq!(profile.events[999_999].lane, 999_999);
}

#[test]
fn what_is_huge_within_a_text_is_passed_over() {
    let deep = format!("\"deep\": {}1{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let long = format!("\"long\": \"{}\"", "x".repeat(10_000_000));
    let dims = format!("\"Input Dims\": [[{}1]], \"Concrete Inputs\": [\"\"]", "1,".repeat(1_000_000));
    let number = format!("\"Sequence number\": {}", "9".repeat(1_000_000));
    for huge in [deep, long, dims, number] {
        let mut trace = some();
        trace.event("cpu_op", "aten::mm", 1, (20, 30), &huge);
        assert_eq!(told(&trace.decoded()).len(), 1, "{}", &huge[..20]);
    }
    let mut trace = some();
    trace.op(&"n".repeat(10_000_000), (20, 30));
    let profile = trace.decoded();
    assert!(profile.names.iter().all(|op| op.raw_name.len() + op.as_told().unwrap().qtn.len() < 1000));
}

#[test]
fn a_long_path_over_many_operations_does_not_multiply() {
    let mut trace = Trace::new(Form::Newest);
    trace.op(&format!("smaragdine:{}", "x/".repeat(50_000)), (0, 1_000_000));
    for number in 0..2000 {
        trace.op(&format!("aten::op{number}"), (number * 100, number * 100 + 50));
    }
    let text = trace.text();
    let profile = decode(text.as_bytes()).unwrap();
    let names: usize = profile.names.iter().map(|op| op.as_told().unwrap().qtn.len()).sum();
    assert!(names < 20 * text.len(), "{names} of {}", text.len());
}

proptest! {
    /// Each instant of a thread is one operation's at most, and each that an operation covers is one's.
    #[test]
    fn time_is_kept_whatever_nests(
        spans in proptest::collection::vec((0_i64..2000, 1_i64..500, 0_usize..6, 1_u32..3), 1..40),
    ) {
        const NAMES: [&str; 6] = [
            "aten::mm",
            "aten::view",
            "smaragdine:net",
            "autograd::engine::evaluate_function: MmBackward0",
            "Optimizer.step#SGD.step",
            "aten::add",
        ];
        let mut trace = Trace::new(Form::Newest);
        for &(start, length, name, thread) in &spans {
            trace.event("cpu_op", NAMES[name], thread, (start, start + length), "\"Sequence number\": 1");
        }
        let profile = trace.decoded();
        for lane in 0..3 {
            let mut events: Vec<_> = profile.events.iter().filter(|event| event.lane == lane).collect();
            prop_assert!(events.is_sorted_by_key(|event| event.start_ns));
            events.sort_by_key(|event| (event.start_ns, event.end_ns));
            for pair in events.windows(2) {
                prop_assert!(pair[0].end_ns <= pair[1].start_ns, "{:?}", pair);
            }
        }
        for thread in 1..3 {
            // Where nothing but operations run on a thread, each covered instant is counted once.
            let own: Vec<_> = spans.iter().filter(|span| span.3 == thread).collect();
            if own.iter().any(|span| matches!(span.2, 2 | 4)) {
                continue;
            }
            let mut covered = vec![false; 3000];
            for &&(start, length, ..) in &own {
                covered[start as usize..(start + length) as usize].fill(true);
            }
            let lane = (own.first().map(|first| first.3), spans.first().map(|first| first.3));
            let number = u32::from(lane.0 != lane.1);
            let told: i64 = profile
                .events
                .iter()
                .filter(|event| event.lane == number)
                .map(|event| event.end_ns - event.start_ns)
                .sum();
            if !own.is_empty() {
                prop_assert_eq!(told, covered.iter().filter(|covered| **covered).count() as i64);
            }
        }
    }
}
