//! A TPU's plane, composed from the profiler's schema: what its cores executed, and the energy that it measured.

use crate::composed::{Plane, Stat, computation, decoded, dot, id, parameter, program, told};

fn energy(energy_j: f64) -> [(&'static str, Stat<'static>); 2] {
    [("vdd_energy_j", Stat::Real(energy_j)), id("device_offset_ps", 0)]
}

#[test]
fn instructions_of_a_core_are_operations_and_other_lines_tell_the_same_time_anew() {
    let entry = vec![parameter(1, 0, &[4, 4]), dot(2, "jit(f)/jvp(A)/up/dot_general", &[4, 4], &[1, 1])];
    let plane = Plane::new("/device:TPU:0").line("Steps").event("1", 0, 100, &[]).line("XLA Ops");
    // The program is told by its id where the metadata has it, and here by none: it is known as 0.
    let plane = plane.event("%dot.2 = f32[4,4]{1,0} dot(f32[4,4] %p)", 10, 60, &[]);
    let profile = decoded(vec![plane, Plane::of_programs(&[(0, program(vec![computation(1, entry)]))])]);
    assert_eq!(profile.devices, ["TPU:0"]);
    assert_eq!(told(&profile), [("jit(f)/jvp(A)/up/dot_general", 1, 10, 60)]);
}

#[test]
fn measured_energy_is_that_of_events_that_hold_no_other() {
    let plane = Plane::new("/device:TPU:1").line("XLA Ops");
    let plane = plane.event("%while.1 = () while()", 0, 100, &energy(0.5));
    let plane = plane.event("%fusion.2 = f32[] fusion()", 0, 40, &energy(0.2));
    let plane = plane.event("%fusion.3 = f32[] fusion()", 60, 100, &energy(0.25));
    let plane = plane.event("%fusion.2 = f32[] fusion()", 120, 140, &energy(f64::NAN));
    let profile = decoded(vec![plane]);
    let start = crate::composed::START_NS;
    let drawn: Vec<_> =
        profile.drawn.iter().map(|one| (one.start_ns - start, one.end_ns - start, one.energy_j)).collect();
    assert_eq!(drawn, [(0, 40, 0.2), (60, 100, 0.25)]);
    assert_eq!(told(&profile), [("fusion.2", 0, 0, 40), ("fusion.3", 0, 60, 100), ("fusion.2", 0, 120, 140)]);
}
