//! Exchanges that last (connections that have switched protocols, event streams, gRPC streams), judged
//! again for as long as they do.
//!
//! A worker's tick looks at each: has its token's time come, has anything been revoked here, is there a
//! new configuration, is what the store said of it so old that it has to be asked again? Then the same
//! is asked as of a new request, with what that one would present. Who may no longer is told so and ended.
//!
//! Invariant: nothing here lets anybody in. A judgement can only end what a [`Permit`] has begun.

use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    rc::{Rc, Weak},
    task::{Context, Waker},
    time::{Duration, Instant, SystemTime},
};

use http::{Method, StatusCode, header::CONTENT_TYPE};
use tokio::task::spawn_local;

use super::{Refusal, state::State, tenancy};
use crate::{
    auth::{
        credential::Credential,
        hot::Caller,
        resolve::{Level, Resolved},
    },
    fences::Fences,
    policy::{self, Match, Permit, Presented, Requirement, TenantRequest},
    principal::Certificate,
    request::{authority::Authority, path::CanonicalPath, upgrade::UpgradeError},
    store::Source,
    telemetry::{instant::unix_ms, metrics::Decision},
    tick,
    wire::Fields,
};

/// Time between two judgements when nothing seems to have changed: what another gateway has revoked is
/// noticed at most this much later than by a request.
const AGAIN: Duration = Duration::from_millis(500);

/// Judgements of one worker under way at once: a store that answers slowly is not buried in questions. One
/// tick begins no more than these, so that twenty thousand exchanges have their turn in a second.
const JUDGING_MAX: usize = 1024;

/// How much longer than for requests an identity may go unconfirmed while the store cannot answer: time
/// for a restart of it, and together with that of requests (a second) what is promised of revocations.
const UNCONFIRMED: Duration = Duration::from_secs(1);

/// What lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A connection that has switched protocols.
    Tunnel,
    /// `text/event-stream`: its client comes again by itself.
    Events,
    /// `application/grpc`, and whether its client takes trailers. It may be a single call, too.
    Grpc { trailers: bool },
}

impl Kind {
    /// Whether an answer of these fields may last, by its content type.
    pub(super) fn of(fields: &Fields, trailers: bool) -> Option<Self> {
        let kind = fields.get(&CONTENT_TYPE)?.as_bytes();
        let begins = |word: &str| {
            kind.get(..word.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(word.as_bytes()))
        };
        match kind.first()? | 0x20 {
            b't' if begins("text/event-stream") => Some(Self::Events),
            b'a' if begins("application/grpc") => Some(Self::Grpc { trailers }),
            _ => None,
        }
    }
}

/// What was judged, as it has to be judged again.
pub(super) struct Judged {
    pub(super) method: Method,
    pub(super) authority: Authority,
    /// As it was judged: with `[usergrid]` the one form of its tenant's path.
    pub(super) path: CanonicalPath,
    /// Nobody's credential is kept that was not looked at.
    pub(super) caller: Option<Rc<Caller>>,
    /// Valid until its own end, which is judged each time.
    pub(super) certificate: Option<Certificate>,
    pub(super) address: Option<IpAddr>,
    /// The protocol that its rule must still allow.
    pub(super) protocol: Option<Box<str>>,
}

/// What a judgement rests on.
pub(super) struct Stands {
    /// When the credential ends, milliseconds since the epoch.
    pub(super) expires_ms: i64,
    /// Since when the store has said so, at the least; `None` when it could not be asked.
    confirmed: Option<Instant>,
}

/// Why an exchange ends that both its ends would go on with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    /// The word for the log, and for the client where it can be told one.
    pub(super) reason: &'static str,
    pub(super) decision: Decision,
    /// The status of a new request in its place.
    status: StatusCode,
}

impl Ending {
    /// The gateway stops.
    const GOING_AWAY: Self = Self {
        reason: "going_away",
        decision: Decision::Permit,
        status: StatusCode::SERVICE_UNAVAILABLE,
    };

