//! `tollgate demo`: a gateway, its store and a backend in one process, with lines to try. Leaves nothing
//! behind.

mod echo;
mod screen;

use std::{
    fmt::Write as _,
    fs::{self, DirBuilder},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use self::screen::{Places, Tokens};
use super::{
    Exit, Failure,
    args::DemoArgs,
    client::on_this_thread,
    keygen::new_secret,
    screen::{out, out_has_color},
};
use crate::{
    app::{
        App,
        admin::{desk::Desk, wire::Order},
    },
    config::Config,
    token::id::IdSource,
};

/// Where the admin listener is, unless the port is taken.
const ADMIN_PORT: u16 = 9901;

/// Ports that are tried after one that is taken.
const PORTS_TRIED: u16 = 100;

/// The rules of the demo.
const RULES: [(&str, &str); 5] = [
    ("GET /status", "public"),
    ("GET /catalog/**", "guest"),
    ("* /orders/**", "authenticated"),
    ("POST /orders", "role:buyer"),
    ("* /users/{id}/**", "self:{id} | role:support"),
];

pub(super) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let folder = Folder::new()?;
    let backend = echo::start().map_err(|error| system("starting the backend", &error))?;
    let gate = free_port(args.port, None)?;
    let admin = free_port(ADMIN_PORT, Some(gate.port()))?;
    let file = folder.path.join("demo.toml");
    fs::write(&file, configuration(gate, admin, backend, &new_secret()?))
        .map_err(|error| system("writing the configuration", &error))?;

    let app = App::start(Config::load(&file)?)?.quiet();
    let tokens = issue(&app)?;
    let taken = (args.port != 0 && args.port != gate.port()).then_some(args.port);
    let places = Places { gate, admin, taken };
    out(&format!("\n{}", screen::render(&places, &tokens, &program(), out_has_color())));
    app.run()?;
    drop(folder);
    out("\n   The demo has ended; its store is removed.");
    Ok(())
}

fn system(what: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::Software, format!("{what}: {error}"))
}

/// The first port from `wanted` on that nobody listens on, and that is not `other`.
///
/// A socket without SO_REUSEPORT asks: the gateway's own sockets have it, and would share a port with
/// another gateway of this user.
fn free_port(wanted: u16, other: Option<u16>) -> Result<SocketAddr, Failure> {
    let last = wanted.saturating_add(PORTS_TRIED);
    let free = (wanted..=last).filter(|port| Some(*port) != other).find_map(|port| {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|free| free.local_addr()).ok()
    });
    free.ok_or_else(|| {
        let message = format!("no port from {wanted} to {last} is free on 127.0.0.1");
        Failure::new(Exit::Unavailable, message).help("choose another with --port")
    })
}

fn configuration(gate: SocketAddr, admin: SocketAddr, backend: SocketAddr, secret: &str) -> String {
    let mut text = format!(
        "listen  = \"{gate}\"\nhealth  = \"off\"\nadmin   = \"{admin}\"\n\
         backend = \"http://{backend}\"\nstore   = \"file:demo.redb\"\nsecret  = \"{secret}\"\n\n[rules]\n"
    );
    for (left, right) in RULES {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\"{left}\" = \"{right}\"");
    }
    text.push_str("\n[log]\naccess = \"text\"\n\n[limits]\ndrain = \"1s\"\n");
    text
}

/// Issues the demo's tokens into the store that `app` has opened.
fn issue(app: &App) -> Result<Tokens, Failure> {
    let random = getrandom::u64().map_err(|error| {
        Failure::new(Exit::Software, format!("the system has no random numbers: {error}"))
    })?;
    let ids = IdSource::new(random.to_be_bytes());
    on_this_thread(async {
        let generation = app.generation();
        let store = generation.attach();
        let desk = Desk { generation, store };
        let issue = async |subject: &str, roles: &[&str], ttl: &str, at| {
            let order = Order {
                subject: subject.to_owned(),
                roles: roles.iter().map(|role| (*role).to_owned()).collect(),
                ttl: Some(ttl.to_owned()),
                ..Order::default()
            };
            desk.issue(&order, &ids, at).await.map(|issued| issued.token).map_err(Failure::from)
        };
        let now = SystemTime::now();
        let yesterday = now - Duration::from_secs(86_400);
        Ok(Tokens {
            ann: issue("ann", &[], "1d", now).await?,
            bob: issue("bob", &["buyer"], "1d", now).await?,
            expired: issue("ann", &[], "1h", yesterday).await?,
        })
    })
}

/// This program, as whoever started it could start it again.
fn program() -> String {
    let first = std::env::args().next().filter(|first| first.contains('/'));
    first.unwrap_or_else(|| "tollgate".to_owned())
}

/// A folder of our own that goes when this value does.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new() -> Result<Self, Failure> {
        let random = getrandom::u64().map_err(|error| {
            Failure::new(Exit::Software, format!("the system has no random numbers: {error}"))
        })?;
        let path = std::env::temp_dir().join(format!("tollgate-demo-{random:016x}"));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| system("making a temporary folder", &error))?;
        Ok(Self { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// What cannot be removed is left to the system, which empties its temporary folder at times.
fn remove(path: &Path) {
    let _ = fs::remove_dir_all(path);
}
