//! Tollgate: an authentication gateway for APIs that have no authentication of their own.
//!
//! It reads who is asking, decides whether they may, and forwards the request with the caller's
//! proven identity, or refuses and says why.
//!
//! # The life of a request
//!
//! | # | step       | where                                   | in → out                                   |
//! |---|------------|-----------------------------------------|--------------------------------------------|
//! | 1 | accept     | `server::accept`, [`server`]            | socket → the worker with the fewest        |
//! | 2 | connection | `server::{connection, http1, http2}`    | TLS, HTTP/1.1 or HTTP/2 framing, limits    |
//! | 3 | canonical  | [`request`]                             | head → [`request::Canonical`], or 400      |
//! | 3a | tenant    | `gateway::tenancy`, [`usergrid`]        | with `[usergrid]`: path → the tenant's one form, or an answer of ours |
//! | 4 | rule       | [`policy::RuleSet::find`]               | method, host, path → the most specific rule |
//! | 5 | credential | [`auth::credential`]                    | fields, query → at most one credential, or 400/401 |
//! | 6 | principal  | [`auth::resolve`], [`store`]            | token → identity, or 401/503               |
//! | 7 | decision   | [`policy::decide()`]                    | rule, identity, now, tenant → [`policy::Permit`], or 401/403 |
//! | 8 | outbound   | `gateway::outbound`                     | permit + canonical request → upstream head |
//! | 9 | upstream   | `gateway::forward`, [`upstream`]        | head, streamed body → answer, or 502/503/504 |
//! | 10 | response  | `gateway::answer`, `gateway::reject`    | answer or refusal → client                 |
//! | 10a | what lasts | `gateway::tunnel`, `gateway::lasting` | a switch of protocols → bytes both ways; judged again while it lasts |
//! | 11 | record    | `gateway::access`, [`telemetry`]        | one line, one count                        |
//!
//! [`gateway::handle`] is this table as a function. Steps 3, 4, 5 and 7 are plain functions of their
//! arguments; only [`policy::decide()`] can make a [`policy::Permit`], and forwarding needs one.
//! Step 3a goes through 5 and 6 itself, for what a path of a tenant means depends on who asks.
//!
//! # Threads
//!
//! One worker per core, each a current-thread runtime with its own sockets, upstream pools and store
//! connection; nothing on the hot path is locked or handed over. The control thread ([`app`]) serves
//! health and admin, reloads and drains. With `[usergrid]`, passwords are hashed by threads of their own
//! ([`directory`]) with a lowered priority. The access log and the embedded file have a writer each.

pub mod app;
pub mod auth;
pub mod cache;
pub mod cli;
pub mod config;
pub mod directory;
pub mod explain;
pub mod fences;
pub mod gateway;
#[cfg(any(test, fuzzing))]
pub mod laws;
mod nearest;
pub mod permission;
pub mod policy;
pub mod principal;
pub mod request;
pub mod secret;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod tick;
pub mod tls;
pub mod token;
pub mod upstream;
pub mod usergrid;
pub mod wire;
