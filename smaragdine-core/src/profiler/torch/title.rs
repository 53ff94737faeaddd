//! What a name says: marks that tell whose work is, and what operations are called.

use super::json::unescaped;

/// Of names and paths, so that many short events under one long name stay a small profile.
const LONGEST_NAME: usize = 200;
const LONGEST_PATH: usize = 500;

/// Ours, written by the class patch around each module's call.
const MODULE: &[u8] = b"smaragdine:";
/// Ours, of a module that is outside the model.
const OUTSIDE: u8 = b'?';
/// Ours, of the one model that the program named: no call.
const WHOLE: u8 = b'=';
/// What was compiled as one function of autograd's: it has a backward pass, as no optimizer has.
const COMPILED: &[u8] = b"CompiledFunction";
const EVALUATES: &[u8] = b"autograd::engine::evaluate_function: ";
const STEPS: &[u8] = b"Optimizer.step#";
const CLEARS: &[u8] = b"Optimizer.zero_grad#";
const LOADS: &[u8] = b"enumerate(DataLoader)#";
/// Of processes that work together: calls, and parts of what keeps a model in pieces.
const CALLS: [&[u8]; 8] = [
    b"c10d::",
    b"_c10d_functional::",
    b"c10d_functional::",
    b"fsdp::",
    b"nccl:",
    b"xccl:",
    b"torch.distributed.ddp.reducer::",
    b"torch::distributed::reducer::",
];
/// Annotated around parts of it, of which only what runs there works.
const KEEPS: [&[u8]; 3] = [b"FSDP::", b"FullyShardedDataParallel._", b"FullyShardedDataParallel.rate_limiter"];
/// Annotated on threads that wait for the other processes, and pass on what they sent.
const EXCHANGES: [&[u8]; 3] = [b"gloo:", b"mpi:", b"ucc:"];
const WAITS: &[u8] = b"wait_tensor";

/// What an event of this name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Title {
    Operation {
        /// `addmm`, as it stands in a qualified tensor name.
        name: String,
        /// It only describes memory anew, or readies it: within another it is that one's.
        serves: bool,
    },
    /// A module's call.
    Module {
        path: String,
        outside: bool,
    },
    /// The path of the program's one model.
    Whole {
        path: String,
    },
    /// The forward pass of what was compiled.
    Compiled,
    /// Autograd runs a node.
    Node {
        /// `AddmmBackward0`
        name: String,
        /// `AccumulateGrad`, which no forward operation made.
        accumulates: bool,
    },
    Optimizer {
        /// `AdamW`
        name: String,
        /// It steps, and does not clear gradients.
        steps: bool,
    },
    Loader,
    /// Processes work together.
    Together(Together),
}

/// What a name says of processes that work together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Together {
    Calls,
    Waits,
    Keeps,
    Exchanges,
}

impl Title {
    pub(super) fn of(text: &[u8]) -> Self {
        if let Some(path) = text.strip_prefix(MODULE) {
            if let Some((&WHOLE, path)) = path.split_first() {
                return Self::Whole { path: path_of(path) };
            }
            let outside = path.first() == Some(&OUTSIDE);
            return Self::Module { path: path_of(&path[usize::from(outside)..]), outside };
        }
        if let Some(node) = text.strip_prefix(EVALUATES) {
            let name = name_of(node);
            let accumulates = name == "AccumulateGrad";
            return Self::Node { name, accumulates };
        }
        for (prefix, steps) in [(STEPS, true), (CLEARS, false)] {
            if let Some(method) = text.strip_prefix(prefix) {
                let name = unescaped(method, LONGEST_NAME);
                let name = segment(name.split('.').next().unwrap_or(""));
                return Self::Optimizer { name, steps };
            }
        }
        if text.starts_with(LOADS) {
            return Self::Loader;
        }
        if text == COMPILED {
            return Self::Compiled;
        }
        if let Some(together) = together(text) {
            return Self::Together(together);
        }
        let name = name_of(text);
        Self::Operation { serves: serves(&name), name }
    }
}

fn together(text: &[u8]) -> Option<Together> {
    let begins = |prefixes: &[&[u8]]| prefixes.iter().any(|prefix| text.starts_with(prefix));
    if begins(&CALLS) {
        return Some(if text.ends_with(WAITS) { Together::Waits } else { Together::Calls });
    }
    let annotated = begins(&KEEPS).then_some(Together::Keeps);
    annotated.or_else(|| begins(&EXCHANGES).then_some(Together::Exchanges))
}

/// `aten::addmm` → `addmm`, `torch::autograd::AccumulateGrad` → `AccumulateGrad`; of what Inductor made, no hashes.
pub(super) fn name_of(text: &[u8]) -> String {
    let text = unescaped(text, LONGEST_NAME).replace("(anonymous namespace)::", "");
    if text.starts_with("Torch-Compiled Region") {
        return "CompiledRegion".to_owned();
    }
    if text.contains("CompiledFxGraph") {
        return "CompiledFxGraph".to_owned();
    }
    // Templates of kernels have colons within.
    let plain = text.chars().all(|one| one.is_alphanumeric() || matches!(one, '_' | ':' | '.'));
    segment(if plain { text.rsplit("::").next().unwrap_or(&text) } else { &text })
}

