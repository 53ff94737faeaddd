//! Rooms import one way: from those that come before them, and no file of a room in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms and files of the root, each importing only what comes before it.
const ORDER: [&str; 16] = [
    "error",
    "shown",
    "clock",
    "span",
    "wire",
    "trace",
    "registers",
    "profiler",
    "accounting",
    "store",
    "build",
    "monitor",
    "serve",
    "config",
    "lib",
    "main",
];

/// Rooms that keep away from each other though their order allows it: what accounts knows nothing of what reads.
const APART: [(&str, &str); 5] = [
    ("accounting", "registers"),
    ("accounting", "profiler"),
    ("accounting", "clock"),
    ("profiler", "registers"),
    ("store", "accounting"),
];

/// Arrows that run back all the same, each with its reason: none.
const BACK: [(&str, &str); 0] = [];

/// What a file of `src` imports of this crate, by its path there: `store/tables/read` → `trace/reading`.
struct Source {
    file: String,
    code: String,
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The code of every file, without its tests and comments.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    files.sort();
    assert!(files.len() > 50, "the sources are not where they were");
    let source = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let file = path.strip_prefix(&root).unwrap().with_extension("");
        let file = file.to_str().unwrap().trim_end_matches("/mod").to_owned();
        Source { file, code: code.collect::<Vec<_>>().join("\n") }
    };
    files.iter().filter(|path| path.file_stem().is_none_or(|stem| stem != "tests")).map(source).collect()
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Every path from `start` on (`crate::`, `super::`), groups in braces taken apart.
fn paths(code: &str, start: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(start) {
        if !code[..at].ends_with(|character: char| is_name(character) || character == ':') {
            expand(&code[at + start.len()..], &mut Vec::new(), &mut found);
        }
    }
    found
}

/// Adds the paths that begin with `before` and go on with `rest`; returns what follows them.
fn expand<'a>(mut rest: &'a str, before: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let depth = before.len();
    loop {
        if let Some(mut group) = rest.strip_prefix('{') {
            loop {
                group = expand(group.trim_start_matches([' ', '\n', ',']), before, found);
                group = group.trim_start_matches([' ', '\n', ',']);
                if group.is_empty() || group.starts_with('}') {
                    break;
                }
            }
            before.truncate(depth);
            return group.strip_prefix('}').unwrap_or(group);
        }
        let end = rest.find(|character| !is_name(character)).unwrap_or(rest.len());
        if end == 0 {
            break;
        }
        before.push(rest[..end].to_owned());
        rest = &rest[end..];
        match rest.strip_prefix("::") {
            Some(further) => rest = further,
            None => break,
        }
    }
    found.push(before.clone());
    before.truncate(depth);
    // Something that is no path, as an alias, ends with its element of the group.
    match rest.strip_prefix(" as ") {
        Some(alias) => alias.trim_start_matches(is_name),
        None => rest.strip_prefix(|character: char| !is_name(character) && !",{}".contains(character)).unwrap_or(rest),
    }
}

/// By file, what it shows of others: the name, and the file that has it.
fn shown(source: &Source, files: &BTreeSet<&str>) -> BTreeMap<String, String> {
    let mut shown = BTreeMap::new();
    for line in source.code.split(';').filter(|line| line.contains("pub use ") || line.contains("pub(crate) use ")) {
        let path = line.rsplit("use ").next().unwrap_or_default().trim_start_matches("self::");
        let mut found = Vec::new();
        expand(path, &mut source.file.split('/').map(str::to_owned).collect(), &mut found);
        for path in found {
            let file =
                (1..path.len()).rev().map(|length| path[..length].join("/")).find(|file| files.contains(&**file));
            shown.extend(path.last().cloned().zip(file.filter(|file| *file != source.file)));
        }
    }
    shown
}

/// The file that a path leads to: as far as names of files go, and on where that one shows what another has.
fn file_of(
    path: &[String],
    files: &BTreeSet<&str>,
    shown: &BTreeMap<&str, BTreeMap<String, String>>,
) -> Option<String> {
    let (length, file) = (1..=path.len())
        .rev()
        .map(|length| (length, path[..length].join("/")))
        .find(|(_, file)| files.contains(&**file))?;
    let other = path.get(length).and_then(|name| shown.get(&*file)?.get(name));
    Some(other.cloned().unwrap_or(file))
}

