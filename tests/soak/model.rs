//! What the right answer to every request is, and which wrong ones are excused, when.
//!
//! A token is good from the acknowledgement of its issue to the request for its end, and bad from the
//! acknowledgement of that, or from its expiry, for ever. Between the two either answer is true. A refusal
//! with 5xx is excused while a fault that explains it lasts, and for as long after it as the gateway may
//! need to be whole again; nothing excuses letting in whom nobody should.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicU8, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::{Duration, Instant},
};

use crate::{
    http::{Answer, Client, Lost, Question},
    processes::World,
};

/// No answer may take longer, whatever is broken.
const LONGEST: Duration = Duration::from_secs(3);

/// What is told of what went wrong, at most.
const NOTES: usize = 40;

const LIVE: u8 = 0;
const ENDING: u8 = 1;
const ENDED: u8 = 2;

/// A token whose issue was acknowledged.
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) subject: String,
    pub(crate) is_buyer: bool,
    /// Between which two moments it expires.
    expires: Option<(Instant, Instant)>,
    state: AtomicU8,
}

/// What a token is worth during one request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Worth {
    Good,
    Bad,
    Either,
}

impl Token {
    pub(crate) fn new(
        text: String,
        subject: String,
        is_buyer: bool,
        expires: Option<(Instant, Instant)>,
    ) -> Arc<Self> {
        Arc::new(Self { text, subject, is_buyer, expires, state: AtomicU8::new(LIVE) })
    }

    /// Its end is about to be asked for.
    pub(crate) fn ends(&self) {
        self.state.store(ENDING, SeqCst);
    }

    /// Its end was acknowledged.
    pub(crate) fn ended(&self) {
        self.state.store(ENDED, SeqCst);
    }

    pub(crate) fn is_live(&self) -> bool {
        self.state.load(SeqCst) == LIVE
            && self.expires.is_none_or(|(from, _)| Instant::now() < from)
    }

    /// From the state before the request was sent and the time of its answer.
    fn worth(&self, before: u8, sent: Instant, answered: Instant) -> Worth {
        let over = self.expires.is_some_and(|(_, until)| until <= sent);
        let begins = self.expires.is_some_and(|(from, _)| from <= answered);
        match (before, self.state.load(SeqCst)) {
            (ENDED, _) => Worth::Bad,
            _ if over => Worth::Bad,
            (LIVE, LIVE) if !begins => Worth::Good,
            _ => Worth::Either,
        }
    }
}

/// Whom a request presents.
#[derive(Clone)]
pub(crate) enum Who {
    Nobody,
    Forger,
    Holder(Arc<Token>, u8),
}

impl Who {
    pub(crate) fn holder(token: &Arc<Token>) -> Self {
        Self::Holder(Arc::clone(token), token.state.load(SeqCst))
    }
}

/// What a fault explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excuse {
    /// Records cannot be read, nor written.
    Store,
    /// Records cannot be written.
    Writes,
    /// What is forwarded fails.
    Backend,
    /// Nobody listens, and what was under way is lost.
    Killed,
    /// Nobody listens. What had begun is finished first.
    Stopped,
}

impl Excuse {
    /// What explains that there is no answer.
    pub(crate) fn of(lost: Lost) -> &'static [Self] {
        match lost {
            Lost::Refused => &[Self::Killed, Self::Stopped],
            Lost::Cut | Lost::Unheard => &[Self::Killed],
            Lost::CutInside => &[Self::Backend, Self::Killed],
            Lost::TimedOut => &[],
        }
    }
}

struct Window {
    excuse: Excuse,
    fault: &'static str,
    from: Instant,
    until: Option<Instant>,
}

/// What is counted; all but the first three have to be zero.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) requests: AtomicU64,
    pub(crate) excused: AtomicU64,
    pub(crate) retried: AtomicU64,
    pub(crate) wrong_answers: AtomicU64,
    pub(crate) wrong_admissions: AtomicU64,
    pub(crate) lost_issues: AtomicU64,
    pub(crate) lost_revocations: AtomicU64,
    pub(crate) refused_while_well: AtomicU64,
    pub(crate) late: AtomicU64,
    pub(crate) timed_out: AtomicU64,
    pub(crate) sent_twice: AtomicU64,
}