/// A name as it was given, if not too long.
pub(super) fn shortened(text: &[u8]) -> String {
    unescaped(text, LONGEST_NAME)
}

fn path_of(text: &[u8]) -> String {
    let path = unescaped(text, LONGEST_PATH);
    let segments: Vec<_> = path.split('/').filter(|name| !name.is_empty()).map(segment).collect();
    if segments.is_empty() { "model".to_owned() } else { segments.join("/") }
}

/// One segment of a qualified tensor name.
fn segment(name: &str) -> String {
    let name = name.trim();
    if name.is_empty() {
        return "unnamed".to_owned();
    }
    let within = |one: char| if one == '/' || one.is_whitespace() || one.is_control() { '_' } else { one };
    name.chars().map(within).collect()
}

/// Operations that move no data: they describe a tensor's memory anew, or allocate it.
fn serves(name: &str) -> bool {
    matches!(
        name,
        "_conj"
            | "_neg_view"
            | "_reshape_alias"
            | "_unsafe_view"
            | "alias"
            | "as_strided"
            | "as_strided_"
            | "chunk"
            | "data_ptr"
            | "detach"
            | "detach_"
            | "empty"
            | "empty_like"
            | "empty_strided"
            | "expand"
            | "expand_as"
            | "is_nonzero"
            | "item"
            | "lift_fresh"
            | "narrow"
            | "numpy_T"
            | "permute"
            | "record_param_comms"
            | "reshape"
            | "resize_"
            | "resolve_conj"
            | "resolve_neg"
            | "result_type"
            | "select"
            | "set_"
            | "slice"
            | "split"
            | "split_with_sizes"
            | "squeeze"
            | "squeeze_"
            | "t"
            | "t_"
            | "transpose"
            | "transpose_"
            | "unbind"
            | "unflatten"
            | "unsqueeze"
            | "unsqueeze_"
            | "view"
            | "view_as"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(name: &str, serves: bool) -> Title {
        Title::Operation { name: name.to_owned(), serves }
    }

    #[test]
    fn names_say_whose_work_is() {
        let module = |path: &str, outside| Title::Module { path: path.to_owned(), outside };
        let titles = [
            (b"aten::addmm".as_slice(), operation("addmm", false)),
            (b"aten::view", operation("view", true)),
            (b"AddmmBackward0", operation("AddmmBackward0", false)),
            (b"nccl:all_reduce", Title::Together(Together::Calls)),
            (b"_c10d_functional::wait_tensor", Title::Together(Together::Waits)),
            (b"gloo:all_reduce", Title::Together(Together::Exchanges)),
            (b"FSDP::pre_forward (layer.0)", Title::Together(Together::Keeps)),
            (b"FullyShardedDataParallel._pre_forward", Title::Together(Together::Keeps)),
            (b"FullyShardedDataParallel.forward", operation("FullyShardedDataParallel.forward", false)),
            (b"at::native::(anonymous namespace)::fill", operation("fill", false)),
            (b"## Call CompiledFxGraph fpl6 ##", operation("CompiledFxGraph", false)),
            (b"Torch-Compiled Region: 0/0", operation("CompiledRegion", false)),
            (b"smaragdine:net/layer/0", module("net/layer/0", false)),
            (b"smaragdine:?cross_entropy_loss", module("cross_entropy_loss", true)),
            (b"smaragdine:", module("model", false)),
            (b"smaragdine:=net", Title::Whole { path: "net".to_owned() }),
            (b"CompiledFunction", Title::Compiled),
            (b"smaragdine:a//b\\\" c", module("a/b\"_c", false)),
            (b"enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__", Title::Loader),
            (b"Optimizer.step#AdamW.step", Title::Optimizer { name: "AdamW".to_owned(), steps: true }),
            (b"Optimizer.zero_grad#SGD.zero_grad", Title::Optimizer { name: "SGD".to_owned(), steps: false }),
            (
                b"autograd::engine::evaluate_function: AddmmBackward0",
                Title::Node { name: "AddmmBackward0".to_owned(), accumulates: false },
            ),
            (
                b"autograd::engine::evaluate_function: torch::autograd::AccumulateGrad",
                Title::Node { name: "AccumulateGrad".to_owned(), accumulates: true },
            ),
        ];
        for (text, title) in titles {
            assert_eq!(Title::of(text), title, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_name_of_any_length_becomes_a_short_one() {
        let long = "x".repeat(100_000);
        let Title::Operation { name, .. } = Title::of(long.as_bytes()) else { panic!() };
        assert_eq!(name.len(), LONGEST_NAME);
        let Title::Module { path, .. } = Title::of(format!("smaragdine:{long}").as_bytes()) else { panic!() };
        assert_eq!(path.len(), LONGEST_PATH);
    }
}
