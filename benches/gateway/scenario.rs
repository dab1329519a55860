//! What is measured: one entry for each scenario, and the words that it is made of.

use crate::Outcome;

/// A proxy that may take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `hyper` that checks nothing.
    Hyper,
    /// nginx that checks nothing.
    Nginx,
    /// nginx with Lua: a token in Redis, kept for a minute in a shared dictionary.
    NginxLua,
    /// HAProxy with a map of all tokens in a file.
    Haproxy,
    /// Caddy that checks nothing.
    Caddy,
    /// What this is about.
    Tollgate,
    /// The same with ten thousand rules, or a thousand permissions.
    TollgateMany,
    /// The binary that `BEFORE` names.
    Before,
}

impl Kind {
    /// The name in tables and JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hyper => "hyper (bare)",
            Self::Nginx => "nginx",
            Self::NginxLua => "nginx+Lua",
            Self::Haproxy => "HAProxy map",
            Self::Caddy => "Caddy",
            Self::Tollgate => "Tollgate",
            Self::TollgateMany => "Tollgate, many",
            Self::Before => "Tollgate before",
        }
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Nobody: no credential.
    Nobody,
    /// One token.
    One,
    /// So many tokens, at random.
    Many(usize),
    /// What is no token at all, never the same twice.
    IllFormed,
    /// What looks like a token and was never issued, never the same twice.
    Forged,
    /// Ten thousand tokens whose time is over.
    Expired,
    /// A user of an application, judged by its roles.
    User,
}

/// How connections speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Plain,
    Tls,
    Http2,
    Http2Tls,
}

impl Wire {
    pub(crate) fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::Http2Tls)
    }

    pub(crate) fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Http2Tls)
    }
}

/// What is done to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Each connection asks again as soon as it is answered.
    Again,
    /// Each request comes on a connection of its own.
    Anew,
    /// Each connection is a WebSocket that is sent 64 bytes as soon as it gave the last ones back.
    Echo,
    /// So many requests in a second, whatever the answers take.
    Paced(u32),
    /// Nothing: the memory of a process that has started.
    Rest,
    /// Connections are opened, asked once and then held: the memory of each.
    Hold,
    /// Each token is shown once: the memory of each.
    Fill,
}

/// One scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What its table says above itself.
    pub(crate) about: &'static str,
    pub(crate) peers: &'static [Kind],
    pub(crate) caller: Caller,
    pub(crate) wire: Wire,
    pub(crate) way: Way,
    pub(crate) connections: usize,
    /// Requests of a nominal second: about what the machine of `docs/performance.md` does.
    pub(crate) second: u64,
    pub(crate) path: &'static str,
    /// Bytes of each request's body.
    pub(crate) sends: usize,
    /// The status that all answers have.
    pub(crate) status: u16,
    /// Whether there is an access line for each request.
    pub(crate) log: bool,
    /// Whether identities are cached by Tollgate and nginx+Lua.
    pub(crate) cache: bool,
    /// Part of a run that names no scenario.
    pub(crate) usual: bool,
}

use Kind::{Caddy, Haproxy, Hyper, Nginx, NginxLua, Tollgate, TollgateMany};

const USUAL: &[Kind] = &[Hyper, Nginx, NginxLua, Haproxy, Tollgate];
const NO_CHECK: &[Kind] = &[Hyper, Nginx, Tollgate];
const OVER_TLS: &[Kind] = &[Nginx, NginxLua, Haproxy, Tollgate];
const WITH_CADDY: &[Kind] = &[Nginx, NginxLua, Haproxy, Caddy, Tollgate];
const CHECKING: &[Kind] = &[NginxLua, Haproxy, Tollgate];

/// One token over 64 connections that are kept alive, 1 KiB answers.
const HOT: Scenario = Scenario {
    name: "hot64",
    about: "one token, 64 kept-alive connections, no access log",
    peers: &[Hyper, Nginx, NginxLua, Haproxy, Caddy, Tollgate],
    caller: Caller::One,
    wire: Wire::Plain,
    way: Way::Again,
    connections: 64,
    second: 40_000,
    path: "/orders/7",
    sends: 0,
    status: 200,
    log: false,
    cache: true,
    usual: true,
};

/// The same, and not part of a run that names no scenario.
const RARE: Scenario = Scenario { peers: USUAL, usual: false, ..HOT };

