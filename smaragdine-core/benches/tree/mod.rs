//! Registers that move while something is measured.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fake_powercap::moving::Registers as _;
use fake_powercap::{Layout, Tree};
use smaragdine_core::clock::monotonic_ns;
use smaragdine_core::registers::source::Roots;

/// Calls `measure` beside two sockets' powercap tree, which a thread called `tree` moves a thousand times a second.
pub(crate) fn beside_a_moving_tree(measure: impl FnOnce(&Roots)) {
    let memory = Path::new("/dev/shm");
    let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let directory = directory.expect("a temporary directory");
    let tree = Tree::create(directory.path(), &Layout { sockets: 2, ..Layout::default() }).expect("a tree");
    let nowhere = directory.path().join("nowhere");
    let roots = Roots {
        powercap: tree.powercap_root(),
        hwmon: nowhere.clone(),
        nvml_library: Some(nowhere),
        ..Roots::default()
    };
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let moving = thread::Builder::new().name("tree".to_owned()).spawn_scoped(scope, || {
            let start_ns = monotonic_ns();
            while !stop.load(Ordering::Relaxed) {
                tree.write(monotonic_ns() - start_ns).expect("a write");
                thread::sleep(Duration::from_millis(1));
            }
        });
        moving.expect("a thread");
        measure(&roots);
        stop.store(true, Ordering::Relaxed);
    });
}
