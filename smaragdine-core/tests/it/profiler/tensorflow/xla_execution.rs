//! How XLA executes: loops, tasks on other threads, and programs that are broken or absurd.

use crate::composed::{
    Plane, calling, computation, decoded, dot, executed, executes, fusion, id, instruction, looped, program, space,
    told,
};
use proptest::prelude::*;
use smaragdine_core::accounting::alignment::Aligner;
use smaragdine_core::profiler::tensorflow::xplane::decode;
use smaragdine_core::trace::{Event, Kind};
use smaragdine_core::wire::xla::HloProto;

#[test]
fn a_loop_is_not_counted_beside_its_body_on_whichever_thread_that_runs() {
    let host = Plane::new("/host:CPU")
        .line("tf_Compute/1")
        .event("while.3", 0, 900, &executes("while.3"))
        .event("ThunkExecutor::Execute", 100, 300, &[])
        .event("add.1", 110, 290, &executes("add.1"))
        .event("end: while.3", 900, 901, &[])
        .line("tf_numa_-1_Eigen/2")
        .event("ThunkExecutor::Execute", 300, 700, &[])
        .event("add.1", 350, 600, &executes("add.1"));
    let profile = decoded(vec![host, Plane::of_programs(&[(7, program(looped()))])]);
    assert_eq!(told(&profile), [("m/while/body/Add", 0, 110, 290), ("m/while/body/Add", 1, 350, 600)]);
}

#[test]
fn a_loop_of_a_program_that_is_missing_is_no_work_and_an_instruction_has_its_own_name() {
    let host = Plane::new("/host:CPU").line("tf_Compute/1").event("while.3", 0, 900, &executes("while.3")).event(
        "copy.4",
        100,
        200,
        &executes("copy.4"),
    );
    let profile = decoded(vec![host]);
    assert_eq!(told(&profile), [("copy.4", 0, 100, 200)]);
    assert_eq!(profile.names.last().map(|op| op.kind.as_str()), Some("copy"));
}

#[test]
fn tasks_on_other_threads_belong_to_the_instruction_that_scheduled_them_until_it_is_done() {
    let [hlo_op, program_id] = executes("add.1");
    let entry = vec![computation(1, vec![instruction(1, "add", "m/a/Add", &[8], &[])])];
    let host = Plane::new("/host:CPU")
        .line("tf_Compute/1")
        .event("add.1", 0, 100, &[hlo_op, program_id, id("_p", 40)])
        .event("ThreadpoolListener::Record", 10, 10, &[id("_p", 1)])
        // Scheduled by nobody's instruction.
        .event("ThreadpoolListener::Record", 150, 150, &[id("_p", 3)])
        .line("tf_numa_-1_Eigen/2")
        .event("ThreadpoolListener::StartRegion", 50, 50, &[id("_c", 1)])
        .event("ThreadpoolListener::Record", 60, 60, &[id("_p", 2)])
        .event("ThreadpoolListener::StopRegion", 200, 200, &[])
        .event("ThreadpoolListener::StartRegion", 600, 600, &[id("_c", 3)])
        .event("ThreadpoolListener::StopRegion", 700, 700, &[])
        .line("tf_numa_-1_Eigen/3")
        .event("ThreadpoolListener::StartRegion", 80, 80, &[id("_c", 2)])
        .event("end: add.1", 300, 301, &[id("_c", 40)])
        // The thread goes on with what comes next.
        .event("ThunkExecutor::Execute", 310, 500, &[])
        .event("copy.9", 320, 400, &executes("copy.9"))
        .event("ThreadpoolListener::StopRegion", 510, 510, &[])
        // Never seen to end.
        .event("ThreadpoolListener::StartRegion", 800, 800, &[id("_c", 2)]);
    let profile = decoded(vec![host, Plane::of_programs(&[(7, program(entry))])]);
    let expected = [("m/a/Add", 0, 0, 100), ("m/a/Add", 1, 50, 200), ("m/a/Add", 2, 80, 300), ("copy.9", 2, 320, 400)];
    assert_eq!(told(&profile), expected);
    let correlations: Vec<_> = profile.events.iter().map(|event| event.correlation).collect();
    assert_eq!(correlations[..3], [Some(40); 3], "one execution");
    assert_ne!(correlations[3], Some(40));
}

#[test]
fn a_task_of_an_execution_without_an_id_lasts_until_it_ends() {
    let entry = vec![computation(1, vec![instruction(1, "add", "m/a/Add", &[8], &[])])];
    let host = Plane::new("/host:CPU")
        .line("tf_Compute/1")
        .event("add.1", 0, 100, &executes("add.1"))
        .event("ThreadpoolListener::Record", 10, 10, &[id("_p", 1)])
        .line("tf_numa_-1_Eigen/2")
        .event("ThreadpoolListener::StartRegion", 50, 50, &[id("_c", 1)])
        .event("ThreadpoolListener::StopRegion", 200, 200, &[]);
    let profile = decoded(vec![host, Plane::of_programs(&[(7, program(entry))])]);
    assert_eq!(told(&profile), [("m/a/Add", 0, 0, 100), ("m/a/Add", 1, 50, 200)]);
}

