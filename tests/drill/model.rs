//! What is right: which tokens and rights were acknowledged, where and when they were ended, and what an answer
//! is worth in that light.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

/// What is promised of a revocation at other gateways than the one that acknowledged it.
pub(crate) const PROMISED: Duration = Duration::from_secs(2);

/// Something that lets its holder in until it is ended.
#[derive(Default)]
pub(crate) struct Right {
    /// Somebody has asked for its end, which may have happened.
    ending: AtomicBool,
    /// When its end was acknowledged, microseconds after the drill's beginning; 0 not (yet).
    ended: AtomicU64,
    /// By which gateway.
    by: AtomicUsize,
}

/// What was known of a right when somebody used it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    LetIn,
    Refused,
    /// Its end is on its way.
    Either,
}

impl Right {
    pub(crate) fn ends(&self) {
        self.ending.store(true, SeqCst);
    }

    pub(crate) fn ended(&self, by: usize, now: u64) {
        self.by.store(by, SeqCst);
        self.ended.store(now.max(1), SeqCst);
    }

    pub(crate) fn is_live(&self) -> bool {
        !self.ending.load(SeqCst)
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(SeqCst) > 0
    }

    /// What a request that is sent to `gateway` at `now` has to be answered.
    pub(crate) fn expected(&self, gateway: usize, now: u64) -> Expected {
        let ended = self.ended.load(SeqCst);
        let promised = if self.by.load(SeqCst) == gateway { Duration::ZERO } else { PROMISED };
        if self.is_live() {
            Expected::LetIn
        } else if ended > 0 && now > ended + u64::try_from(promised.as_micros()).unwrap() {
            Expected::Refused
        } else {
            Expected::Either
        }
    }
}

/// A token that was acknowledged.
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) user: usize,
    pub(crate) right: Right,
}

/// What an event did to those who asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) asked: usize,
    /// Let in who should not have been.
    pub(crate) wrong: usize,
    /// Good requests that were refused: how often each was said.
    pub(crate) refused: BTreeMap<String, usize>,
    /// When the first and the last of them were refused.
    pub(crate) span: Option<(Instant, Instant)>,
}

pub(crate) struct Model {
    start: Instant,
    pub(crate) tokens: Mutex<Vec<Arc<Token>>>,
    /// By user: whether it is an editor.
    pub(crate) editors: Vec<Right>,
    tally: Mutex<Tally>,
}

impl Model {
    pub(crate) fn new(users: usize) -> Self {
        let editors = (0..users).map(|_| Right::default()).collect();
        let (tokens, tally) = (Mutex::default(), Mutex::default());
        Self { start: Instant::now(), tokens, editors, tally }
    }

    /// Microseconds since the beginning.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap()
    }

    pub(crate) fn tokens(&self) -> Vec<Arc<Token>> {
        self.tokens.lock().unwrap().clone()
    }

    pub(crate) fn take_tally(&self) -> Tally {
        std::mem::take(&mut *self.tally.lock().unwrap())
    }

    /// Judges an answer to a request of which `expected` was known when it was sent; `still` is known now.
    pub(crate) fn judge(&self, expected: Expected, verdict: &str, still: bool) {
        let mut tally = self.tally.lock().unwrap();
        tally.asked += 1;
        let is_in = verdict == "200";
        match expected {
            Expected::Refused if is_in => tally.wrong += 1,
            Expected::LetIn if !is_in && still => {
                *tally.refused.entry(verdict.to_owned()).or_default() += 1;
                let now = Instant::now();
                tally.span = Some((tally.span.map_or(now, |(first, _)| first), now));
            }
            Expected::LetIn | Expected::Refused | Expected::Either => {}
        }
    }
}
