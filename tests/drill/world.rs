//! Three gateways of one tenant, their load, and an operator who issues and revokes all the while.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    fleet::Fleet,
    harness::{
        backend::Backend,
        client::{Answer, Client, bearer, get, request},
        gateway::{Gateway, PASSWORD, SHOP, Setup},
        until,
    },
    load::{Addresses, Dice, Load, ask},
    model::{Model, PROMISED, Token},
    report::Row,
};

pub(crate) const GATEWAYS: usize = 3;
/// The first of them are for events; tokens of the others come and go.
pub(crate) const USERS: usize = 24;
const FOR_EVENTS: usize = 12;
const TOKENS_EACH: usize = 3;
/// Live tokens, beyond which the operator revokes.
const LIVE_MAX: usize = 120;
/// Between two acts of the operator.
const OPERATOR_PACE: Duration = Duration::from_millis(100);
/// Nobody.
const NONE: usize = usize::MAX;

/// The tables of every gateway's file; the time changes at a reload.
pub(crate) const TABLES: &str =
    "[usergrid]\n[limits]\nkeep-alive = \"75s\"\n[log]\naccess = \"off\"";

/// Somebody who may do all in the tenant, at any gateway.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) addresses: Addresses,
    token: String,
}

impl Admin {
    /// Who logs in at the first gateway.
    pub(crate) fn of(addresses: Addresses) -> Self {
        let body = json!({ "grant_type": "password", "username": "olga", "password": PASSWORD });
        let mut admin = Self { addresses, token: String::new() };
        admin.token = until("the admin", || {
            let answer = admin.try_call(0, "POST", "/management/token", &body.to_string())?;
            answer.json()["access_token"].as_str().map(str::to_owned)
        });
        admin
    }

    fn address(&self, gateway: usize) -> SocketAddr {
        self.addresses.lock().unwrap()[gateway]
    }

    /// An answer that says that it was done.
    fn try_call(&self, gateway: usize, method: &str, target: &str, body: &str) -> Option<Answer> {
        let fields = if self.token.is_empty() { String::new() } else { bearer(&self.token) };
        let mut client = Client::try_connect(self.address(gateway))?;
        let answer = client.send(request(method, target, &fields, body)).try_answer(false)?;
        (answer.status == 200).then_some(answer)
    }

    pub(crate) fn call(&self, gateway: usize, method: &str, target: &str, body: &str) -> Answer {
        until(target, || self.try_call(gateway, method, target, body))
    }

    /// The role has these permissions and no others.
    fn permit(&self, role: &str, permission: &str) {
        let roles = "/acme/shop/roles";
        self.try_call(0, "POST", roles, &json!({ "name": role }).to_string());
        let target = format!("{roles}/{role}/permissions");
        for old in self.call(0, "GET", &target, "").json()["data"].as_array().unwrap() {
            let old = old.as_str().unwrap().replace(',', "%2C");
            self.call(0, "DELETE", &format!("{target}?permission={old}"), "");
        }
        self.call(0, "POST", &target, &json!({ "permission": permission }).to_string());
    }

    /// The tenant: all may see cats, editors drafts, and guests the news.
    pub(crate) fn furnish(&self, users: usize) {
        self.permit("default", "get:/cats");
        self.permit("editor", "get:/drafts");
        self.permit("guest", "get:/news");
        for user in 0..users {
            let made = json!({ "username": format!("u{user}") }).to_string();
            self.call(0, "POST", "/acme/shop/users", &made);
            self.call(0, "POST", &format!("/acme/shop/users/u{user}/roles/editor"), "");
        }
    }

    /// A token of the user, once it is acknowledged.
    pub(crate) fn issue(&self, gateway: usize, user: usize) -> Option<String> {
        let target = format!("/acme/shop/users/u{user}/token");
        let answer = self.try_call(gateway, "GET", &target, "")?;
        answer.json()["access_token"].as_str().map(str::to_owned)
    }

    pub(crate) fn revoke(&self, gateway: usize, user: usize, token: &str) -> bool {
        let target = format!("/acme/shop/users/u{user}/revoketoken?token={token}");
        self.try_call(gateway, "PUT", &target, "").is_some()
    }