    /// Nothing has come from either side for longer than `[limits] tunnel-idle`.
    pub(super) const IDLE: Self = Self {
        reason: "tunnel_idle",
        decision: Decision::Permit,
        status: StatusCode::REQUEST_TIMEOUT,
    };

    fn refused(refusal: &Refusal) -> Self {
        let status = refusal.status();
        let failed = status.is_server_error();
        let decision = if failed { Decision::Error } else { Decision::Deny };
        Self { reason: refusal.reason(), decision, status }
    }

    /// The code of a WebSocket's Close frame (RFC 6455 7.4.1): going away, try again later, policy.
    pub(super) fn close_code(self) -> u16 {
        match self.decision {
            Decision::Permit => 1001,
            Decision::Error => 1013,
            Decision::Deny => 1008,
        }
    }

    /// The `grpc-status` of its trailers: UNAUTHENTICATED, UNAVAILABLE, PERMISSION_DENIED.
    pub(super) fn grpc_status(self) -> u16 {
        match self.status {
            StatusCode::UNAUTHORIZED => 16,
            status if status.is_server_error() => 14,
            _ => 7,
        }
    }
}

/// All of a worker.
#[derive(Default)]
pub(crate) struct Lasting {
    entries: RefCell<Vec<Weak<Entry>>>,
    /// Since when the gateway takes nothing new.
    leaving: Cell<Option<Instant>>,
    judging: Rc<Cell<usize>>,
}

/// One that lasts, until it is dropped.
pub(super) struct Entry {
    kind: Kind,
    judged: Judged,
    /// Under which it was judged last.
    state: RefCell<Rc<State>>,
    seen: Cell<Seen>,
    again: Cell<Instant>,
    expires_ms: Cell<i64>,
    confirmed: Cell<Instant>,
    judging: Rc<Cell<bool>>,
    ending: Cell<Option<Ending>>,
    waker: RefCell<Option<Waker>>,
}

/// The fences as a judgement found them.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    moves: u64,
    epoch: u32,
}

impl Seen {
    fn of(fences: &Fences) -> Self {
        Self { moves: fences.moves(), epoch: fences.epoch() }
    }
}

impl Lasting {
    /// Takes note of what has just been permitted under `state`.
    pub(super) fn enter(&self, kind: Kind, state: &Rc<State>, judged: Judged) -> Rc<Entry> {
        let now = tick::now();
        let fences = state.resolver.near().fences();
        let caller = judged.caller.as_deref();
        let entry = Rc::new(Entry {
            kind,
            // Anything that moved since the permit is not to be overlooked: the first tick asks again.
            seen: Cell::new(Seen { moves: u64::MAX, ..Seen::of(fences) }),
            again: Cell::new(now),
            expires_ms: Cell::new(caller.map_or(i64::MAX, |caller| caller.expires_ms)),
            confirmed: Cell::new(now),
            state: RefCell::new(Rc::clone(state)),
            judged,
            judging: Rc::default(),
            ending: Cell::new(None),
            waker: RefCell::new(None),
        });
        self.entries.borrow_mut().push(Rc::downgrade(&entry));
        entry
    }

    /// The gateway stops: what would not end by itself is told to go.
    pub(crate) fn leave(&self) {
        self.leaving.set(Some(tick::now()));
    }

    /// Looks at each, and returns how many tunnels there are.
    pub(super) fn tick(&self, state: &Rc<State>, now: Instant) -> usize {
        if self.entries.borrow().is_empty() {
            return 0;
        }
        let mut tunnels = 0;
        let mut living: Vec<Rc<Entry>> = Vec::new();
        self.entries.borrow_mut().retain(|entry| {
            let Some(entry) = entry.upgrade() else { return false };
            tunnels += usize::from(entry.kind == Kind::Tunnel);
            living.push(entry);
            true
        });
        let seen = Seen::of(state.resolver.near().fences());
        let now_ms = unix_ms(SystemTime::now());
        let turn = |entry: &Rc<Entry>| {
            if self.has_left(entry, state, now) {
                entry.end(Ending::GOING_AWAY);
            } else if entry.is_due(state, seen, now, now_ms) {
                if self.judging.get() >= JUDGING_MAX {
                    return false;
                }
                let judging = Judging::new(&self.judging, &entry.judging);
                Rc::clone(entry).judge_again(Rc::clone(state), seen, judging);
            }
            true
        };
        take_turns(&mut self.entries.borrow_mut(), &living, turn);
        tunnels
    }

