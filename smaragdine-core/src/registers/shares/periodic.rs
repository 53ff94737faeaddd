//! A thread that looks at who uses the machine, again and again.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::ShareReport;
use crate::clock::monotonic_ns;
use crate::trace::ShareSample;

/// How long [`Periodic::stop`] waits for room in the channel before it gives up on the last samples.
const LAST_SEND: Duration = Duration::from_secs(5);

/// What a sampling thread of shares does at each tick.
pub(super) trait Look: Send + 'static {
    /// Samples since the last look.
    fn look(&mut self) -> Vec<ShareSample>;

    fn report(self) -> ShareReport;
}

/// A thread that looks at absolute deadlines until it is told to stop.
#[derive(Debug)]
pub(super) struct Periodic {
    stop: Sender<()>,
    thread: JoinHandle<ShareReport>,
}

impl Periodic {
    pub(super) fn start(
        name: &str,
        period_ns: i64,
        sink: SyncSender<Vec<ShareSample>>,
        look: impl Look,
    ) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let thread =
            std::thread::Builder::new().name(name.to_owned()).spawn(move || run(period_ns, &stopped, &sink, look))?;
        Ok(Self { stop, thread })
    }

    pub(super) fn stop(self) -> ShareReport {
        // The thread may have ended by itself, because nobody listens any more.
        let _ = self.stop.send(());
        self.thread.join().unwrap_or_else(|_| ShareReport {
            problems: vec!["the thread that samples shares stopped by itself; later shares are unknown".into()],
            ..ShareReport::default()
        })
    }
}

fn run(
    period_ns: i64,
    stopped: &Receiver<()>,
    sink: &SyncSender<Vec<ShareSample>>,
    mut look: impl Look,
) -> ShareReport {
    let mut deadline_ns = monotonic_ns() + period_ns;
    let mut kept = Vec::new();
    loop {
        let wait = u64::try_from(deadline_ns - monotonic_ns()).unwrap_or(0);
        let last = stopped.recv_timeout(Duration::from_nanos(wait)) != Err(RecvTimeoutError::Timeout);
        kept.extend(look.look());
        // Looking never waits for the consumer: what the channel cannot take is offered again with the next samples.
        let give_up = Instant::now() + LAST_SEND;
        while !kept.is_empty() {
            match sink.try_send(std::mem::take(&mut kept)) {
                Ok(()) => {}
                Err(TrySendError::Disconnected(_)) => return look.report(),
                Err(TrySendError::Full(samples)) => {
                    kept = samples;
                    if !last || Instant::now() >= give_up {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
        if last {
            let mut report = look.report();
            if !kept.is_empty() {
                report.problems.push(format!("the last {} share samples found no taker", kept.len()));
            }
            return report;
        }
        // A late look makes a longer sample; it is not made up for by a shorter one.
        deadline_ns = (deadline_ns + period_ns).max(monotonic_ns() + period_ns / 2);
    }
}