    /// What somebody with `token` is told.
    pub(crate) fn verdict(&self, gateway: usize, token: &str, target: &str) -> String {
        let request = get(target, &bearer(token));
        ask(&mut None, self.address(gateway), &request).unwrap_or_default()
    }
}

pub(crate) struct World {
    pub(crate) fleet: Fleet,
    pub(crate) gates: Vec<Gateway>,
    pub(crate) admin: Admin,
    pub(crate) model: Arc<Model>,
    pub(crate) dice: Dice,
    /// The server that failed last.
    pub(crate) broken: usize,
    /// A gateway that the operator leaves alone.
    pub(crate) away: Arc<AtomicUsize>,
    /// Held while the operator acts.
    pub(crate) acts: Arc<Mutex<()>>,
    stop: Arc<AtomicBool>,
    operator: JoinHandle<()>,
    load: Load,
    _backend: Backend,
}

/// An event that has begun.
#[derive(Clone, Copy)]
pub(crate) struct Begun {
    event: &'static str,
    at: Instant,
}

/// A gateway over `store`; the first one makes the tenant.
pub(crate) fn gateway(backend: &Backend, store: &str) -> Gateway {
    Setup::new(&backend.url()).key("store", store).tables(TABLES).bootstrap(SHOP).start()
}

impl World {
    pub(crate) fn start(fleet: Fleet, seed: u64) -> Self {
        let backend = Backend::plain();
        let gates: Vec<Gateway> =
            (0..GATEWAYS).map(|number| gateway(&backend, &fleet.store(number))).collect();
        let addresses = gates.iter().map(|gate| gate.address).collect();
        let admin = Admin::of(Arc::new(Mutex::new(addresses)));
        admin.furnish(USERS);
        let model = Arc::new(Model::new(USERS));
        for number in 0..USERS * TOKENS_EACH {
            let user = number % USERS;
            let text = until("a token", || admin.issue(number % GATEWAYS, user));
            let token = Token { text, user, right: Default::default() };
            model.tokens.lock().unwrap().push(Arc::new(token));
        }
        let (away, acts) = (Arc::new(AtomicUsize::new(NONE)), Arc::<Mutex<()>>::default());
        let stop = Arc::new(AtomicBool::new(false));
        let operator = {
            let (admin, model, away) = (admin.clone(), Arc::clone(&model), Arc::clone(&away));
            let (stop, acts, dice) = (Arc::clone(&stop), Arc::clone(&acts), Dice::new(seed ^ 7));
            std::thread::spawn(move || operate(&stop, &acts, &admin, &model, &away, dice))
        };
        let load = Load::start(&model, &admin.addresses, seed);
        let dice = Dice::new(seed);
        let _backend = backend;
        let broken = 0;
        Self {
            fleet,
            gates,
            admin,
            model,
            dice,
            broken,
            away,
            acts,
            stop,
            operator,
            load,
            _backend,
        }
    }

    pub(crate) fn begin(&self, event: &'static str) -> Begun {
        drop(self.model.take_tally());
        Begun { event, at: Instant::now() }
    }

    /// Some live tokens, no more than `count`, of users whom no event is about.
    pub(crate) fn some(&mut self, count: usize) -> Vec<Arc<Token>> {
        let mut live: Vec<Arc<Token>> = self.model.tokens();
        live.retain(|token| token.right.is_live() && token.user >= FOR_EVENTS);
        let picks = (0..count).map(|_| live.swap_remove(self.dice.below(live.len())));
        picks.collect()
    }

    /// Ends a token at a gateway, and knows when that was acknowledged.
    pub(crate) fn end_token(&self, token: &Token, gateway: usize) {
        token.right.ends();
        until("an end", || self.admin.revoke(gateway, token.user, &token.text).then_some(()));
        token.right.ended(gateway, self.model.now());
    }

    /// A gateway listens somewhere else from now on.
    pub(crate) fn moved(&self, gateway: usize) {
        self.admin.addresses.lock().unwrap()[gateway] = self.gates[gateway].address;
    }