#[test]
fn the_executor_is_no_work_of_the_task_that_it_runs_in() {
    let [hlo_op, program_id] = executes("add.1");
    let entry = vec![computation(1, vec![instruction(1, "add", "m/a/Add", &[8], &[])])];
    let host = Plane::new("/host:CPU")
        .line("tf_Compute/1")
        .event("add.1", 0, 100, &[hlo_op, program_id, id("_p", 40)])
        .event("ThreadpoolListener::Record", 10, 10, &[id("_p", 1)])
        .line("tf_numa_-1_Eigen/2")
        .event("ThreadpoolListener::StartRegion", 50, 50, &[id("_c", 1)])
        .event("ThunkExecutor::Execute", 60, 190, &[])
        .event("ThreadpoolListener::Record", 70, 70, &[id("_p", 2)])
        .event("ThreadpoolListener::StopRegion", 200, 200, &[])
        .event("ThreadpoolListener::StartRegion", 300, 300, &[id("_c", 2)])
        .event("ThreadpoolListener::StopRegion", 400, 400, &[]);
    let profile = decoded(vec![host, Plane::of_programs(&[(7, program(entry))])]);
    assert_eq!(told(&profile), [("m/a/Add", 0, 0, 100), ("m/a/Add", 1, 50, 60), ("m/a/Add", 1, 190, 200)]);
}

#[test]
fn a_program_that_is_none_is_told_and_its_instructions_keep_their_names() {
    let bytes = {
        let host = Plane::new("/host:CPU").line("tf_Compute/1").event("copy.4", 0, 10, &executes("copy.4"));
        let broken = HloProto { hlo_module: Some(Default::default()) };
        let mut bytes = space(vec![host, Plane::of_programs(&[(7, broken)])], &[]);
        // The module's length leads beyond the program's end.
        let module = broken_module(&bytes);
        bytes[module + 1] = 9;
        bytes
    };
    let profile = decode(&bytes).unwrap();
    assert_eq!(told(&profile), [("copy.4", 0, 0, 10)]);
    assert!(profile.notes.iter().any(|note| note.contains("could not be decoded")), "{:?}", profile.notes);
}

/// Where the empty module of the only program lies: field 1 of the `HloProto` in field 6 of a stat.
fn broken_module(bytes: &[u8]) -> usize {
    bytes.windows(4).position(|window| window == [0x32, 2, 0x0a, 0]).expect("the program is there") + 2
}

#[test]
fn programs_that_call_themselves_or_have_absurd_shapes_are_executed_all_the_same() {
    let mut cyclic = vec![calling(1, "fusion", "", &[8], &[2], 1), calling(2, "fusion", "", &[8], &[1], 2)];
    cyclic.push(calling(3, "call", "m/a/Call", &[8], &[3], 1));
    cyclic.push(calling(4, "while", "", &[8], &[4], 3));
    let absurd = vec![
        instruction(11, "add", "m/a/Add", &[i64::MAX, i64::MAX], &[]),
        instruction(12, "negate", "m/b/Neg", &[-1], &[11]),
        dot(13, "m/c/MatMul", &[i64::MAX], &[99, 98]),
        instruction(14, "convolution", "m/d/Conv", &[3], &[14, 14]),
        instruction(15, "reduce-window", "m/e/Pool", &[1 << 40, 1 << 12], &[]),
        instruction(16, "exponential", "m/f/Exp", &[1 << 40, 1 << 13], &[]),
        instruction(17, "divide", "m/f/Div", &[1 << 40, 1 << 13], &[16]),
    ];
    let computations = vec![computation(1, cyclic), computation(2, absurd)];
    let names = ["fusion.1", "fusion.2", "call.3", "while.4", "add.11", "dot.13"];
    let profile = executed(computations, &names);
    assert!(profile.events.iter().all(|event| event.end_ns >= event.start_ns));
}

