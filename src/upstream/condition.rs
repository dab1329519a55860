//! What a worker thinks of a server by what became of its own requests: whether it takes connections, and
//! whether requests that it took are answered. Values and instants only; nothing here waits.
//!
//! Invariant: a server that takes no connection is left out until somebody got one; trying it again and again
//! does nobody good. One that answers badly comes back by itself when its time is over.

use std::{
    cell::{Cell, RefCell},
    io,
    time::{Duration, Instant},
};

use super::UpstreamError;
use crate::config::Ejection;

/// How soon a server that takes no connection is looked at again: at first, and at most. Whoever waits for it is
/// promised that it is used within two seconds of its return, of which a look may take one.
const PROBE_FIRST: Duration = Duration::from_millis(50);
const PROBE_MAX: Duration = Duration::from_millis(500);

/// Whatever else keeps us from connecting is worth no client's time when it took longer than this.
const QUICK: Duration = Duration::from_millis(100);

/// After so many times the longest pause without a fault, the next one is short again.
const FORGET_AFTER: u32 = 2;

/// What is thought of one server.
#[derive(Default)]
pub(super) struct Condition {
    /// Connects that failed, one after the other.
    refusals: Cell<u32>,
    /// How the last one failed.
    why: RefCell<Option<Why>>,
    probe: Cell<Option<Probe>>,
    /// Requests without an answer, one after the other.
    faults: Cell<u32>,
    /// Left out for faults until then.
    until: Cell<Option<Instant>>,
    /// How often it was left out lately, and when last.
    times: Cell<(u32, Option<Instant>)>,
}

/// When a server that takes no connection is looked at again.
#[derive(Clone, Copy)]
struct Probe {
    due: Instant,
    pause: Duration,
    /// Whether it refuses at once, so that a request may try.
    quick: bool,
}

/// How a connect failed, to be said again.
enum Why {
    Connect(io::ErrorKind, Option<i32>, String),
    Tls(String),
    Late,
}

impl Condition {
    /// A connection was made.
    pub(super) fn connected(&self) {
        self.refusals.set(0);
        self.probe.set(None);
    }

    /// A connect failed, after so long.
    pub(super) fn refused(
        &self,
        error: &UpstreamError,
        took: Duration,
        (now, rules): (Instant, &Ejection),
        jitter: u64,
    ) {
        let Some(why) = Why::of(error) else { return };
        self.why.replace(Some(why));
        self.refusals.set(self.refusals.get().saturating_add(1));
        if self.refusals.get() < rules.after {
            return;
        }
        let pause = self.probe.get().map_or(PROBE_FIRST, |probe| probe.pause);
        // Up to a quarter sooner, so that workers and gateways do not come all at once.
        let due = now + pause - pause * part(jitter, 25) / 100;
        let quick = is_refusal(error)
            || (took <= QUICK && !matches!(error, UpstreamError::ConnectTimedOut));
        self.probe.set(Some(Probe { due, pause: (pause * 2).min(PROBE_MAX), quick }));
    }

    /// Whether it takes connections, as far as is known.
    pub(super) fn is_reachable(&self) -> bool {
        self.probe.get().is_none()
    }

    /// Whether it is time to look whether it takes connections again.
    pub(super) fn is_probe_due(&self, now: Instant) -> bool {
        self.probe.get().is_some_and(|probe| probe.due <= now)
    }

    /// Whether a request may look: it learns at once.
    pub(super) fn is_quick(&self) -> bool {
        self.probe.get().is_some_and(|probe| probe.quick)
    }

    /// How the last connect failed.
    pub(super) fn last_error(&self) -> Option<UpstreamError> {
        self.why.borrow().as_ref().map(Why::error)
    }

    /// A request was answered.
    pub(super) fn answered(&self) {
        if self.faults.get() != 0 {
            self.faults.set(0);
        }
    }

    /// A request that it had taken was not answered. Returns whether the server is left out from now on.
    pub(super) fn failed(&self, (now, rules): (Instant, &Ejection), jitter: u64) -> bool {
        self.faults.set(self.faults.get().saturating_add(1));
        if self.faults.get() < rules.after || !self.is_in(now) {
            return false;
        }
        let (times, last) = self.times.get();
        let calm =
            last.is_none_or(|last| now.saturating_duration_since(last) > rules.max * FORGET_AFTER);
        let times = if calm { 0 } else { times };
        let pause = rules.base.saturating_mul(1 << times.min(20)).min(rules.max);
        let pause = pause + pause * part(jitter, 25) / 100;
        self.until.set(Some(now + pause));
        self.times.set((times + 1, Some(now + pause)));
        // One more fault when it is back, and it is out again.
        self.faults.set(rules.after - 1);
        true
    }

    /// Whether its time to be left out for faults is over, or never began.
    pub(super) fn is_in(&self, now: Instant) -> bool {
        self.until.get().is_none_or(|until| until <= now)
    }
}

/// Whether somebody said no, which never takes long; clocks are coarse, and a busy machine is slow.
fn is_refusal(error: &UpstreamError) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    matches!(error, UpstreamError::Connect(why) if matches!(why.kind(), ConnectionRefused | NotFound))
}

