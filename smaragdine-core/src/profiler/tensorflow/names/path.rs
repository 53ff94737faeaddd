//! Takes off a name what TensorFlow's runtime put on it.

use super::layers::{Found, Layers};
use super::optimizers;
use super::stage::unstage;

/// What a raw name says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path<'a> {
    /// It computes gradients.
    pub(super) backward: bool,
    /// The scope and the operation, without function wrappers, loop frames, the gradients' scope and optimiser stages.
    pub(super) segments: Vec<&'a str>,
    /// The user's layer that the scope leads into.
    pub(super) found: Option<Found>,
    /// Where it leads into none: the layer whose loop or function the operation runs in.
    pub(super) around: Option<String>,
    /// What the operation is for, where our client said so of one that ran eagerly: one of our words, or `update`.
    pub(super) word: Option<&'a str>,
    /// The name of the node in the graph: without the functions that call it and the loops that hold it.
    pub(super) node: &'a str,
}

/// TensorFlow's own scopes that may stand before a name without a loop's frame between them.
const MOST_AHEAD: usize = 8;

/// What our client writes before a word of ours and before `gradients`. No scope of TensorFlow's has it.
const OURS: char = ':';

impl<'a> Path<'a> {
    pub(super) fn of(raw_name: &'a str, layers: &Layers) -> Self {
        if raw_name.starts_with(OURS) {
            return Self::ours(raw_name, layers);
        }
        let mut segments = split(raw_name);
        let Start { start, node, backward, found, around } = Start::of(&segments, layers);
        let node = segments.get(node).map_or(raw_name, |first| &raw_name[offset(raw_name, first)..]);
        segments.drain(..start);
        unstage(&mut segments, found.as_ref().map_or(0, |found| found.depth));
        Self { backward, segments, around: around.filter(|_| found.is_none()), found, word: None, node }
    }

    /// `:loss/mse/Sub`, `:gradients/net/dense/MatMul`
    fn ours(raw_name: &'a str, layers: &Layers) -> Self {
        let gradients = raw_name.strip_prefix(":gradients/");
        let rest = gradients.unwrap_or(raw_name);
        let mut segments = split(rest.trim_start_matches(OURS));
        let word = (rest.starts_with(OURS) && !segments.is_empty()).then(|| segments.remove(0));
        let found = if word.is_none() { layers.find(&segments) } else { None };
        Self { backward: gradients.is_some(), segments, found, around: None, word, node: raw_name }
    }

    /// The outermost scope, or the operation where it has none.
    pub(super) fn first(&self) -> &'a str {
        self.segments.first().copied().unwrap_or("")
    }
}

/// Where, among a raw name's segments, the name begins.
#[derive(Default)]
struct Start {
    /// The scope and the operation.
    start: usize,
    /// The node's name in its graph.
    node: usize,
    backward: bool,
    found: Option<Found>,
    /// The last layer before it.
    around: Option<String>,
}

impl Start {
    /// A layer may be called as TensorFlow calls what it puts before names: then the layer is meant.
    fn of(segments: &[&str], layers: &Layers) -> Self {
        let mut name = Self::default();
        let last = segments.len().saturating_sub(1);
        loop {
            let found = enter(segments, name.start, layers);
            let layers_end = found.as_ref().map_or(name.start, |(at, found)| at + found.depth);
            let is_optimizer =
                |index: usize| layers.is_optimizer(segments[index]) && layers.find(&segments[index + 1..]).is_none();
            let is_cut = |&index: &usize| {
                is_frame(segments, index)
                    || index >= layers_end && is_before_names(&segments[layers_end..=index]) && !is_optimizer(index)
            };
            let Some(index) = (name.start..last).find(is_cut) else {
                match found {
                    Some((at, found)) => (name.start, name.found) = (at, Some(found)),
                    None => name.strip_head(segments, layers),
                }
                return name;
            };
            name.around = found.filter(|_| index >= layers_end).map(|(_, found)| found.layer).or(name.around);
            name.start = index + 1;
            name.backward = is_gradient_scope(segments[index]);
            if !name.backward {
                name.node = name.start;
            }
        }
    }

    fn strip_head(&mut self, segments: &[&str], layers: &Layers) {
        let start = self.start;
        // Each copy but the first of a model that is spread over devices has a scope of its own.
        if self.start + 1 < segments.len() && is_copy(segments[self.start]) {
            self.start += 1;
        }
        while self.start + 2 < segments.len() && is_control_flow(segments[self.start]) {
            self.start += 1;
        }
        if self.start > start {
            self.found = layers.find(&segments[self.start..]);
        }
    }
}