/// By file, the files of this crate that it imports.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let sources = sources();
    let files: BTreeSet<&str> = sources.iter().map(|source| source.file.as_str()).collect();
    let shown: BTreeMap<&str, _> = sources.iter().map(|source| (&*source.file, shown(source, &files))).collect();
    let of = |source: &Source| {
        let mut imported: BTreeSet<String> =
            paths(&source.code, "crate::").iter().filter_map(|path| file_of(path, &files, &shown)).collect();
        let parts: Vec<String> = source.file.split('/').map(str::to_owned).collect();
        for path in paths(&source.code, "super::") {
            let ups = path.iter().take_while(|part| *part == "super").count();
            let parent = parts.len().saturating_sub(1 + ups);
            imported.extend(file_of(&[&parts[..parent], &path[ups..]].concat(), &files, &shown));
        }
        imported.remove(&source.file);
        imported
    };
    sources.iter().map(|source| (source.file.clone(), of(source))).collect()
}

fn room(file: &str) -> &str {
    file.split('/').next().unwrap_or(file)
}

fn place(room: &str) -> usize {
    ORDER.iter().position(|known| *known == room).unwrap_or_else(|| panic!("{room} has no place in the order"))
}

#[test]
fn rooms_import_only_those_before_them() {
    let mut wrong = Vec::new();
    for (file, imported) in imports() {
        for other in &imported {
            let (from, to) = (room(&file), room(other));
            if from != to
                && (place(to) >= place(from) || APART.contains(&(from, to)))
                && !BACK.contains(&(&file, other))
            {
                wrong.push(format!("{file} imports {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A file with those in the folder that is called as it is; a framework's are parts of their own.
fn part(file: &str) -> String {
    let framework = ["profiler/tensorflow/", "profiler/jax/"].iter().any(|folder| file.starts_with(folder));
    let length = if framework { 3 } else { 2 };
    file.split('/').take(length).collect::<Vec<_>>().join("/")
}

#[test]
fn the_parts_of_a_room_import_each_other_in_no_circle() {
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, imported) in imports() {
        // What a room shows is only gathered there.
        let others =
            imported.iter().filter(|other| room(other) == room(&file) && other.contains('/') && file.contains('/'));
        arrows
            .entry(part(&file))
            .or_default()
            .extend(others.map(|other| part(other)).filter(|other| *other != part(&file)));
    }
    // By its path, and by what the room shows.
    assert!(arrows["accounting/account"].contains("accounting/alignment"), "{arrows:#?}");
    assert!(arrows["trace/gap"].contains("trace/domain"), "{arrows:#?}");
    // Whoever imports none that is left is taken away; what then is left goes round.
    while let Some(done) = arrows.iter().find(|(_, others)| others.is_empty()).map(|(part, _)| part.clone()) {
        arrows.remove(&done);
        arrows.values_mut().for_each(|others| others.retain(|other| *other != done));
    }
    assert!(arrows.is_empty(), "{arrows:#?}");
}

#[test]
fn every_room_has_its_place_and_the_root_is_small() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let entries: BTreeSet<String> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(entries.len() <= 20, "{entries:?}");
    entries.iter().for_each(|entry| assert!(place(entry.trim_end_matches(".rs")) < ORDER.len()));
}

#[test]
fn what_accounts_is_pure() {
    let impure = [
        "std::fs",
        "std::net",
        "std::time",
        "std::env",
        "std::thread",
        "tokio",
        "rustix",
        ".source ==",
        "\"powercap\"",
    ];
    for source in sources().iter().filter(|source| room(&source.file) == "accounting") {
        for word in impure {
            assert!(!source.code.contains(word), "{} has {word}", source.file);
        }
    }
}

#[test]
fn what_a_trace_holds_is_typed() {
    for source in sources().iter().filter(|source| room(&source.file) == "trace") {
        assert!(!source.code.contains("serde_json"), "{}", source.file);
    }
}

#[test]
fn groups_aliases_and_what_follows_are_taken_apart() {
    let code =
        "use crate::trace::{self, Flag, gap::{Gap, gaps as all}, Op};\nuse crate::span;\nlet x = crate::clock::now();";
    let found: Vec<String> = paths(code, "crate::").iter().map(|path| path.join("/")).collect();
    let expected = ["trace/self", "trace/Flag", "trace/gap/Gap", "trace/gap/gaps", "trace/Op", "span", "clock/now"];
    assert_eq!(found, expected);
}
