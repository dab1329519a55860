//! The end of a process: what ends it, and how what is open finishes.

use std::{io, sync::atomic::Ordering::Relaxed, time::Duration};

use rustix::process::{Signal as Kill, getpid, kill_process};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};

use super::App;
use crate::{
    server::{Command, WorkerHandle},
    telemetry::log::{Level, event},
    tick,
};

/// After SIGTERM every answer closes its connection for this long before connections are told to
/// finish, and clients may still connect. Measured: without it 19 of 24 busy connections lose a request.
const DRAIN_GRACE: Duration = Duration::from_millis(500);

/// How long what is left of a drained process may take: access lines that nobody reads, a disk that hangs.
/// Then it ends all the same; nobody is left who waits for any of it.
const END_WITHIN: Duration = Duration::from_secs(5);

/// How long an operator's request that had begun has to be finished: what it did would else be done, and
/// nobody told.
const LAST_VISITS: Duration = Duration::from_secs(3);

/// And a process that cannot even end.
const KILL_AFTER: Duration = Duration::from_secs(1);

/// Why a process leaves.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leave {
    /// It was told to stop.
    Stop,
    /// The process of this number serves in its place, on the same sockets.
    HandOver(u32),
}

impl App {
    /// Unready at once; answers close their connections; then what is open may finish.
    pub(super) async fn drain(mut self, leave: Leave, mut stop: Stop) {
        match leave {
            Leave::Stop => self.manager.stopping(),
            Leave::HandOver(pid) => {
                self.manager.succeeded_by(pid);
                self.crew.tell(|| Command::HandOver);
                self.doors.iter().for_each(JoinHandle::abort); // probes are to reach the other
                event(Level::Info, "handed over; this process drains", &[("pid", &pid)]);
            }
        }
        self.shared.draining.store(true, Relaxed);
        self.listening.clear(); // the workers' holds are the last, and closing them closes
        let limit = self.generation().config.limits.drain;
        let finished = async {
            tick::sleep(DRAIN_GRACE.min(limit / 4)).await;
            self.crew.tell(|| Command::Finish);
            while !self.workers.iter().all(WorkerHandle::ended) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let forced = tokio::select! {
            done = tokio::time::timeout(limit, finished) => {
                if done.is_err() {
                    let open = self.crew.open();
                    event(Level::Warn, "drain timed out; closing what is left", &[("open", &open)]);
                }
                None
            }
            name = stop.next() => Some(name),
        };
        end_surely();
        self.visits.send_replace(true);
        let forced = match forced {
            Some(name) => Some(name),
            None => tokio::select! {
                _ = tokio::time::timeout(LAST_VISITS, self.visits.closed()) => None,
                name = stop.next() => Some(name),
            },
        };
        if let Some(name) = forced {
            event(Level::Warn, "stopped while draining", &[("signal", &name)]);
        }
        if self.workers.iter().all(WorkerHandle::ended) {
            self.writer.finish();
        }
        if self.screen.is_none() {
            event(Level::Info, "stopped", &[]);
        }
    }
}

/// Ends the process in [`END_WITHIN`], whatever holds it.
fn end_surely() {
    let end = || {
        std::thread::sleep(END_WITHIN);
        std::process::exit(0);
    };
    let kill = || {
        std::thread::sleep(END_WITHIN + KILL_AFTER);
        let _ = kill_process(getpid(), Kill::KILL);
    };
    // Without a thread to be had there is no guard, and most likely no need of one.
    let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
    let _ = thread("end").spawn(end);
    let _ = thread("kill").spawn(kill);
}

/// The signals that we know.
pub(super) struct Signals {
    /// End.
    pub(super) stop: Stop,
    /// Read the configuration again.
    pub(super) hangup: Signal,
    /// Let another process take our place.
    pub(super) upgrade: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        // A file that may grow no more is an error of the write; the signal beside it would end us.
        drop(signal(SignalKind::from_raw(Kill::XFSZ.as_raw()))?);
        Ok(Self {
            stop: Stop { terminate: signal(terminate)?, interrupt: signal(interrupt)? },
            hangup: signal(SignalKind::hangup())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }
}

/// The two signals that end a server.
pub(super) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Waits for one of them, and names it.
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
