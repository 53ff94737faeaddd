//! Events shown to several readers at once, on the cores that there are.

use std::borrow::Cow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, available_parallelism, scope};

use crate::error::Result;
use crate::span::Span;
use crate::trace::{Event, Reader, Recorded};

/// Batches that wait for a reader.
const WAITING: usize = 8;

type Batch<'a> = Arc<Cow<'a, [Event]>>;
type Share<'r, 'a> = Vec<&'r mut &'a mut dyn Reader>;

/// Shows the events of `recorded` to all of `readers`, which share the cores that there are.
///
/// Each sees the same in the same order, whatever their number: what they find does not depend on it.
///
/// # Errors
/// See [`Recorded::show`].
pub fn show_on_all_cores(
    recorded: &dyn Recorded,
    within: Option<&[Span]>,
    readers: &mut [&mut dyn Reader],
) -> Result<()> {
    let threads = available_parallelism().map_or(1, usize::from).min(readers.len()).max(1);
    let mut shares: Vec<Share> = Vec::new();
    shares.resize_with(threads, Vec::new);
    for (number, reader) in readers.iter_mut().enumerate() {
        shares[number % threads].push(reader);
    }
    scope(|scope| {
        let (mut senders, mut threads, mut here) = (Vec::new(), Vec::new(), Vec::new());
        for share in shares {
            let (sender, receiver) = sync_channel(WAITING);
            let share = Arc::new(Mutex::new(share));
            let theirs = Arc::clone(&share);
            match Builder::new().spawn_scoped(scope, move || read_all(&receiver, &mut taken(&theirs))) {
                Ok(thread) => {
                    senders.push(sender);
                    threads.push(thread);
                }
                // Where no more threads may be started, this one does it.
                Err(_) => here.extend(taken(&share)),
            }
        }
        let sent = send_all(recorded, within, &senders, &mut here);
        drop(senders);
        let ended =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        // A reader's own trouble comes first: of it, sending only sees that nobody listens any more.
        ended.collect::<Vec<_>>().into_iter().collect::<Result<()>>().and(sent)
    })
}

fn taken<'r, 'a>(share: &Mutex<Share<'r, 'a>>) -> Share<'r, 'a> {
    std::mem::take(&mut share.lock().unwrap_or_else(PoisonError::into_inner))
}

fn send_all<'a>(
    recorded: &'a dyn Recorded,
    within: Option<&'a [Span]>,
    senders: &[SyncSender<Batch<'a>>],
    here: &mut Share,
) -> Result<()> {
    for batch in recorded.events(within) {
        let batch = Arc::new(batch?);
        here.iter_mut().try_for_each(|reader| reader.read(&batch))?;
        if senders.iter().any(|sender| sender.send(Arc::clone(&batch)).is_err()) {
            break;
        }
    }
    Ok(())
}

fn read_all(batches: &Receiver<Batch>, readers: &mut Share) -> Result<()> {
    batches.iter().try_for_each(|batch| readers.iter_mut().try_for_each(|reader| reader.read(&batch)))
}
