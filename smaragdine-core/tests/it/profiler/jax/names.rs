//! The forms that JAX's names take, by library, transformation and version.

use smaragdine_core::profiler::jax::{Name, Pass, is_traced};

/// pass, scopes, operation
fn said(op_name: &str) -> String {
    let name = Name::of(op_name);
    let pass = match name.pass {
        Pass::Forward => "forward",
        Pass::Backward => "backward",
        Pass::Outside => "outside",
    };
    format!("{pass} {} {}", name.scopes.join("/"), name.operation)
}

#[test]
fn modules_of_every_library_are_found_in_both_passes() {
    for (op_name, expected) in [
        ("jit(step)/jvp(Bert)/encoder/layer_0/up/dot_general", "forward Bert/encoder/layer_0/up dot_general"),
        ("jit(step)/transpose(jvp(Bert))/encoder/up/transpose", "backward Bert/encoder/up transpose"),
        // JAX 0.4.35 has one segment more.
        ("jit(step)/jit(main)/jvp(layer_0)/query/dot_general", "forward layer_0/query dot_general"),
        // Haiku
        ("jit(step)/transpose(jvp(mlp/~/linear_0))/dot_general", "backward mlp/linear_0 dot_general"),
        // Equinox alone, and with scopes around it
        ("jit(step)/jvp(vmap(eqx.nn.MLP))/eqx.nn.Linear/dot_general", "forward eqx.nn.MLP/eqx.nn.Linear dot_general"),
        ("jit(step)/jvp(vmap(EM))/blocks/0/up/eqx.nn.Linear/dot_general", "forward EM/blocks/0/up dot_general"),
        ("pmap(<unnamed wrapped function>)/jit(main)/jvp(Mlp)/up/dot_general", "forward Mlp/up dot_general"),
        ("pmap(step)/jit(main)/psum", "outside  psum"),
        ("jit(step)/jvp()/exp", "forward  exp"),
        ("jit(step)/transpose(jvp())/mul", "backward  mul"),
        ("jit(step)/mul", "outside  mul"),
        // A method of Flax's that is not the module's call
        ("jit(step)/jvp(Net)/lstm/while/body/closed_call/cell.scan_fn/cell/tanh", "forward Net/lstm/cell tanh"),
        ("jit(step)/jvp(Net)/vae.decode/out/add", "forward Net/vae/out add"),
    ] {
        assert_eq!(said(op_name), expected, "{op_name}");
    }
}

#[test]
fn transformations_and_control_flow_are_no_scopes() {
    for (op_name, expected) in [
        ("jit(step)/while/body/eval_jaxpr/jvp(Bert)/layers/up/dot_general", "forward Bert/layers/up dot_general"),
        ("jit(step)/jvp(while)/body/layers/up/dot_general", "forward layers/up dot_general"),
        ("jit(step)/while/cond/lt", "outside  lt"),
        ("jit(step)/jvp(Net)/cond/branch_1_fun/left/mul", "forward Net/left mul"),
        ("jit(step)/jvp(Net)/jit(gelu)/tanh", "forward Net tanh"),
        ("jit(step)/jvp(jit(inner))/Net/sin", "forward Net sin"),
        ("jit(step)/shard_map/jvp(net)/up/dot_general", "forward net/up dot_general"),
        ("jit(step)/transpose(jvp(net))/cv_bwd/mul", "backward net/cv_bwd mul"),
        ("jit(step)/jvp(Net)/custom_vjp_call/up/mul", "forward Net/up mul"),
        ("jit(step)/jvp(vmap(blk))/attention/...qhd,...khd->...hqk/dot_general", "forward blk/attention dot_general"),
        ("jit(step)/transpose(jvp(jvp()))/checkpoint/rematted_computation/Bert/up/tanh", "backward Bert/up tanh"),
        (
            "jit(step)/transpose(jvp(Bert))/encoder/jvp(Bert)/encoder/checkpoint/rematted_computation/layer_0/mul",
            "backward Bert/encoder/layer_0 mul",
        ),
        ("transpose;jit(step)/transpose(jvp(Bert))/up/transpose", "backward Bert/up transpose"),
        ("jit(step)/jvp(Net)/a/add;jit(step)/jvp(Net)/b/mul", "forward Net/a add"),
        ("jit(step)/jvp(Net)/drop/jit(_bernoulli)/jit(_uniform)/while/copy", "forward Net/drop copy"),
        ("jit(step)/jvp(Net)/drop/jit(_threefry_fold_in)/Dropout.__call__/while", "forward Net/drop while"),
        ("jit(step)/transpose(jvp(Net))/drop/jit(f)/Dropout.__call__/while/body/xor", "backward Net/drop xor"),
        ("jit(step)/jvp(Net)/drop/jit(_threefry_fold_in)/make.<locals>.step/while/body/xor", "forward Net/drop xor"),
        // A loop as such is an operation of the scope around it.
        ("jit(step)/jvp(Net)/lstm/while", "forward Net/lstm while"),
    ] {
        assert_eq!(said(op_name), expected, "{op_name}");
    }
}

#[test]
fn what_xla_combined_is_of_whatever_its_parts_have_in_common() {
    for (op_name, expected) in [
        (
            "jit(step)/(transpose(jvp(Net))/a/reduce_sum:transpose(jvp(Net))/b/dot_general:jvp()/reduce_sum)",
            "backward Net ",
        ),
        ("jit(step)/shard_map/(psum_invariant:transpose(jvp(Net))/a/b/psum_invariant)", "backward Net/a/b "),
        ("jit(step)/(jvp(Net)/a/all_gather:jvp(Net)/a/c/all_gather)", "forward Net/a "),
        ("jit(step)/(transpose(jvp())/psum:transpose(jvp(jit(f)))/psum)", "backward  "),
        ("jit(step)/(psum:psum)", "outside  "),
        // Cut off
        ("jit(step)/(transpose(jvp(Net))/a/psum:transpose(jvp(Net", "backward Net/a "),
    ] {
        assert_eq!(said(op_name), expected, "{op_name}");
    }
}

#[test]
fn modules_that_are_called_as_control_flow_is_keep_their_names() {
    assert_eq!(said("jit(step)/jvp(Car)/body/dot_general"), "forward Car/body dot_general");
    assert_eq!(said("jit(step)/jvp(Net)/cond/dense/mul"), "forward Net/cond/dense mul");
    assert_eq!(said("jit(step)/jvp(Net)/while/body/body/mul"), "forward Net/body mul");
}

#[test]
fn names_of_other_frameworks_and_of_arguments_are_none_of_jaxs() {
    assert!(is_traced("jit(step)/jvp(Bert)/mul") && is_traced("transpose;jit(step)/mul"));
    for other in ["", "XLA_Args", "bert_1/encoder_1/MatMul", "p['params']['kernel']", "gradient_tape/jit/MatMul"] {
        assert!(!is_traced(other), "{other}");
    }
    // Whatever comes is taken apart without harm.
    for odd in ["jit(", "jit()/", "jit(a)/jvp(((/)", "jit(a)/)(/x", "jit(a)//", "jit(ä)/ö(ü)/…"] {
        let _ = said(odd);
    }
}
