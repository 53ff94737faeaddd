//! Flax names a module by the modules that call it. One that was made elsewhere and handed over, as the cell of
//! `nn.RNN(nn.LSTMCell(…))` is, has its parameters, and its own path, where it was made.

use rustc_hash::{FxHashMap, FxHashSet};

use super::argument::keys;
use super::name::Name;

/// Paths of parameters that are looked at for one module's name: a model's blocks are some hundreds.
const MOST_ALIKE: usize = 4096;

/// Where modules were made, as the paths of parameters tell.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// What Flax itself says are modules, by a method's scope.
    modules: FxHashSet<String>,
    /// By the name of what holds variables: the keys before it.
    holders: FxHashMap<String, FxHashSet<Vec<String>>>,
    /// All that are scopes somewhere; what else is among the keys is the argument's own, `p` and `params`.
    scopes: FxHashSet<String>,
    /// Where something is called.
    called: FxHashSet<String>,
}

impl Owners {
    pub(super) fn learn_name(&mut self, name: &Name) {
        self.modules.extend(name.modules.iter().map(|module| (*module).to_owned()));
        self.scopes.extend(name.scopes.iter().map(|scope| (*scope).to_owned()));
        for depth in 1..=name.scopes.len() {
            self.called.insert(name.scopes[..depth].join("/"));
        }
    }

    pub(super) fn learn_argument(&mut self, path: &str) {
        let keys = keys(path);
        // The last is the variable.
        for depth in 1..keys.len() {
            let holders = self.holders.entry(keys[depth - 1].to_owned()).or_default();
            if holders.len() < MOST_ALIKE {
                holders.insert(keys[..depth - 1].iter().map(|key| (*key).to_owned()).collect());
            }
        }
    }

    /// These scopes as far as callers are left out that did not make what they call.
    pub(super) fn own_path(&self, scopes: &[&str]) -> Vec<String> {
        let mut own: Vec<String> = Vec::with_capacity(scopes.len());
        for scope in scopes {
            let is_module = !own.is_empty() && (self.modules.contains(*scope) || is_numbered_class(scope));
            if let Some(maker) = is_module.then(|| self.maker(&own, scope)).flatten() {
                own = maker;
            }
            own.push((*scope).to_owned());
        }
        own
    }

    /// Of these callers, outermost first, those that made the module; `None` where all did, or it is not clear.
    fn maker(&self, callers: &[String], module: &str) -> Option<Vec<String>> {
        let found = self.holders.get(module)?.iter().filter_map(|keys| self.among(callers, keys));
        let mut found: Vec<Vec<usize>> = found.collect();
        found.sort_unstable_by_key(|chosen| std::cmp::Reverse(chosen.len()));
        found.dedup();
        let best = found.first()?;
        if best.len() == callers.len() || found.get(1).is_some_and(|next| next.len() == best.len()) {
            return None;
        }
        let makers: Vec<String> = best.iter().map(|&caller| callers[caller].clone()).collect();
        // Something of that name that is called there as well is another one.
        (!self.called.contains(&format!("{}/{module}", makers.join("/")))).then_some(makers)
    }

    /// Which of the callers these keys name; the outermost is the model itself, which no key names.
    fn among(&self, callers: &[String], keys: &[String]) -> Option<Vec<usize>> {
        let mut chosen = Vec::new();
        let mut before = callers.len();
        for key in keys.iter().rev() {
            if let Some(caller) = callers[..before].iter().rposition(|caller| caller == key) {
                chosen.push(caller);
                before = caller;
            } else if self.scopes.contains(key) {
                return None;
            } else {
                break;
            }
        }
        if chosen.last() != Some(&0) {
            chosen.push(0);
        }
        chosen.reverse();
        Some(chosen)
    }
}

/// `LSTMCell_0`: what Flax calls a module that nobody gave a name.
fn is_numbered_class(scope: &str) -> bool {
    let Some((class, number)) = scope.rsplit_once('_') else { return false };
    class.starts_with(char::is_uppercase) && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(called: &[&str], arguments: &[&str]) -> Owners {
        let mut owners = Owners::default();
        called.iter().for_each(|name| owners.learn_name(&Name::of(name)));
        arguments.iter().for_each(|path| owners.learn_argument(path));
        owners
    }

    fn own(owners: &Owners, path: &str) -> String {
        owners.own_path(&path.split('/').collect::<Vec<_>>()).join("/")
    }

    const SCANNED: &str = "jit(step)/jvp(Net)/lstm/while/body/closed_call/cell.scan_fn/cell/tanh";

    #[test]
    fn a_cell_is_where_its_parameters_are() {
        let made_beside = owners(&[SCANNED], &["p['params']['cell']['hf']['kernel']"]);
        assert_eq!(own(&made_beside, "Net/lstm/cell/hf"), "Net/cell/hf");
        assert_eq!(own(&made_beside, "Net/lstm"), "Net/lstm");
        let made_within = owners(&[SCANNED], &["p['params']['lstm']['cell']['hf']['kernel']"]);
        assert_eq!(own(&made_within, "Net/lstm/cell/hf"), "Net/lstm/cell/hf");
        // Below another module than the one that calls it, by Flax's own name.
        let deeper = owners(
            &["jit(f)/jvp(Net)/encoder/wrap/Block_0/mul", "jit(f)/jvp(Net)/decoder/Block_0/mul"],
            &["state.params['encoder']['Block_0']['scale']", "state.params['decoder']['Block_0']['scale']"],
        );
        assert_eq!(own(&deeper, "Net/encoder/wrap/Block_0"), "Net/encoder/Block_0");
        assert_eq!(own(&deeper, "Net/decoder/Block_0"), "Net/decoder/Block_0");
    }

    #[test]
    fn what_is_not_clear_stays_where_it_is_called() {
        // Two modules of one name: the block's has no parameters, the model's own is called as well.
        let names = ["jit(f)/jvp(Net)/block/LayerNorm_0/mul", "jit(f)/jvp(Net)/LayerNorm_0/mul"];
        let both = owners(&names, &["p['params']['LayerNorm_0']['scale']"]);
        assert_eq!(own(&both, "Net/block/LayerNorm_0"), "Net/block/LayerNorm_0");
        // Another module's of that name
        let elsewhere =
            owners(&["jit(f)/jvp(Net)/a/Block_0/mul", "jit(f)/jvp(Net)/b/mul"], &["p['b']['Block_0']['w']"]);
        assert_eq!(own(&elsewhere, "Net/a/Block_0"), "Net/a/Block_0");
        // A scope of the user's own is no module that Flax made.
        let bare = owners(&["jit(f)/jvp(net)/block/attention/mul"], &["p['attention']['w']"]);
        assert_eq!(own(&bare, "net/block/attention"), "net/block/attention");
    }
}
