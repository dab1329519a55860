//! The proxies under test, each as its operator would run it, all in front of the same backend.

mod caddy;
mod haproxy;
mod nginx;
mod tollgate;

use std::{env, fs, path::Path, sync::Arc};

use rustls::ClientConfig;
use tempfile::TempDir;

use crate::{
    Outcome,
    certificate::Certificate,
    load::Asked,
    process::{Process, free_port, role, tied},
    scenario::{Caller, Kind, Scenario, Way},
    tokens,
};

/// One proxy, and what it is asked.
pub(crate) struct Peer {
    pub(crate) kind: Kind,
    pub(crate) port: u16,
    pub(crate) asked: Arc<Asked>,
    pub(crate) process: Process,
}

/// What the configurations of a scenario have in common.
pub(crate) struct Site<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) backend: u16,
    pub(crate) redis: u16,
    pub(crate) scenario: &'a Scenario,
    /// Threads or processes that serve.
    pub(crate) workers: usize,
    /// Tollgate's longest wait for the store: the default, unless time itself is slow.
    pub(crate) timeout: &'static str,
}

/// Everything that runs for one scenario. The order of the fields is that in which they end.
pub(crate) struct Peers {
    pub(crate) all: Vec<Peer>,
    pub(crate) redis: Process,
    pub(crate) redis_port: u16,
    pub(crate) tls: Arc<ClientConfig>,
    _backend: Process,
    folder: TempDir,
}

/// What starts before any proxy, and where it is.
pub(crate) struct Ground {
    pub(crate) backend: (Process, u16),
    pub(crate) redis: (Process, u16),
    pub(crate) certificate: Certificate,
    pub(crate) folder: TempDir,
}

impl Ground {
    /// The backend, a Redis, and a certificate.
    pub(crate) fn start(way: Way) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let at = folder.path();
        let (backend, redis) = (free_port()?, free_port()?);
        let kind = if way == Way::Echo { "echo" } else { "backend" };
        let backend =
            (Process::start(kind, role(&[kind, &backend.to_string()])?, backend, at)?, backend);
        let redis = (Process::start("redis", redis_server(redis, at)?, redis, at)?, redis);
        let certificate = Certificate::write(at)?;
        Ok(Self { backend, redis, certificate, folder })
    }
}

impl Peers {
    /// Starts every proxy that takes part, and what they need: the tokens are in Redis before.
    pub(crate) fn start(scenario: &Scenario, workers: usize) -> Outcome<Self> {
        let ground = Ground::start(scenario.way)?;
        let folder = ground.folder.path();
        let (backend, redis) = (ground.backend.1, ground.redis.1);
        let credentials = Arc::new(tokens::make(scenario, redis, folder)?);
        let shared = Arc::new(Asked::new(scenario, credentials));
        let site = Site { folder, backend, redis, scenario, workers, timeout: "250ms" };
        let mut all = Vec::new();
        for kind in taking_part(scenario) {
            let (process, port) = site.start(kind)?;
            all.push(Peer { kind, port, asked: Arc::clone(&shared), process });
        }
        if scenario.caller == Caller::User {
            log_in(&mut all, scenario)?;
        }
        Ok(Self {
            all,
            redis: ground.redis.0,
            redis_port: redis,
            tls: ground.certificate.client()?,
            _backend: ground.backend.0,
            folder: ground.folder,
        })
    }

    /// Where everything of this scenario is written.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// A user can only be made by a gateway that runs, and is known to it alone; whoever checks nothing is
/// asked with any token.
fn log_in(all: &mut [Peer], scenario: &Scenario) -> Outcome<()> {
    let mut last = None;
    for peer in all.iter_mut().filter(|peer| peer.kind.is_tollgate()) {
        let many = if peer.kind == Kind::TollgateMany { 1_000 } else { 10 };
        let permissions = (scenario.name == "perms").then_some(many);
        let token = tokens::user(peer.port, permissions)?;
        peer.asked = Arc::new(Asked::new(scenario, Arc::new(token)));
        last = Some(Arc::clone(&peer.asked));
    }
    let last = last.ok_or("no gateway takes part")?;
    for peer in all.iter_mut().filter(|peer| !peer.kind.is_tollgate()) {
        peer.asked = Arc::clone(&last);
    }
    Ok(())
}

/// The peers of the scenario; the older binary stands beside the newer one.
fn taking_part(scenario: &Scenario) -> Vec<Kind> {
    let mut kinds = scenario.peers.to_vec();
    if env::var_os("BEFORE").is_some() && !kinds.contains(&Kind::TollgateMany) {
        kinds.push(Kind::Before);
    }
    kinds
}

impl Site<'_> {
    /// Starts a proxy, and says where it listens.
    pub(crate) fn start(&self, kind: Kind) -> Outcome<(Process, u16)> {
        let port = free_port()?;
        let command = match kind {
            Kind::Hyper => role(&["passthrough", &port.to_string(), &self.backend.to_string()])?,
            Kind::Nginx => nginx::command(self, port, false)?,
            Kind::NginxLua => nginx::command(self, port, true)?,
            Kind::Haproxy => haproxy::command(self, port)?,
            Kind::Caddy => caddy::command(self, port)?,
            Kind::Tollgate | Kind::TollgateMany | Kind::Before => {
                let words = tollgate::command_line(self, kind, port)?;
                tied(&kind.binary(), &words.each_ref().map(String::as_str))?
            }
        };
        Ok((Process::start(kind.name(), command, port, self.folder)?, port))
    }

    /// Words for Tollgate, after its name, and where it will listen.
    pub(crate) fn tollgate(&self) -> Outcome<([String; 3], u16)> {
        let port = free_port()?;
        let words = tollgate::command_line(self, Kind::Tollgate, port)?;
        Ok((words, port))
    }

    /// Writes a file of the temporary folder, and gives its path.
    fn write(&self, name: &str, text: &str) -> Outcome<String> {
        let file = self.folder.join(name);
        fs::write(&file, text)?;
        Ok(file.to_str().ok_or("the temporary folder is not UTF-8")?.to_owned())
    }
}

impl Kind {
    /// Whether it is a gateway of ours.
    pub(crate) fn is_tollgate(self) -> bool {
        matches!(self, Self::Tollgate | Self::TollgateMany | Self::Before)
    }

    /// The program of a gateway of ours: that of this build, unless `TOLLGATE` names another one.
    pub(crate) fn binary(self) -> String {
        let named = match self {
            Self::Before => env::var("BEFORE"),
            Self::Hyper
            | Self::Nginx
            | Self::NginxLua
            | Self::Haproxy
            | Self::Caddy
            | Self::Tollgate
            | Self::TollgateMany => env::var("TOLLGATE"),
        };
        named.unwrap_or_else(|_| env!("CARGO_BIN_EXE_tollgate").to_owned())
    }
}

fn redis_server(port: u16, at: &Path) -> Outcome<std::process::Command> {
    let (port, at) = (port.to_string(), at.display().to_string());
    let without = ["--save", "", "--appendonly", "no"];
    let mut arguments = vec!["--bind", "127.0.0.1", "--port", &port, "--dir", &at];
    arguments.extend(without);
    tied("redis-server", &arguments)
}
