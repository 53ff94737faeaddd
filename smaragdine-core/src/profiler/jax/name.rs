//! Takes a name of JAX's apart: `jit(step)/transpose(jvp(Bert))/encoder/layer_0/dot_general`.
//!
//! Transformations wrap the outermost scope in them, control flow and compilation add segments of their own, and what
//! is recomputed begins its path anew. The forms differ by version (0.4.35 to 0.12) and library.

/// The pass that the name itself tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pass {
    /// Within what is differentiated.
    Forward,
    /// Within what computes gradients, recomputation included.
    Backward,
    /// Outside both.
    #[default]
    Outside,
}

/// What a name says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Name<'a> {
    pub pass: Pass,
    /// The user's own scopes, `Bert`, `encoder`, `layer_0`.
    pub scopes: Vec<&'a str>,
    /// Those that Flax itself says are modules, by a method's scope.
    pub modules: Vec<&'a str>,
    /// `dot_general`; empty where the name ends in a scope.
    pub operation: &'a str,
}

/// Whether JAX gave an instruction this name.
#[must_use]
pub fn is_traced(op_name: &str) -> bool {
    let begins = |part: &str| part.starts_with("jit(") || part.starts_with("pjit(") || part.starts_with("pmap(");
    begins(op_name) || op_name.split(';').any(begins)
}

/// Whether XLA made one instruction of several, as of the sums over devices of many layers' gradients:
/// `jit(step)/(transpose(jvp(Net))/a/psum:transpose(jvp(Net))/b/psum)`.
#[must_use]
pub fn is_combined(op_name: &str) -> bool {
    split(op_name, b'/').last().is_some_and(|last| last.starts_with('('))
}

impl<'a> Name<'a> {
    #[must_use]
    pub fn of(op_name: &'a str) -> Self {
        // What XLA merged has the names of both.
        let whole = op_name.split(';').find(|part| is_traced(part)).unwrap_or(op_name);
        let mut segments = split(whole, b'/');
        let Some(combined) = segments.last().and_then(|last| last.strip_prefix('(')) else {
            return Self::of_segments(segments);
        };
        segments.pop();
        let parts = split(combined.strip_suffix(')').unwrap_or(combined), b':');
        let named = |part| Self::of_segments(segments.iter().copied().chain(split(part, b'/')).collect());
        Self::of_all(&parts.into_iter().map(named).collect::<Vec<_>>())
    }

    /// Of the pass that comes last, whatever all of it have in common.
    fn of_all(parts: &[Self]) -> Self {
        let pass = [Pass::Backward, Pass::Forward].into_iter().find(|pass| parts.iter().any(|part| part.pass == *pass));
        let pass = pass.unwrap_or_default();
        let mut alike = parts.iter().filter(|part| part.pass == pass && !part.scopes.is_empty());
        let mut scopes = alike.next().map(|first| first.scopes.clone()).unwrap_or_default();
        for part in alike {
            let common = scopes.iter().zip(&part.scopes).take_while(|(one, other)| one == other).count();
            scopes.truncate(common);
        }
        Self { pass, scopes, ..Self::default() }
    }

    fn of_segments(mut segments: Vec<&'a str>) -> Self {
        let mut name = Self::default();
        if segments.last().is_some_and(|last| !last.contains('(')) {
            name.operation = segments.pop().unwrap_or("");
        }
        segments.into_iter().for_each(|segment| name.add(segment));
        name.settle();
        name
    }