/// Where the name enters a layer if it begins at `start`, or behind loops and copies there, and the layer.
fn enter(segments: &[&str], start: usize, layers: &Layers) -> Option<(usize, Found)> {
    let find = |at: usize| Some((at, layers.find(segments.get(at..)?)?));
    let own = find(start);
    if !segments.get(start).is_some_and(|segment| is_runtime(segment)) {
        return own;
    }
    // As TensorFlow's own scope it may stand before a name that leads further, or as far with Keras' numbers.
    let rank = |(at, found): &(usize, Found)| (found.depth, without_number(segments[*at]).is_some());
    let mut next = start + 1;
    while next < start + MOST_AHEAD && find(next).is_none() && segments.get(next).is_some_and(|next| is_runtime(next)) {
        next += 1;
    }
    let other = find(next).filter(|other| own.as_ref().is_none_or(|own| rank(other) > rank(own)));
    match other {
        Some(_) if segments[start..next].iter().any(|segment| is_call(segment) || is_gradient_scope(segment)) => None,
        Some(other) => Some(other),
        None => own,
    }
}

/// `while/body/_1/while/` and `cond/then/_143/` precede the whole name that a loop's body gives its node.
fn is_frame(segments: &[&str], index: usize) -> bool {
    index > 0 && is_frame_number(segments[index]) && matches!(segments[index - 1], "body" | "cond" | "then" | "else")
}

/// Whether the last of these segments is a scope that precedes names. An optimizer of a session's has whole names behind
/// its own: `Adam/update_net/gradients/kernel`.
fn is_before_names(segments: &[&str]) -> bool {
    let Some((last, before)) = segments.split_last() else { return false };
    is_call(last) || is_gradient_scope(last) && !before.iter().any(|segment| optimizers::is_known(segment))
}

fn is_runtime(segment: &str) -> bool {
    is_call(segment) || is_gradient_scope(segment) || is_control_flow(segment) || is_copy(segment)
}

/// The scope of a loop or a branch, in which whole training steps may lie.
pub(super) fn is_control_flow(segment: &str) -> bool {
    segment.starts_with(['w', 'c']) && matches!(bare(segment), "while" | "cond")
}

/// `replica_1`, or `update_0`, where a copy of a variable that is spread over devices is updated.
fn is_copy(segment: &str) -> bool {
    segment.starts_with(['r', 'u']) && (without_number(segment) == Some("replica") || is_update(segment))
}

/// `update_0`, `update_1_3`: where a copy of a variable that is spread over devices is updated.
pub(super) fn is_update(segment: &str) -> bool {
    let once = without_number(segment);
    once == Some("update") || once.and_then(without_number) == Some("update")
}

/// `PartitionedCall`, `StatefulPartitionedCall_3`
pub(super) fn is_call(segment: &str) -> bool {
    segment.starts_with(['P', 'S']) && matches!(bare(segment), "PartitionedCall" | "StatefulPartitionedCall")
}