#[test]
fn a_small_profile_does_not_make_a_large_one() {
    let members: Vec<_> = (1..2_000).map(|id| instruction(id, "add", &format!("m/{id}"), &[1], &[])).collect();
    let mut computations = fusion(members);
    computations[1].instructions[0].id = 9_000;
    let executions = vec!["fusion.90"; 4_000];
    let mut host = Plane::new("/host:CPU").line("tf_Compute/1");
    for (start_ns, name) in (0..).step_by(10).zip(&executions) {
        host = host.event(name, start_ns, start_ns + 10, &executes(name));
    }
    let bytes = space(vec![host, Plane::of_programs(&[(7, program(computations))])], &[]);
    let profile = decode(&bytes).unwrap();
    assert!(profile.events.len() < bytes.len(), "{} events of {} bytes", profile.events.len(), bytes.len());
    assert_eq!(profile.events.iter().map(|event| event.end_ns - event.start_ns).sum::<i64>(), 40_000);
    assert!(profile.notes.iter().any(|note| note.contains("heaviest")), "{:?}", profile.notes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_pieces_of_an_execution_follow_each_other_and_add_up_to_it(
        shapes in proptest::collection::vec((0_i64..5_000, 0_i64..5), 1..12),
        length in 0_i64..3_000,
    ) {
        let members = (1..).zip(&shapes);
        let members = members.map(|(id, (size, name))| instruction(id, "add", &format!("m/{name}/Add"), &[*size], &[]));
        let host = Plane::new("/host:CPU").line("t").event("fusion.90", 5, 5 + length, &executes("fusion.90"));
        let profile = decoded(vec![host, Plane::of_programs(&[(7, program(fusion(members.collect())))])]);
        let pieces = told(&profile);
        prop_assert_eq!(pieces.first().map(|piece| piece.2), Some(5));
        prop_assert_eq!(pieces.last().map(|piece| piece.3), Some(5 + length));
        prop_assert!(pieces.windows(2).all(|pair| pair[0].3 == pair[1].2));
        let whole: i64 = shapes.iter().map(|(size, _)| size).sum();
        for (name, _, start_ns, end_ns) in pieces.iter().filter(|_| whole > 0) {
            let own = shapes.iter().filter(|(_, number)| *name == format!("m/{number}/Add"));
            let share = length as f64 * own.map(|(size, _)| *size as f64).sum::<f64>() / whole as f64;
            prop_assert!(((end_ns - start_ns) as f64 - share).abs() <= 1.0, "{name} {share}");
        }
    }

    #[test]
    fn an_execution_draws_the_same_energy_whole_and_divided(
        sizes in proptest::collection::vec(1_i64..500, 2..9),
        others in proptest::collection::vec((0_i64..900, 1_i64..300), 0..6),
        watts in 1.0_f64..300.0,
    ) {
        let members = (1..).zip(&sizes).map(|(id, size)| instruction(id, "add", &format!("m/{id}/Add"), &[*size], &[]));
        let host = Plane::new("/host:CPU").line("t").event("fusion.90", 100, 800, &executes("fusion.90"));
        let profile = decoded(vec![host, Plane::of_programs(&[(7, program(fusion(members.collect())))])]);
        prop_assert_eq!(profile.events.len(), sizes.len());
        let event = |op, lane, start_ns, end_ns| {
            Event { op, device: 0, lane, kind: Kind::Compute, start_ns, end_ns, step: None, correlation: None }
        };
        let energy_j = |own: Vec<Event>| {
            let mut aligner = Aligner::new(1, 2);
            aligner.push_energy(0, 0, 1_500, watts * 1.5e-6);
            let others = others.iter().zip(1..).map(|(&(start, length), lane)| event(1, lane, start, start + length));
            own.into_iter().chain(others).for_each(|event| assert!(aligner.push_event(&event)));
            aligner.finish().energy_j(0, 0)
        };
        let pieces = told(&profile).into_iter().map(|(_, lane, start_ns, end_ns)| event(0, lane, start_ns, end_ns));
        let (divided_j, whole_j) = (energy_j(pieces.collect()), energy_j(vec![event(0, 0, 100, 800)]));
        prop_assert!((divided_j / whole_j - 1.0).abs() < 1e-12, "{divided_j} {whole_j}");
    }

    #[test]
    fn a_damaged_program_never_panics(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..60)
    ) {
        let mut computations = looped();
        computations.extend(fusion(vec![dot(31, "m/dense/MatMul", &[4, 5], &[31, 31])]));
        let mut host = Plane::new("/host:CPU").line("t");
        for name in ["fusion.90", "while.3", "add.1", "copy.77"] {
            host = host.event(name, 0, 50, &executes(name));
            host = host.event("ThreadpoolListener::Record", 10, 10, &[id("_p", 1)]);
        }
        let planes = || vec![Plane::of_programs(&[(7, program(computations.clone()))])];
        let mut bytes = space(planes(), &[]);
        bytes.extend(space(vec![host], &[]));
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Ok(profile) = decode(&bytes) {
            prop_assert!(profile.events.iter().all(|event| event.end_ns >= event.start_ns));
            prop_assert!(profile.events.iter().all(|event| (event.name as usize) < profile.names.len()));
        }
    }

    #[test]
    fn a_program_of_any_wiring_never_panics(
        wiring in proptest::collection::vec((0_usize..12, 0_i64..40, 0_i64..40, 0_i64..6, -3_i64..1 << 40), 1..60)
    ) {
        const OPCODES: [&str; 12] = [
            "fusion", "while", "call", "copy", "dot", "convolution", "reduce", "parameter", "tuple", "scatter", "add",
            "conditional",
        ];
        let computations: Vec<_> = wiring.chunks(10).zip(0..).map(|(instructions, own)| {
            let instructions = instructions.iter().zip(own * 10..).map(|(&(opcode, one, other, called, size), id)| {
                let name = if one % 2 == 0 { "" } else { "m/a/Op" };
                calling(id, OPCODES[opcode], name, &[size, size % 7], &[one, other], called)
            });
            computation(own, instructions.collect())
        }).collect();
        let instructions = computations.iter().flat_map(|computation| &computation.instructions);
        let names: Vec<String> = instructions.map(|instruction| instruction.name.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let profile = executed(computations, &names);
        prop_assert!(profile.events.iter().all(|event| event.end_ns >= event.start_ns));
    }
}