/// The truth, shared by all threads.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) counts: Counts,
    tokens: Mutex<Vec<Arc<Token>>>,
    windows: Mutex<Vec<Window>>,
    /// Excused refusals by fault and word.
    refusals: Mutex<BTreeMap<String, u64>>,
    notes: Mutex<Vec<String>>,
    longest: Mutex<Duration>,
}

impl Model {
    pub(crate) fn add(&self, token: Arc<Token>) {
        self.tokens.lock().unwrap().push(token);
    }

    /// All tokens, the oldest first.
    pub(crate) fn tokens(&self) -> Vec<Arc<Token>> {
        self.tokens.lock().unwrap().clone()
    }

    pub(crate) fn open(&self, excuse: Excuse, fault: &'static str) {
        let (from, until) = (Instant::now(), None);
        self.windows.lock().unwrap().push(Window { excuse, fault, from, until });
    }

    /// What `fault` explains is excused until then and no longer.
    pub(crate) fn close(&self, fault: &'static str, at: Instant) {
        let mut windows = self.windows.lock().unwrap();
        for window in windows.iter_mut().filter(|window| window.fault == fault) {
            window.until.get_or_insert(at);
        }
    }

    /// The fault that excuses something between these moments.
    pub(crate) fn excuse(
        &self,
        excuses: &[Excuse],
        sent: Instant,
        answered: Instant,
    ) -> Option<&'static str> {
        let windows = self.windows.lock().unwrap();
        let mut found = windows.iter().rev().filter(|window| excuses.contains(&window.excuse));
        let covers = |window: &&Window| {
            window.from <= answered && window.until.is_none_or(|until| sent <= until)
        };
        found.find(covers).map(|window| window.fault)
    }

    /// Counts one request and its outcome, and says whether it was right.
    pub(crate) fn judge(
        &self,
        target: &str,
        who: &Who,
        outcome: &Result<Answer, Lost>,
        sent: Instant,
    ) {
        let answered = Instant::now();
        self.counts.requests.fetch_add(1, Relaxed);
        let took = answered - sent;
        {
            let mut longest = self.longest.lock().unwrap();
            *longest = took.max(*longest);
        }
        let excuse = |excuses: &[Excuse]| self.excuse(excuses, sent, answered);
        if took > LONGEST && excuse(&[Excuse::Killed, Excuse::Stopped]).is_none() {
            self.note(&self.counts.late, format!("{target}: an answer after {took:?}"));
        }
        match outcome {
            Ok(answer) => self.judge_answer(target, who, answer, sent, answered),
            Err(lost) => {
                let counter = match lost {
                    Lost::TimedOut => &self.counts.timed_out,
                    Lost::Refused | Lost::Cut | Lost::Unheard | Lost::CutInside => {
                        &self.counts.refused_while_well
                    }
                };
                match excuse(Excuse::of(*lost)) {
                    Some(fault) => self.excused(fault, &format!("{lost:?}")),
                    None => self.note(counter, format!("{target}: {lost:?} after {took:?}")),
                }
            }
        }
    }

    /// Counts a request that was asked once more, for it had crossed with the end of its connection. While
    /// all is well nobody ends a connection that is in use.
    pub(crate) fn asked_again(&self, target: &str, sent: Instant) {
        self.counts.retried.fetch_add(1, Relaxed);
        if self.excuse(&[Excuse::Killed, Excuse::Stopped], sent, Instant::now()).is_none() {
            let text = format!("{target}: a connection in use was closed");
            self.note(&self.counts.refused_while_well, text);
        }
    }

    fn judge_answer(
        &self,
        target: &str,
        who: &Who,
        answer: &Answer,
        sent: Instant,
        answered: Instant,
    ) {
        let counts = &self.counts;
        let is_open = target.starts_with("/status") || target.starts_with("/catalog");
        let word = answer.reason.as_deref().unwrap_or_default();
        let said = format!("{target}: {} {word}", answer.status);
        let (worth, subject, is_buyer) = match who {
            Who::Nobody if is_open => (Worth::Good, "", false),
            Who::Nobody | Who::Forger => (Worth::Bad, "", false),
            Who::Holder(token, before) => {
                (token.worth(*before, sent, answered), &*token.subject, token.is_buyer)
            }
        };
        let wants_role = target.starts_with("/buy") && !is_buyer;
        match (answer.status, word) {
            (200, "") if worth == Worth::Bad => {
                if let Who::Holder(token, ENDED) = who {
                    self.note(&counts.lost_revocations, format!("{said} for {}", token.subject));
                }
                self.note(&counts.wrong_admissions, said);
            }
            (200, "") if wants_role => self.note(&counts.wrong_admissions, said),
            (200, "") => {
                let expected = format!("{target} {subject}");
                if answer.body != expected.as_bytes() {
                    let body = String::from_utf8_lossy(&answer.body);
                    self.note(&counts.wrong_answers, format!("{expected:?} was answered {body:?}"));
                }
            }
            (403, "role_missing") if wants_role && worth != Worth::Bad => {}
            (401, "unauthenticated") if matches!(who, Who::Nobody) && !is_open => {}
            (401, "token_forged") if matches!(who, Who::Forger) => {}
            (401, "token_unknown" | "token_expired" | "token_revoked")
                if worth != Worth::Good && matches!(who, Who::Holder(..)) => {}
            (401, "token_unknown") if worth == Worth::Good => self.note(&counts.lost_issues, said),
            (503, "store_unavailable") if matches!(who, Who::Holder(..)) => {
                self.refused(&[Excuse::Store], word, said, sent, answered);
            }
            (502..=504, word)
                if word.starts_with("backend_") && worth != Worth::Bad && !wants_role =>
            {
                self.refused(&[Excuse::Backend], word, said, sent, answered);
            }
            _ => self.note(&counts.wrong_answers, said),
        }
    }

    fn refused(
        &self,
        excuses: &[Excuse],
        word: &str,
        said: String,
        sent: Instant,
        answered: Instant,
    ) {
        match self.excuse(excuses, sent, answered) {
            Some(fault) => self.excused(fault, word),
            None => self.note(&self.counts.refused_while_well, said),
        }
    }

    pub(crate) fn excused(&self, fault: &str, word: &str) {
        self.counts.excused.fetch_add(1, Relaxed);
        *self.refusals.lock().unwrap().entry(format!("{fault}: {word}")).or_default() += 1;
    }

    pub(crate) fn note(&self, counter: &AtomicU64, text: String) {
        counter.fetch_add(1, Relaxed);
        let last = self.windows.lock().unwrap().last().map_or("none yet", |window| window.fault);
        let mut notes = self.notes.lock().unwrap();
        if notes.len() < NOTES {
            println!("  WRONG {text} (last fault: {last})");
            notes.push(text);
        }
    }

    /// Asks for everything that was ever acknowledged, one after the other.
    pub(crate) fn check_all(&self, world: &World) {
        let mut client = Client::new(world.address, world.backend_address);
        for token in self.tokens() {
            let (who, sent) = (Who::holder(&token), Instant::now());
            let (method, target, token) = ("GET", "/orders/check", Some(&*token.text));
            let (outcome, again) = client.ask(Question { method, target, token });
            if again {
                self.asked_again(target, sent);
            }
            self.judge(target, &who, &outcome, sent);
        }
    }

    /// What stands in the backend's journal more than once was sent more than once.
    pub(crate) fn count_twice(&self, journal: &Path) {
        let mut seen: HashMap<String, u64> = HashMap::new();
        for line in fs::read_to_string(journal).unwrap_or_default().lines() {
            *seen.entry(line.to_owned()).or_default() += 1;
        }
        for (target, count) in seen.into_iter().filter(|(_, count)| *count > 1) {
            self.note(&self.counts.sent_twice, format!("POST {target} came {count} times"));
        }
    }

    pub(crate) fn refusals(&self) -> BTreeMap<String, u64> {
        self.refusals.lock().unwrap().clone()
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap().clone()
    }

    pub(crate) fn longest(&self) -> Duration {
        *self.longest.lock().unwrap()
    }
}