/// `_143`
fn is_frame_number(segment: &str) -> bool {
    segment
        .strip_prefix('_')
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `gradient_tape`, `gradients`, `gradients_1`
pub(super) fn is_gradient_scope(segment: &str) -> bool {
    segment.starts_with("gradient") && matches!(bare(segment), "gradient_tape" | "gradients")
}

fn bare(segment: &str) -> &str {
    without_number(segment).unwrap_or(segment)
}

/// `dense_1` → `dense`
pub(super) fn without_number(segment: &str) -> Option<&str> {
    let (name, number) = segment.rsplit_once('_')?;
    (!name.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

fn split(name: &str) -> Vec<&str> {
    name.split('/').filter(|segment| !segment.is_empty()).collect()
}

fn offset(name: &str, part: &str) -> usize {
    part.as_ptr().addr() - name.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(raw_name: &str) -> (bool, String) {
        let path = Path::of(raw_name, &Layers::default());
        (path.backward, path.segments.join("/"))
    }

    #[test]
    fn functions_and_loops_around_a_name_are_taken_off() {
        let plain = (false, "bert_1/dense_1/Relu".to_owned());
        assert_eq!(path("bert_1/dense_1/Relu"), plain);
        assert_eq!(path("StatefulPartitionedCall/bert_1/dense_1/Relu"), plain);
        assert_eq!(path("StatefulPartitionedCall_2/PartitionedCall/bert_1/dense_1/Relu"), plain);
        let in_a_branch = "while/body/_1/while/cond/then/_143/while/cond/StatefulPartitionedCall/bert_1/dense_1/Relu";
        assert_eq!(path(in_a_branch), plain);
        assert_eq!(Path::of(in_a_branch, &Layers::default()).node, "bert_1/dense_1/Relu");
        assert_eq!(path("m/lstm/while/body/_20/m/lstm/while/MatMul"), (false, "m/lstm/while/MatMul".to_owned()));
        assert_eq!(path("StatefulPartitionedCall"), (false, "StatefulPartitionedCall".to_owned()));
    }

    #[test]
    fn both_scopes_of_gradients_say_backward() {
        let matmul = (true, "bert_1/dense_1/MatMul/MatMul_1".to_owned());
        assert_eq!(path("StatefulPartitionedCall/gradient_tape/bert_1/dense_1/MatMul/MatMul_1"), matmul);
        assert_eq!(path("gradients_1/bert_1/dense_1/MatMul/MatMul_1"), matmul);
        assert_eq!(path("train/gradients/bert_1/dense_1/MatMul/MatMul_1"), matmul);
        let update = (false, "Adam/update_net/gradients/kernel/ResourceApplyAdam".to_owned());
        assert_eq!(path("Adam/update_net/gradients/kernel/ResourceApplyAdam"), update);
    }

    #[test]
    fn a_layer_that_is_called_as_what_tensorflow_puts_before_names_is_a_layer() {
        let mut layers = Layers::new(true);
        for model in ["net", "while", "gradients", "StatefulPartitionedCall"] {
            for layer in
                ["gradients", "gradient_tape", "while", "body", "cond", "PartitionedCall", "replica", "update_0"]
            {
                layers.add(&format!("{model}/{layer}"));
            }
        }
        for model in ["net", "while", "gradients", "StatefulPartitionedCall"] {
            for layer in
                ["gradients", "gradient_tape", "while", "body", "cond", "PartitionedCall", "replica", "update_0"]
            {
                let scope = format!("{model}_1/{layer}_1");
                for (before, backward) in [
                    ("", false),
                    ("StatefulPartitionedCall/", false),
                    ("while/body/_1/while/", false),
                    ("gradient_tape/", true),
                    ("StatefulPartitionedCall/gradient_tape/", true),
                ] {
                    let raw_name = format!("{before}{scope}/MatMul/MatMul_1");
                    let path = Path::of(&raw_name, &layers);
                    let layer = path.found.as_ref().map(|found| found.layer.as_str());
                    assert_eq!(layer, Some(format!("{model}/{}", &scope[model.len() + 3..scope.len() - 2]).as_str()));
                    assert_eq!((path.backward, path.segments.len()), (backward, 4), "{raw_name}");
                }
            }
        }
    }

    #[test]
    fn parts_that_are_called_as_what_tensorflow_puts_before_names_are_layers_and_loops_stay_loops() {
        let mut layers = Layers::new(true);
        for layer in ["net/while/dense", "net/gradients/dense", "net/critic/dense"] {
            layers.add(layer);
        }
        let layer = |raw_name: &str| Path::of(raw_name, &layers).found.map(|found| found.layer);
        assert_eq!(layer("while_1/dense_1/MatMul").as_deref(), Some("net/while/dense"));
        assert_eq!(layer("gradient_tape/gradients_1/dense_1/MatMul/MatMul_1").as_deref(), Some("net/gradients/dense"));
        assert_eq!(layer("while_1/critic_1/dense_1/MatMul").as_deref(), Some("net/critic/dense"));
        assert_eq!(layer("while/body/_1/while/critic_1/dense_1/MatMul").as_deref(), Some("net/critic/dense"));
    }

    #[test]
    fn what_our_client_says_of_eager_operations_is_no_scope() {
        let mut layers = Layers::new(true);
        layers.add("loss/mse");
        let said = |raw_name| {
            let path = Path::of(raw_name, &layers);
            (path.backward, path.word.map(str::to_owned), path.segments.join("/"), path.found.map(|found| found.layer))
        };
        assert_eq!(said(":loss/mse/Sub"), (false, Some("loss".into()), "mse/Sub".into(), None));
        assert_eq!(said(":gradients/:loss/mse/Mul"), (true, Some("loss".into()), "mse/Mul".into(), None));
        assert_eq!(said(":gradients/loss/mse/Mul"), (true, None, "loss/mse/Mul".into(), Some("loss/mse".into())));
        assert_eq!(said(":gradients/Mul"), (true, None, "Mul".into(), None));
        for hostile in [":", "::", ":/", ":gradients/", ":gradients/:", ":gradients/:/"] {
            Path::of(hostile, &layers);
        }
    }
}