    /// Waits until tokens can be issued at every gateway, used at all, and ended for all.
    pub(crate) fn whole_after(&self, begun: Begun) -> Duration {
        for gateway in 0..GATEWAYS {
            until("all to be whole", || self.goes_round(gateway));
        }
        begun.at.elapsed()
    }

    fn goes_round(&self, gateway: usize) -> Option<()> {
        let (user, cats) = (USERS - 1, "/acme/shop/cats");
        let token = self.admin.issue(gateway, user)?;
        let all = |said: &str| {
            (0..GATEWAYS).all(|other| self.admin.verdict(other, &token, cats).starts_with(said))
        };
        if !all("200") || !self.admin.revoke(gateway, user, &token) {
            return None;
        }
        let give_up = Instant::now() + PROMISED;
        while !all("401") {
            if Instant::now() > give_up {
                return None;
            }
        }
        Some(())
    }

    /// When the promised time has passed: what has become of what was acknowledged.
    pub(crate) fn settle(&self, begun: Begun, whole: Duration) -> Row {
        let ended: Vec<Arc<Token>> =
            self.model.tokens().into_iter().filter(|token| token.right.is_ended()).collect();
        std::thread::sleep(PROMISED);
        let tally = self.model.take_tally();
        let (cats, drafts) = ("/acme/shop/cats", "/acme/shop/drafts");
        let gets = |gateway, token: &Token, target| {
            self.admin.verdict(gateway, &token.text, target) == "200"
        };
        let anywhere = |token: &Token, target| {
            (0..GATEWAYS).filter(|gateway| gets(*gateway, token, target)).count()
        };
        let mut undone: usize = ended.iter().map(|token| anywhere(token, cats)).sum();
        let live: Vec<_> =
            self.model.tokens().into_iter().filter(|token| token.right.is_live()).collect();
        let former = live.iter().filter(|token| self.model.editors[token.user].is_ended());
        undone += former.map(|token| anywhere(token, drafts)).sum::<usize>();
        let is_unknown = |token: &Arc<Token>| {
            let verdict = self.admin.verdict(0, &token.text, cats);
            verdict.starts_with("401") && token.right.is_live()
        };
        Row {
            event: begun.event,
            asked: tally.asked,
            wrong: tally.wrong,
            undone,
            lost: live.iter().filter(|token| is_unknown(token)).count(),
            refused: tally.refused,
            refused_for: tally.span.map_or(Duration::ZERO, |(first, last)| last - first),
            whole,
        }
    }

    pub(crate) fn end(self) {
        self.stop.store(true, SeqCst);
        self.operator.join().unwrap();
        self.load.end();
    }
}

/// Issues and revokes at any gateway that is there; what is not acknowledged is tried again.
fn operate(
    stop: &AtomicBool,
    acts: &Mutex<()>,
    admin: &Admin,
    model: &Model,
    away: &AtomicUsize,
    mut dice: Dice,
) {
    let mut ending: Vec<Arc<Token>> = Vec::new();
    while !stop.load(Relaxed) {
        std::thread::sleep(OPERATOR_PACE);
        let _acts = acts.lock().unwrap();
        let gateway = dice.below(GATEWAYS);
        if gateway == away.load(SeqCst) {
            continue;
        }
        let user = FOR_EVENTS + dice.below(USERS - FOR_EVENTS);
        if let Some(text) = admin.issue(gateway, user) {
            let token = Token { text, user, right: Default::default() };
            model.tokens.lock().unwrap().push(Arc::new(token));
        }
        let mut live = model.tokens();
        live.retain(|token| token.right.is_live() && token.user >= FOR_EVENTS);
        if live.len() > LIVE_MAX {
            let token = live.swap_remove(dice.below(live.len()));
            token.right.ends();
            ending.push(token);
        }
        ending.retain(|token| {
            let ended = admin.revoke(gateway, token.user, &token.text);
            if ended {
                token.right.ended(gateway, model.now());
            }
            !ended
        });
    }
}