/// Up to `most`, by chance.
fn part(jitter: u64, most: u64) -> u32 {
    u32::try_from(jitter % (most + 1)).unwrap_or(0)
}

impl Why {
    /// `None` where the fault is ours: for want of descriptors, ports or memory no server is left out.
    fn of(error: &UpstreamError) -> Option<Self> {
        match error {
            UpstreamError::Connect(error) => {
                use rustix::io::Errno;
                let ours =
                    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL];
                let code = error.raw_os_error();
                let is_ours = ours.iter().any(|errno| Some(errno.raw_os_error()) == code);
                (!is_ours).then(|| Self::Connect(error.kind(), code, error.to_string()))
            }
            UpstreamError::Tls(why) => Some(Self::Tls(why.to_string())),
            UpstreamError::ConnectTimedOut => Some(Self::Late),
            UpstreamError::Busy
            | UpstreamError::TimedOut
            | UpstreamError::Closed
            | UpstreamError::BadResponse
            | UpstreamError::Body(_) => None,
        }
    }

    fn error(&self) -> UpstreamError {
        match self {
            Self::Connect(_, Some(code), _) => {
                UpstreamError::Connect(io::Error::from_raw_os_error(*code))
            }
            Self::Connect(kind, None, text) => {
                UpstreamError::Connect(io::Error::new(*kind, text.clone()))
            }
            Self::Tls(text) => UpstreamError::Tls(io::Error::other(text.clone())),
            Self::Late => UpstreamError::ConnectTimedOut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Ejection =
        Ejection { after: 3, base: Duration::from_secs(1), max: Duration::from_secs(4), floor: 50 };

    fn refused() -> UpstreamError {
        UpstreamError::Connect(io::ErrorKind::ConnectionRefused.into())
    }

    #[test]
    fn a_server_is_unreachable_after_three_refusals_in_a_row_and_until_a_connection() {
        let (condition, now) = (Condition::default(), Instant::now());
        let refuse = |error: &UpstreamError| {
            condition.refused(error, Duration::ZERO, (now, &RULES), 0);
        };
        (0..2).for_each(|_| refuse(&refused()));
        condition.connected();
        (0..2).for_each(|_| refuse(&refused()));
        assert!(condition.is_reachable());
        refuse(&refused());
        assert!(!condition.is_reachable() && condition.is_quick());
        assert!(matches!(condition.last_error(), Some(UpstreamError::Connect(_))));
        condition.connected();
        assert!(condition.is_reachable());
    }

    #[test]
    fn what_we_lack_ourselves_is_no_fault_of_the_server() {
        let (condition, now) = (Condition::default(), Instant::now());
        let full = io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        for _ in 0..9 {
            let error =
                UpstreamError::Connect(io::Error::from_raw_os_error(full.raw_os_error().unwrap()));
            condition.refused(&error, Duration::ZERO, (now, &RULES), 0);
        }
        assert!(condition.is_reachable());
    }

    #[test]
    fn looks_come_later_each_time_and_at_least_twice_a_second() {
        let (condition, mut now) = (Condition::default(), Instant::now());
        let mut pauses = Vec::new();
        for jitter in 0..12 {
            let late = UpstreamError::ConnectTimedOut;
            condition.refused(&late, PROBE_MAX, (now, &RULES), jitter * 7);
            if let Some(probe) = condition.probe.get() {
                assert!(!probe.quick, "no client waits for it");
                pauses.push(probe.due - now);
                assert!(!condition.is_probe_due(now) && condition.is_probe_due(probe.due));
                now = probe.due;
            }
        }
        assert!(pauses[0] <= PROBE_FIRST && pauses[3] > pauses[0]);
        assert!(pauses.iter().all(|pause| *pause <= PROBE_MAX));
    }

    #[test]
    fn faults_in_a_row_leave_a_server_out_for_longer_each_time() {
        let (condition, mut now) = (Condition::default(), Instant::now());
        let fail = |now| condition.failed((now, &RULES), 0);
        assert!(!fail(now) && !fail(now) && fail(now));
        assert!(!condition.is_in(now));
        for seconds in [1, 2, 4, 4] {
            assert!(!condition.is_in(now + Duration::from_millis(seconds * 1000 - 1)));
            now += Duration::from_secs(seconds);
            assert!(condition.is_in(now), "after {seconds} s");
            assert!(condition.failed((now, &RULES), 0), "one more fault is enough");
        }
        // Long after, three faults and a second again.
        now += RULES.max * 4;
        condition.answered();
        let fail = |now| condition.failed((now, &RULES), 0);
        assert!(!fail(now) && !fail(now) && fail(now));
        assert!(condition.is_in(now + RULES.base));
    }

    #[test]
    fn an_answer_between_faults_keeps_a_server_in() {
        let (condition, now) = (Condition::default(), Instant::now());
        for _ in 0..9 {
            condition.failed((now, &RULES), 0);
            condition.failed((now, &RULES), 0);
            condition.answered();
        }
        assert!(condition.is_in(now));
    }
}
