//! Files are written in one way: nothing but `folder` opens one for writing, but for what is listed here.

use std::fs;
use std::path::{Path, PathBuf};

/// What opens files for writing, makes them visible or removes them.
const WAYS: [&str; 16] = [
    "File::create",
    "File::options",
    "OpenOptions",
    ".create_new(",
    ".write(true)",
    "fs::write",
    "fs::rename",
    "fs::copy",
    "fs::hard_link",
    "os::unix::fs::symlink",
    "fs::remove_dir_all",
    "OFlags::CREATE",
    "OFlags::WRONLY",
    "OFlags::RDWR",
    "renameat(",
    "libc::open",
];

/// File and way: all in the daemon's own state directory, which nobody else may write in.
const LISTED: [(&str, &str); 10] = [
    // The journal, which must not be there, and is appended to as it grows.
    ("store/journal.rs", "File::options"),
    ("store/journal.rs", ".create_new("),
    // The lock of a state directory holds nothing.
    ("store/state.rs", "File::options"),
    ("store/directory.rs", "OFlags::WRONLY"),
    ("store/directory.rs", "OFlags::CREATE"),
    // A recording's own directory, once its trace has been fetched, and half a trace before the next attempt.
    ("serve/recording.rs", "fs::remove_dir_all"),
    ("build/assembler/child.rs", "fs::remove_dir_all"),
    // Attempts at a journal, which are appended to beside it.
    ("build/assembler/attempts.rs", "File::options"),
    // Opens for reading, without waiting for whoever writes a pipe; asks how a descriptor was opened.
    ("store/tables/file.rs", "OpenOptions"),
    ("serve/lifeline.rs", "OFlags::WRONLY"),
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn nothing_but_the_one_way_opens_a_file_for_writing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut others = Vec::new();
    for file in files.iter().filter(|file| file.file_stem().is_some_and(|stem| stem != "tests" && stem != "folder")) {
        if file.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        let text = fs::read_to_string(file).unwrap();
        // What a file's own tests write goes to a directory of theirs.
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for way in WAYS.iter().filter(|way| line.contains(**way)) {
                if !LISTED.contains(&(name, way)) {
                    others.push(format!("{name}: {}", line.trim()));
                }
            }
        }
    }
    assert!(files.len() > 50, "the sources are not where they were");
    assert!(others.is_empty(), "write files by `folder::Folder`: {others:#?}");
}