#[rustfmt::skip] // a table is read by column
pub(crate) const ALL: &[Scenario] = &[
    HOT,
    Scenario { name: "log", about: "one token, a JSON access line for each request into a file", peers: &[Nginx, Tollgate], log: true, ..HOT },
    Scenario { name: "rand10k", about: "tokens at random, all cached", caller: Caller::Many(10_000), second: 35_000, peers: USUAL, ..HOT },
    Scenario { name: "uncached", about: "tokens at random, each looked up in Redis", caller: Caller::Many(1_000_000), cache: false, second: 25_000, peers: &[NginxLua, Tollgate], ..RARE },
    Scenario { name: "garbage", about: "credentials that are no tokens, each another one", caller: Caller::IllFormed, status: 401, second: 60_000, peers: CHECKING, ..HOT },
    Scenario { name: "unknown", about: "tokens that were never issued, each another one", caller: Caller::Forged, status: 401, second: 60_000, peers: CHECKING, ..RARE },
    Scenario { name: "expired", about: "10,000 expired tokens at random", caller: Caller::Expired, status: 401, second: 60_000, peers: CHECKING, ..RARE },
    Scenario { name: "public", about: "a public route, no credential", caller: Caller::Nobody, path: "/status", peers: NO_CHECK, ..HOT },
    Scenario { name: "guest", about: "a route for guests too, no credential", caller: Caller::Nobody, path: "/catalog/7", peers: NO_CHECK, ..RARE },
    Scenario { name: "tenants", about: "the token of an application's user, judged by its roles", caller: Caller::User, path: "/acme/shop/orders/7", peers: NO_CHECK, ..RARE },
    Scenario { name: "conns1000", about: "one token, 1,000 kept-alive connections", connections: 1_000, second: 30_000, ..RARE },
    Scenario { name: "newconn", about: "one token, a new connection for each request", way: Way::Anew, second: 10_000, connections: 32, peers: USUAL, ..HOT },
    Scenario { name: "answer1m", about: "1 MiB answers over 16 connections", connections: 16, second: 1_500, path: "/orders/large", ..RARE },
    Scenario { name: "body1m", about: "1 MiB bodies over 16 connections", connections: 16, second: 1_500, sends: 1 << 20, ..RARE },
    Scenario { name: "tls", about: "one token, 64 kept-alive connections over TLS 1.3", wire: Wire::Tls, peers: WITH_CADDY, second: 30_000, ..HOT },
    Scenario { name: "tlsnew", about: "a whole TLS 1.3 handshake for each request", wire: Wire::Tls, way: Way::Anew, connections: 32, second: 1_200, peers: OVER_TLS, ..RARE },
    Scenario { name: "h2", about: "HTTP/2 by prior knowledge, 16 connections of 16 streams", wire: Wire::Http2, connections: 16, peers: WITH_CADDY, ..RARE },
    Scenario { name: "h2tls", about: "HTTP/2 over TLS 1.3, 16 connections of 16 streams", wire: Wire::Http2Tls, connections: 16, peers: OVER_TLS, ..HOT },
    Scenario { name: "websocket", about: "64 WebSockets that echo 64 bytes", way: Way::Echo, status: 101, path: "/chat/7", second: 60_000, peers: &[Nginx, NginxLua, Haproxy, Tollgate], ..RARE },
    Scenario { name: "rate4000", about: "4,000 requests a second over 64 connections", way: Way::Paced(4_000), second: 4_000, ..RARE },
    Scenario { name: "rules", about: "10 rules, and 10,000 of them", peers: &[Tollgate, TollgateMany], ..RARE },
    Scenario { name: "perms", about: "a role of 10 permissions, and of 1,000", caller: Caller::User, path: "/acme/shop/orders/7", peers: &[Tollgate, TollgateMany], ..RARE },
    Scenario { name: "idle", about: "memory of a process that has started", way: Way::Rest, peers: &[Hyper, Nginx, NginxLua, Haproxy, Caddy, Tollgate], ..RARE },
    Scenario { name: "idle10k", about: "memory of 10,000 idle connections", way: Way::Hold, connections: 10_000, ..RARE },
    Scenario { name: "idletls", about: "memory of 2,000 idle connections over TLS", way: Way::Hold, wire: Wire::Tls, connections: 2_000, peers: OVER_TLS, ..RARE },
    Scenario { name: "idleh2", about: "memory of 2,000 idle connections with HTTP/2", way: Way::Hold, wire: Wire::Http2, connections: 2_000, peers: OVER_TLS, ..RARE },
    Scenario { name: "cached1m", about: "memory of cached tokens", way: Way::Fill, caller: Caller::Many(1_000_000), peers: &[NginxLua, Tollgate], ..RARE },
];

/// The scenarios of a list such as `hot64,log`; `all`; without a list the usual ones.
pub(crate) fn chosen(names: Option<&str>) -> Outcome<Vec<Scenario>> {
    match names {
        None => Ok(ALL.iter().filter(|scenario| scenario.usual).copied().collect()),
        Some("all") => Ok(ALL.to_vec()),
        Some(names) => names.split(',').map(named).collect(),
    }
}

/// The scenario of that name.
pub(crate) fn named(name: &str) -> Outcome<Scenario> {
    let found = ALL.iter().find(|scenario| scenario.name == name);
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|scenario| scenario.name).collect();
        format!("SCENARIO={name}: all, or of {}", names.join(",")).into()
    })
}