    /// Whether a stopping gateway waits no longer for this one. A gRPC stream may be a call that is about
    /// to be answered: it has most of the drain's time.
    fn has_left(&self, entry: &Entry, state: &State, now: Instant) -> bool {
        let Some(since) = self.leaving.get() else { return false };
        match entry.kind {
            Kind::Tunnel | Kind::Events => true,
            Kind::Grpc { .. } => {
                now.saturating_duration_since(since) >= state.config.limits.drain / 2
            }
        }
    }
}

/// Gives each of `living`, which are all of `entries`, its turn until one gets none. That one is the first the
/// next time: whoever came first must not have all the turns there are.
fn take_turns<T>(entries: &mut [Weak<T>], living: &[Rc<T>], turn: impl FnMut(&Rc<T>) -> bool) {
    let mut turn = turn;
    if let Some(left_out) = living.iter().position(|entry| !turn(entry)) {
        entries.rotate_left(left_out);
    }
}

/// One judgement for as long as it runs. However it ends, by a defect of ours too, its exchange is due again:
/// else nobody would ever ask again whether it may go on.
struct Judging {
    count: Rc<Cell<usize>>,
    runs: Rc<Cell<bool>>,
}

impl Judging {
    fn new(count: &Rc<Cell<usize>>, runs: &Rc<Cell<bool>>) -> Self {
        count.set(count.get() + 1);
        runs.set(true);
        Self { count: Rc::clone(count), runs: Rc::clone(runs) }
    }
}

impl Drop for Judging {
    fn drop(&mut self) {
        self.count.set(self.count.get() - 1);
        self.runs.set(false);
    }
}

