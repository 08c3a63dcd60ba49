//! Names as other programs wrap them: `module.` of data-parallel training, `_orig_mod` of compiled models, and dictionaries such
//! as `{"model_state_dict": …, "optimizer_state_dict": …}`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::StateDict;
use crate::error::{Error, Result};

/// Parts of prefixes that programs are known to use; of two sets of weights, the one under such a prefix is meant.
const KNOWN: [&str; 9] =
    ["state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params", "ddp"];

/// A state dict under a model's own names.
#[derive(Debug)]
pub struct Unwrapped<'a> {
    /// The tensors; under the names of the file, if nothing had to be taken off.
    pub state: Cow<'a, StateDict>,
    /// What every name began with, such as `module.`; mostly empty.
    pub prefix: String,
    /// Tensors beside the weights that are none, such as an optimiser's moments. They are not in `state`.
    pub set_aside: Vec<String>,
}

/// Takes off what stands before the names that are `expected`: the prefix under which most of them are found.
///
/// # Errors
/// If two prefixes serve equally well, or two names become one; `file` names the source in the message.
pub fn unwrap<'a>(state: &'a StateDict, expected: &BTreeSet<String>, file: &str) -> Result<Unwrapped<'a>> {
    let fail = |message: String| Err(Error::Weights { file: file.to_owned(), message });
    let clean: Vec<(String, &String)> = state.keys().map(|name| (without_compiler(name), name)).collect();
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, _) in &clean {
        let starts = std::iter::once(0).chain(name.match_indices('.').map(|(at, _)| at + 1));
        for start in starts.filter(|&start| expected.contains(&name[start..])) {
            *found.entry(&name[..start]).or_default() += 1;
        }
    }
    // Most names first; then none before known before unknown prefixes.
    let rank = |prefix: &str| {
        let unknown = prefix.split_terminator('.').filter(|part| !KNOWN.contains(part)).count();
        (usize::from(!prefix.is_empty()), unknown)
    };
    let key = |(prefix, count): (&&str, &usize)| (std::cmp::Reverse(*count), rank(prefix));
    let best = found.iter().map(key).min();
    let mut bests = found.iter().filter(|&entry| Some(key(entry)) == best).map(|(prefix, _)| *prefix);
    let prefix = bests.next().unwrap_or_default();
    if let Some(other) = bests.next() {
        return fail(format!(
            "holds two sets of weights, under `{prefix}` and under `{other}`: keep the one that is meant"
        ));
    }
    let outside =
        |name: &String| (prefix.is_empty() || !name.starts_with(prefix)) && !expected.contains(name);
    let aside = clean.iter().filter(|(name, _)| outside(name) && is_other_state(name));
    let aside: BTreeSet<&String> = aside.map(|(_, name)| *name).collect();
    let set_aside = aside.iter().map(|&name| name.clone()).collect();
    if prefix.is_empty() && aside.is_empty() && clean.iter().all(|(clean, name)| clean == *name) {
        return Ok(Unwrapped { state: Cow::Borrowed(state), prefix: String::new(), set_aside });
    }
    let strip = |name: &str| name.strip_prefix(prefix).unwrap_or(name).to_owned();
    let mut renamed = StateDict { about: state.about.clone(), ..StateDict::default() };
    for (table, names) in &state.row_names {
        renamed.row_names.insert(strip(&without_compiler(table)), names.clone());
    }
    for (clean, name) in clean.iter().filter(|(_, name)| !aside.contains(name)) {
        // A name outside the prefix keeps all of itself, unless that is taken.
        let own = strip(clean);
        if renamed.insert(own.clone(), state[*name].clone()).is_some() {
            return fail(format!(
                "two tensors are both `{own}` without what stands before it, `{name}` one of them"
            ));
        }
    }
    let prefix = prefix.to_owned();
    Ok(Unwrapped { state: Cow::Owned(renamed), prefix, set_aside })
}

/// A name without the parts that compiling adds, wherever they stand.
fn without_compiler(name: &str) -> String {
    name.split('.').filter(|part| *part != "_orig_mod").collect::<Vec<_>>().join(".")
}

/// Whether a name belongs to something that training programs save beside the weights.
fn is_other_state(name: &str) -> bool {
    let first = name.split('.').next().unwrap_or_default().to_lowercase();
    first.split('_').any(|word| {
        word.starts_with("optim") || word.starts_with("sched") || ["opt", "scaler", "ema"].contains(&word)
    })
}

#[cfg(test)]
mod tests {
    use super::super::Array;
    use super::*;

    fn state(names: &[&str]) -> StateDict {
        let array = |at: usize| Array { shape: vec![1], values: vec![at as f32] };
        names.iter().enumerate().map(|(at, name)| ((*name).to_owned(), array(at))).collect()
    }

    #[test]
    fn names_come_out_of_every_wrapper() {
        let expected: BTreeSet<String> = ["wO.weight", "wO.bias", "head.0.weight"].map(str::to_owned).into();
        let wrappers = [
            "",
            "module.",
            "model.",
            "_orig_mod.",
            "module._orig_mod.",
            "_orig_mod.module.",
            "state_dict.",
            "state_dict.model.",
            "model_state_dict.module.",
            "model.module._orig_mod.",
            "net.",
            "anything.at.all.",
        ];
        for wrapper in wrappers {
            let names: Vec<String> = expected.iter().map(|name| format!("{wrapper}{name}")).collect();
            let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
            let own = state(&names);
            let plain = unwrap(&own, &expected, "f").unwrap();
            assert!(plain.state.keys().eq(&expected), "{wrapper}");
            // What lies beside them.
            names.extend(["optimizer_state_dict.0.exp_avg", "lr_scheduler.rate", "other.weight"]);
            let more = state(&names);
            let plain = unwrap(&more, &expected, "f").unwrap();
            assert_eq!(plain.set_aside, ["lr_scheduler.rate", "optimizer_state_dict.0.exp_avg"]);
            assert_eq!(plain.state.len(), 4, "{wrapper}");
            assert!(plain.state.contains_key("other.weight") && plain.state.contains_key("wO.bias"));
        }
        let compiled = state(&["wO._orig_mod.weight", "wO.bias", "head._orig_mod.0.weight"]);
        assert!(unwrap(&compiled, &expected, "f").unwrap().state.keys().eq(&expected));
    }

    #[test]
    fn of_two_sets_the_known_one_is_meant_and_else_none() {
        let expected: BTreeSet<String> = ["a".to_owned(), "b".to_owned()].into();
        let two = state(&["student.a", "student.b", "model.a", "model.b"]);
        let plain = unwrap(&two, &expected, "f").unwrap();
        assert_eq!((plain.prefix.as_str(), plain.state["a"].values[0]), ("model.", 2.0));
        let two = state(&["student.a", "student.b", "teacher.a", "teacher.b"]);
        let error = unwrap(&two, &expected, "f.pt").unwrap_err().to_string();
        assert!(
            error.contains("f.pt") && error.contains("`student.`") && error.contains("`teacher.`"),
            "{error}"
        );
        let same = state(&["module.a", "module._orig_mod.a", "module.b"]);
        assert!(unwrap(&same, &expected, "f").unwrap_err().to_string().contains("`a`"));
        // Nothing is expected to be found: everything stays as it is.
        let foreign = state(&["conv1.weight"]);
        assert_eq!(*unwrap(&foreign, &expected, "f").unwrap().state, foreign);
    }
}
