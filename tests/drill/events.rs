//! What happens, one after the other.

use std::{
    sync::atomic::Ordering::SeqCst,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    fleet::Topology,
    harness::{
        client::{Client, bearer, get},
        until,
    },
    model::{Expected, PROMISED},
    world::{GATEWAYS, TABLES, World},
};

/// How long a server or a gateway is away.
const AWAY: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Revoke,
    Disable,
    Role,
    Reload,
    Roll,
    Kill,
    Pause,
    Cut,
    Hold,
}

impl Event {
    pub(crate) const ALL: [Self; 9] = [
        Self::Revoke,
        Self::Disable,
        Self::Role,
        Self::Reload,
        Self::Roll,
        Self::Kill,
        Self::Pause,
        Self::Cut,
        Self::Hold,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Revoke => "20 tokens are revoked",
            Self::Disable => "3 users are disabled",
            Self::Role => "3 users lose a role",
            Self::Reload => "all reload",
            Self::Roll => "each is started anew",
            Self::Kill => "the primary is killed",
            Self::Pause => "the primary is held",
            Self::Cut => "one is cut off from Redis",
            Self::Hold => "one is held",
        }
    }

    pub(crate) fn happens(self, world: &mut World) {
        match self {
            Self::Revoke => revoke(world, 20, None),
            Self::Disable => disable(world),
            Self::Role => lose_a_role(world),
            Self::Reload => reload(world),
            Self::Roll => roll(world),
            Self::Kill => kill(world),
            Self::Pause => pause(world),
            Self::Cut => cut(world),
            Self::Hold => hold(world),
        }
    }

    /// What had failed comes back, after another has taken its place.
    pub(crate) fn is_mended(self, world: &mut World) {
        match self {
            Self::Kill => rejoin(world),
            Self::Pause => go_on(world),
            Self::Revoke | Self::Disable | Self::Role | Self::Reload | Self::Roll => {}
            Self::Cut | Self::Hold => {}
        }
    }
}

/// Ends some tokens, at every gateway but one.
fn revoke(world: &mut World, count: usize, except: Option<usize>) {
    let gateways: Vec<usize> = (0..GATEWAYS).filter(|gateway| Some(*gateway) != except).collect();
    for (number, token) in world.some(count).iter().enumerate() {
        world.end_token(token, gateways[number % gateways.len()]);
    }
}

fn disable(world: &World) {
    for user in 0..3 {
        let mut tokens = world.model.tokens();
        tokens.retain(|token| token.user == user);
        tokens.iter().for_each(|token| token.right.ends());
        world.admin.call(user, "POST", &format!("/acme/shop/users/u{user}/deactivate"), "");
        tokens.iter().for_each(|token| token.right.ended(user, world.model.now()));
    }
}

fn lose_a_role(world: &World) {
    for user in 3..6 {
        let (editor, gateway) = (&world.model.editors[user], user % GATEWAYS);
        editor.ends();
        world.admin.call(gateway, "DELETE", &format!("/acme/shop/users/u{user}/roles/editor"), "");
        editor.ended(gateway, world.model.now());
    }
}

fn reload(world: &World) {
    for gate in &world.gates {
        let reloads = || gate.metric("tollgate_reloads_total{result=\"ok\"}");
        let (before, text) = (reloads(), std::fs::read_to_string(&gate.config).unwrap());
        assert!(text.contains(TABLES));
        gate.rewrite(&text.replace("75s", "74s"));
        until("the reload", || (reloads() > before).then_some(()));
    }
}

fn roll(world: &mut World) {
    for gateway in 0..GATEWAYS {
        world.away.store(gateway, SeqCst);
        let gate = &mut world.gates[gateway];
        gate.signal(Signal::TERM);
        gate.ended();
        gate.start_again();
        world.moved(gateway);
    }
    world.away.store(usize::MAX, SeqCst);
}

/// While nobody writes where writes may be lost: in a cluster a primary has one replica, and what gives access is
/// acknowledged before that one has it.
fn done_to_primary(world: &mut World, act: fn(&mut World, usize)) -> usize {
    let acts = std::sync::Arc::clone(&world.acts);
    let is_cluster = world.fleet.topology == Topology::Cluster;
    let _acts = is_cluster.then(|| acts.lock().unwrap());
    let primary = world.fleet.primary();
    if is_cluster {
        world.fleet.replicated(primary);
    }
    act(world, primary);
    primary
}

fn kill(world: &mut World) {
    world.broken = done_to_primary(world, |world, primary| world.fleet.nodes[primary].kill());
    if world.fleet.topology == Topology::One {
        std::thread::sleep(AWAY);
        world.fleet.nodes[world.broken].restart();
    } else {
        world.fleet.is_taken_over(world.broken);
    }
}

/// Whoever took its place is a primary now; it has to find that out.
fn rejoin(world: &mut World) {
    if world.fleet.topology != Topology::One {
        world.fleet.nodes[world.broken].restart();
        world.fleet.is_whole();
    }
}

fn pause(world: &mut World) {
    world.broken = done_to_primary(world, |world, primary| world.fleet.nodes[primary].freeze());
    if world.fleet.topology == Topology::One {
        std::thread::sleep(AWAY);
        world.fleet.nodes[world.broken].thaw();
    } else {
        world.fleet.is_taken_over(world.broken);
    }
}

/// It goes on as the primary that it is no more.
fn go_on(world: &World) {
    if world.fleet.topology != Topology::One {
        world.fleet.nodes[world.broken].thaw();
        world.fleet.is_whole();
    }
}

fn cut(world: &mut World) {
    let gateway = world.dice.below(GATEWAYS);
    world.away.store(gateway, SeqCst);
    world.fleet.let_in(gateway, false);
    revoke(world, 10, Some(gateway));
    // The load asks it for what was revoked elsewhere.
    std::thread::sleep(AWAY);
    world.fleet.let_in(gateway, true);
    world.away.store(usize::MAX, SeqCst);
}

/// What waits for a gateway that was held is judged by what is true when it goes on.
fn hold(world: &mut World) {
    let gateway = world.dice.below(GATEWAYS);
    world.away.store(gateway, SeqCst);
    world.gates[gateway].signal(Signal::STOP);
    let tokens = world.some(10);
    for (number, token) in tokens.iter().enumerate() {
        world.end_token(token, (gateway + 1 + number % 2) % GATEWAYS);
    }
    let promised = Instant::now() + PROMISED;
    std::thread::sleep(promised.saturating_duration_since(Instant::now()));
    let address = world.gates[gateway].address;
    let waiting: Vec<Client> = tokens
        .iter()
        .map(|token| {
            let mut client = Client::connect(address);
            client.send(get("/acme/shop/cats", &bearer(&token.text)));
            client
        })
        .collect();
    world.gates[gateway].signal(Signal::CONT);
    for mut client in waiting {
        let status = client.answer().status.to_string();
        world.model.judge(Expected::Refused, &status, false);
    }
    world.away.store(usize::MAX, SeqCst);
}