    fn add(&mut self, segment: &'a str) {
        let mut inside = segment;
        let mut restarts = false;
        while let Some((wrapper, content)) = unwrapped(inside) {
            match wrapper {
                "jvp" => {
                    restarts |= self.pass != Pass::Outside;
                    if self.pass == Pass::Outside {
                        self.pass = Pass::Forward;
                    }
                }
                "transpose" => self.pass = Pass::Backward,
                "vmap" | "checkpoint" | "remat" | "shard_map" | "linearize" => {}
                // A function that was compiled within another is no scope of the user's.
                "jit" | "pjit" | "pmap" | "xla_call" | "custom_jvp" | "custom_vjp" => return,
                _ => break,
            }
            inside = content;
        }
        let scopes = split(inside, b'/');
        let scopes = scopes.into_iter().filter(|scope| !scope.is_empty() && *scope != "~" && !scope.contains("->"));
        let scopes: Vec<&str> = scopes.filter(|scope| !scope.starts_with("jit(")).collect();
        // What is recomputed begins its path anew, unless it was differentiated within a scope.
        let restarts = restarts && scopes.iter().any(|scope| !is_control("while", scope, "body"));
        if restarts && !segment.starts_with("transpose(") {
            self.scopes.clear();
        }
        self.scopes.extend(scopes);
    }

    /// Leaves out what is no scope of the user's, and classes where modules are known; scopes that stand for the same
    /// module twice become one.
    fn settle(&mut self) {
        let all = std::mem::take(&mut self.scopes);
        let before = std::iter::once("").chain(all.iter().copied());
        let after = all.iter().copied().skip(1).chain([""]);
        let around = all.iter().zip(before.zip(after));
        self.scopes = around
            .filter(|(scope, (before, after))| !is_control(before, scope, after))
            .map(|(scope, _)| *scope)
            .collect();
        // Equinox names classes: they tell something only where nothing else does.
        if self.scopes.iter().any(|scope| !is_class(scope)) {
            self.scopes.retain(|scope| !is_class(scope));
        }
        let mut settled: Vec<&str> = Vec::with_capacity(self.scopes.len());
        for (index, &scope) in self.scopes.iter().enumerate() {
            // Flax: a method that is not the module's call, `layer.scan_fn`.
            let module = if is_class(scope) { None } else { method_of(scope) };
            self.modules.extend(module);
            match module {
                Some(module) if self.scopes.get(index + 1) == Some(&module) => {}
                Some(module) => settled.push(module),
                None => settled.push(scope),
            }
        }
        self.scopes = settled;
    }
}

/// What JAX's control flow and its transformations add between scopes.
fn is_control(before: &str, segment: &str, next: &str) -> bool {
    match segment {
        // No attribute can be called so. What XLA copies for a loop has no part of it.
        "while" => true,
        "body" => before == "while",
        "cond" => before == "while" || is_branch(next),
        "closed_call"
        | "core_call"
        | "eval_jaxpr"
        | "checkpoint"
        | "remat"
        | "remat2"
        | "rematted_computation"
        | "shard_map"
        | "pmap"
        | "xla_call"
        | "xla_pmap"
        | "pjit"
        | "custom_lin" => true,
        // The function in which something was traced first, `Dropout.__call__` or `make.<locals>.step`: Flax leaves a
        // module's call out.
        _ => {
            is_branch(segment)
                || segment.starts_with("custom_") && segment.contains("_call")
                || segment.ends_with(".__call__")
                || segment.contains("<locals>")
        }
    }
}

/// `branch_1_fun`
fn is_branch(segment: &str) -> bool {
    let number = segment.strip_prefix("branch_").and_then(|rest| rest.strip_suffix("_fun"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Equinox' own classes have scopes of their names.
pub(super) fn is_class(scope: &str) -> bool {
    scope.starts_with("eqx.")
}

/// `layer` of `layer.scan_fn`
fn method_of(scope: &str) -> Option<&str> {
    let (module, method) = scope.rsplit_once('.')?;
    let is_name = method.starts_with(|first: char| first.is_alphabetic() || first == '_');
    (is_name && !module.is_empty()).then_some(module)
}

/// `jvp`, `Bert` of `jvp(Bert)`
fn unwrapped(segment: &str) -> Option<(&str, &str)> {
    let (wrapper, rest) = segment.split_once('(')?;
    Some((wrapper, rest.strip_suffix(')')?))
}

/// At each separator outside parentheses.
fn split(name: &str, separator: u8) -> Vec<&str> {
    let (mut depth, mut start, mut segments) = (0_usize, 0, Vec::new());
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ if byte == separator && depth == 0 => {
                segments.push(&name[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    segments.push(&name[start..]);
    segments
}
