//! The configuration: one TOML file, read into values that need no further check.
//!
//! [`Config::load`] reads the file and what it includes, collects every mistake with its place, and
//! builds a [`Config`] only if there is none. Each table of the file has a module that knows its keys;
//! `reader` is what they share. Nothing here opens a socket or starts anything.
//!
//! Invariant: a [`Config`] exists only for a file without mistakes, whose `[expect]` lines all hold.

mod address;
mod backend_tls;
mod backends;
mod balancing;
pub(crate) mod caller;
pub mod check;
mod context;
mod defaults;
pub mod diff;
mod disk;
mod expect;
mod foreign;
mod identity;
mod include;
mod instant;
mod interpolate;
mod listen;
mod load;
mod quantity;
mod reader;
mod report;
mod rules;
mod sections;
mod servers;
mod source;
mod store;
pub(crate) mod tenants;
#[cfg(test)]
mod tests;
mod tls;
mod tokens;
mod usergrid;
mod values;
mod veil;
mod warnings;

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

pub use backend_tls::BackendTls;
pub use balancing::{Balancing, Ejection, HealthCheck, Retry};
pub use defaults::WORKERS_MAX;
#[cfg(any(test, fuzzing))]
pub(crate) use load::apart;
pub(crate) use quantity::{duration, show_duration};
pub use report::Report;
pub use servers::{Backend, HostField, Http, Server};
pub use usergrid::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};
pub use values::{
    AccessLog, Address, Bootstrap, Cors, ExpiresAt, FieldAt, Foreign, ForeignRecord, IdentityField,
    KeyPiece, Limits, LineForm, ListAt, Listen, Management, Manner, Network, Piece, RedisAddress,
    RedisLogin, RedisNode, RedisStore, RedisTls, Store, TimeUnit, Tokens, Usergrid,
};

use crate::{
    policy::RuleSet,
    request::{RequestPolicy, fields::Fence, path::PathPolicy},
    secret::Secret,
    tls::Settings,
};

/// Keys that stand above the first table of the file, or open a table.
#[rustfmt::skip] // a list is read by line
const TOP_LEVEL_KEYS: [&str; 21] = [
    "include", "listen", "health", "admin", "backend", "store", "secret", "workers", "ready-requires",
    "rules", "identity", "tokens", "paths", "backends", "trust", "cors", "limits", "log", "expect",
    "usergrid", "tls",
];

/// Everything the program runs on. Immutable; a reload makes a new one.
pub struct Config {
    /// The file it came from.
    pub file: PathBuf,
    /// Every file and directory whose change may change it.
    pub sources: Vec<PathBuf>,
    /// Where clients come in; at least one.
    pub listen: Vec<Listen>,
    /// `/livez /readyz /metrics`. `None` when `health = "off"`.
    pub health: Option<Address>,
    /// Off unless named.
    pub admin: Option<Address>,
    /// Default: the cgroup's cores, at most 8.
    pub workers: Option<usize>,
    /// The first is `backend`.
    pub backends: Vec<Backend>,
    /// Where records are kept.
    pub store: Store,
    /// The first signs, all verify. Empty only with a foreign layout.
    pub secrets: Vec<Secret>,
    /// Who may do what.
    pub rules: RuleSet,
    /// Fields that tell the backend who is asking.
    pub identity: Vec<IdentityField>,
    /// Credentials and what is known of them.
    pub tokens: Tokens,
    /// Tenants; `None` without the section.
    pub usergrid: Option<Usergrid>,
    /// What clients of `tls` listeners are shown and asked for; `None` without the section.
    pub tls: Option<Settings>,
    /// What the backend cannot tell apart in a path.
    pub paths: PathPolicy,
    /// Peers that may speak for others in forwarding fields.
    pub trust: Vec<Network>,
    /// `None`: OPTIONS is a method like any other.
    pub cors: Option<Cors>,
    /// How much of anything.
    pub limits: Limits,
    /// How requests are logged.
    pub log: AccessLog,
    /// `ready-requires = ["store"]`.
    pub ready_requires_store: bool,
    /// How many `[expect]` lines hold (all of them, or there would be no `Config`).
    pub expectations: usize,
    /// What an operator should know although the file loads: audits that run, secrets that are short, …
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads `path` and what it includes, and runs its `[expect]`.
    ///
    /// # Errors
    /// [`Report`] with every mistake there is.
    pub fn load(path: &Path) -> Result<Self, Report> {
        Self::load_with(path, &|name| std::env::var(name).ok(), SystemTime::now())
    }

    /// [`load`](Self::load) with the environment and the time given. `variables` answers `None` for
    /// what is not set.
    ///
    /// # Errors
    /// [`Report`] with every mistake there is.
    pub fn load_with(
        path: &Path,
        variables: &dyn Fn(&str) -> Option<String>,
        now: SystemTime,
    ) -> Result<Self, Report> {
        load::load(path, variables, now)
    }

    /// What requests are read against.
    #[must_use]
    pub fn request_policy(&self) -> RequestPolicy {
        let owned: Vec<_> = self.identity.iter().map(|field| field.name.clone()).collect();
        RequestPolicy { paths: self.paths, fence: Fence::new(&owned), limits: self.limits.head }
    }
}
