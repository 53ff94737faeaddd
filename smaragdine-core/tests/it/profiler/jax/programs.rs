//! A client sends a program once: further windows execute what an earlier one told.

use crate::composed::{Plane, computation, dot, executes, parameter, program, space};
use smaragdine_core::profiler::tensorflow::xplane::{Programs, decode_knowing};

const ALWAYS: std::ops::RangeInclusive<i64> = i64::MIN..=i64::MAX;

fn host() -> Plane {
    Plane::new("/host:CPU").line("tf_XLAEigen/1").event("dot.2", 0, 1_000, &executes("dot.2"))
}

fn told(name: &str) -> Plane {
    let entry = vec![parameter(1, 0, &[4, 4]), dot(2, name, &[4, 4], &[1, 1])];
    Plane::of_programs(&[(7, program(vec![computation(1, entry)]))])
}

fn raw_name(programs: &mut Programs, planes: Vec<Plane>) -> String {
    decode_knowing(&space(planes, &[]), &ALWAYS, programs).unwrap().names[0].raw_name.clone()
}

#[test]
fn a_program_is_known_in_later_windows_and_replaced_where_it_is_told_anew() {
    let mut programs = Programs::default();
    assert_eq!(raw_name(&mut programs, vec![host()]), "dot.2");
    assert_eq!(raw_name(&mut programs, vec![host(), told("jit(f)/jvp(A)/dot_general")]), "jit(f)/jvp(A)/dot_general");
    assert_eq!(raw_name(&mut programs, vec![host()]), "jit(f)/jvp(A)/dot_general");
    assert_eq!(raw_name(&mut programs, vec![host(), told("jit(f)/jvp(B)/dot_general")]), "jit(f)/jvp(B)/dot_general");
    assert_eq!(raw_name(&mut programs, vec![host()]), "jit(f)/jvp(B)/dot_general");
}

#[test]
fn a_window_that_is_no_xspace_takes_no_program_away() {
    let mut programs = Programs::default();
    raw_name(&mut programs, vec![host(), told("jit(f)/jvp(A)/dot_general")]);
    assert!(decode_knowing(&[0x0b, 0xff], &ALWAYS, &mut programs).is_err());
    assert_eq!(raw_name(&mut programs, vec![host()]), "jit(f)/jvp(A)/dot_general");
}