impl Entry {
    /// Why it ends, once that is known; the task is woken then.
    pub(super) fn poll_ending(&self, cx: &Context<'_>) -> Option<Ending> {
        let ending = self.ending.get();
        if ending.is_none() {
            match &mut *self.waker.borrow_mut() {
                Some(known) => known.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
        ending
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    fn end(&self, ending: Ending) {
        if self.ending.get().is_none() {
            self.ending.set(Some(ending));
            let waker = self.waker.borrow_mut().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn is_due(&self, state: &Rc<State>, seen: Seen, now: Instant, now_ms: i64) -> bool {
        !self.judging.get()
            && self.ending.get().is_none()
            && (now >= self.again.get()
                || self.seen.get() != seen
                || self.expires_ms.get() <= now_ms
                || !Rc::ptr_eq(&self.state.borrow(), state))
    }

    fn judge_again(self: Rc<Self>, state: Rc<State>, seen: Seen, judging: Judging) {
        spawn_local(async move {
            let outcome = self.judged.stands(&state).await;
            self.settle(outcome, state, seen);
            drop(judging);
        });
    }

    fn settle(&self, outcome: Result<Stands, Refusal>, state: Rc<State>, seen: Seen) {
        let now = tick::now();
        let within = state.resolver.near().vouched_within();
        match outcome {
            Ok(stands) => {
                self.expires_ms.set(stands.expires_ms);
                let before = self.confirmed.get();
                self.confirmed.set(stands.confirmed.map_or(before, |now| now.max(before)));
                self.seen.set(seen);
                self.again.set(now + AGAIN.min(within));
                self.state.replace(state);
            }
            Err(refusal) => {
                // Nobody could tell: asked again at the next tick, for a while.
                let unknown = refusal.status().is_server_error()
                    || refusal.status() == StatusCode::TOO_MANY_REQUESTS;
                let age = now.saturating_duration_since(self.confirmed.get());
                if !unknown || age > within + UNCONFIRMED {
                    self.end(Ending::refused(&refusal));
                }
            }
        }
    }
}

impl Judged {
    /// Whether a new request in its place would pass now.
    async fn stands(&self, state: &State) -> Result<Stands, Refusal> {
        match &state.office {
            Some(office) => tenancy::stands(self, state, office).await,
            None => self.by_rules(state, &self.path).await,
        }
    }

    /// The rule of the moment for `path`.
    pub(super) fn rule<'a>(&self, state: &'a State, path: &'a CanonicalPath) -> Option<Match<'a>> {
        state.config.rules.find(&self.method, self.authority.host(), path)
    }

    /// Where no tenant has a say.
    pub(super) async fn by_rules(
        &self,
        state: &State,
        path: &CanonicalPath,
    ) -> Result<Stands, Refusal> {
        let rule = self.rule(state, path);
        let known = match rule.as_ref().is_some_and(is_public) {
            true => None,
            false => self.resolve(state).await?,
        };
        self.decide(state, rule.as_ref(), known.as_ref(), None)
    }

    /// Whom its credential proves now.
    pub(super) async fn resolve(&self, state: &State) -> Result<Option<Resolved>, Refusal> {
        let Some(caller) = &self.caller else { return Ok(None) };
        let now_ms = unix_ms(SystemTime::now());
        let resolved = match caller.credential() {
            Credential::Token(token) => {
                let source = Source::of(self.address);
                state.resolver.resolve_at(token.expose(), now_ms, Instant::now(), source).await?
            }
            Credential::Client { id, secret } => {
                state.resolver.client(id, secret, self.address).await?
            }
        };
        Ok(Some(resolved))
    }

    /// The decision about a new request in its place.
    pub(super) fn decide(
        &self,
        state: &State,
        rule: Option<&Match<'_>>,
        known: Option<&Resolved>,
        tenant: Option<&TenantRequest<'_>>,
    ) -> Result<Stands, Refusal> {
        let now = Instant::now();
        let presented =
            known.map_or(Presented::Nothing, |known| Presented::Proven(&known.identity.principal));
        let certificate = self.certificate.as_ref();
        let permit = policy::decide(rule, presented, SystemTime::now(), tenant, certificate)?;
        self.may_switch(&permit)?;
        let Some(known) = known else {
            return Ok(Stands { expires_ms: i64::MAX, confirmed: Some(now) });
        };
        let confirmed = match known.level {
            Level::Hot | Level::Near => now.checked_sub(state.resolver.near().vouched_within()),
            Level::Store => now.checked_sub(known.store_time),
            Level::Grace => None,
        };
        Ok(Stands { expires_ms: known.identity.expires_ms, confirmed })
    }

    fn may_switch(&self, permit: &Permit<'_>) -> Result<(), UpgradeError> {
        if self.protocol.is_none() || permit.rule().upgrade == self.protocol {
            return Ok(());
        }
        Err(UpgradeError::NotAllowed)
    }
}

pub(super) fn is_public(found: &Match<'_>) -> bool {
    matches!(found.rule.requirement, Requirement::Public)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    use super::*;

    #[test]
    fn a_judgement_that_panics_runs_no_longer() {
        let (count, runs) = (Rc::default(), Rc::default());
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _judging = Judging::new(&count, &runs);
            assert_eq!((count.get(), runs.get()), (1, true));
            resume_unwind(Box::new("a defect"));
        }));
        assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"a defect"));
        assert_eq!((count.get(), runs.get()), (0, false));
    }

    #[test]
    fn everybody_has_a_turn_although_the_first_want_one_each_time() {
        let all: Vec<Rc<Cell<usize>>> = (0..10).map(|_| Rc::default()).collect();
        let mut entries: Vec<Weak<Cell<usize>>> = all.iter().map(Rc::downgrade).collect();
        for _ in 0..20 {
            let living: Vec<_> = entries.iter().filter_map(Weak::upgrade).collect();
            let mut left = 3;
            take_turns(&mut entries, &living, |entry| {
                let has = left > 0;
                left -= usize::from(has);
                entry.set(entry.get() + usize::from(has));
                has
            });
        }
        assert!(all.iter().all(|turns| turns.get() == 6), "{all:?}");
    }
}
