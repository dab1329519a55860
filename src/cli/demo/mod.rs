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
    ask::read,
    client::on_this_thread,
    keygen::new_secret,
    screen::{out, out_has_color},
};
use crate::{
    app::{
        App, AppError,
        admin::{
            desk::Desk,
            tenants::wire::{
                AppJob, DirectoryJob, Hidden, HolderRef, OrgJob, OwnerIs, Person, RoleJob,
                TenantOrder, TenantRef, UserJob,
            },
            wire::{Issued, Job},
        },
    },
    config::Config,
    secret::Secret,
    token::id::IdSource,
};

/// Where the admin listener is, unless the port is taken.
const ADMIN_PORT: u16 = 9901;

/// Ports that are tried after one that is taken.
const PORTS_TRIED: u16 = 100;

/// How often ports are chosen that somebody else then takes first.
const PORT_TRIES: usize = 10;

/// The rules of the demo.
const RULES: [(&str, &str); 6] = [
    ("GET /{org}/{app}/status", "public"),
    ("GET /{org}/{app}/catalog/**", "guest"),
    ("* /{org}/{app}/orders/**", "authenticated"),
    ("POST /{org}/{app}/orders", "role:buyer"),
    ("* /{org}/{app}/users/{u}/cart/**", "self:{u}"),
    ("* /{org}/{app}/**", "permissions"),
];

/// Of everybody in the demo who has a password.
const PASSWORD: &str = "kept-for-one-demo";

pub(super) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let folder = Folder::new()?;
    let backend = echo::start().map_err(|error| system("starting the backend", &error))?;
    let (app, gate, admin) = start(args.port, backend, &folder)?;
    let tokens = furnish(&app)?;
    let taken = (args.port != 0 && args.port != gate.port()).then_some(args.port);
    let places = Places { gate, admin, taken };
    let screen = screen::render(&places, &tokens, &program(), out_has_color());
    app.showing(format!("\n{screen}")).run()?;
    drop(folder);
    out("\n   The demo has ended; its store is removed.");
    Ok(())
}

/// Starts the gateway on ports that are free, and says which.
fn start(
    port: u16,
    backend: SocketAddr,
    folder: &Folder,
) -> Result<(App, SocketAddr, SocketAddr), Failure> {
    let file = folder.path.join("demo.toml");
    let secret = new_secret()?;
    let mut tries = PORT_TRIES;
    loop {
        tries -= 1;
        let gate = free_port(port, None)?;
        let admin = free_port(ADMIN_PORT, Some(gate.port()))?;
        fs::write(&file, configuration(gate, admin, backend, &secret))
            .map_err(|error| system("writing the configuration", &error))?;
        match App::start(Config::load(&file)?) {
            // Somebody was faster: another demo, perhaps.
            Err(AppError::Bind(_)) if tries > 0 => {}
            started => return Ok((started?, gate, admin)),
        }
    }
}

fn system(what: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::Software, format!("{what}: {error}"))
}

/// The first port from `wanted` on that nobody listens on, and that is not `other`.
///
/// A socket without SO_REUSEPORT asks, and the demo has one worker: sockets of several workers would
/// share their port with another gateway of this user.
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
        "workers = 1\nlisten  = \"{gate}\"\nhealth  = \"off\"\nadmin   = \"{admin}\"\n\
         backend = \"http://{backend}\"\nstore   = \"file:demo.redb\"\nsecret  = \"{secret}\"\n\n[usergrid]\n\n[rules]\n"
    );
    for (left, right) in RULES {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\"{left}\" = \"{right}\"");
    }
    text.push_str("\n[log]\naccess = \"text\"\n\n[limits]\ndrain = \"1s\"\n");
    text
}

/// Makes the demo's tenant in the store that `app` has opened, and issues tokens of its users.
fn furnish(app: &App) -> Result<Tokens, Failure> {
    let random = getrandom::u64().map_err(|error| {
        Failure::new(Exit::Software, format!("the system has no random numbers: {error}"))
    })?;
    let ids = IdSource::new(random.to_be_bytes());
    on_this_thread(async {
        let generation = app.generation();
        let store = generation.attach();
        let desk = Desk { generation, store };
        let now = SystemTime::now();
        for job in tenant()? {
            desk.carry_out(&Job::Directory(job), &ids, now).await?;
        }
        let issue = async |user: &str, at| {
            let to = HolderRef::User { app: shop()?, user: user.to_owned() };
            let order = TenantOrder { to, ttl: Some("1h".to_owned()) };
            let job = Job::Directory(DirectoryJob::Token(order));
            let issued: Issued = read(desk.carry_out(&job, &ids, at).await?)?;
            Ok::<_, Failure>(issued.token)
        };
        let yesterday = now - Duration::from_secs(86_400);
        Ok(Tokens {
            ann: issue("ann", now).await?,
            bob: issue("bob", now).await?,
            eve: issue("eve", now).await?,
            expired: issue("ann", yesterday).await?,
        })
    })
}

/// What makes the tenant: acme/shop with an admin and three users, one of them a buyer.
fn tenant() -> Result<Vec<DirectoryJob>, Failure> {
    let password = || Some(Hidden::from(&Secret::new(PASSWORD)));
    let app = shop()?;
    let owner = OwnerIs::New(Person {
        email: "olga@acme.example".to_owned(),
        username: Some("olga".to_owned()),
        name: None,
        password: password(),
    });
    let user = |username: &str, password| {
        DirectoryJob::User(UserJob::Create {
            app: app.clone(),
            username: username.to_owned(),
            email: None,
            name: None,
            password,
        })
    };
    let (buyer, bob) = ("buyer".to_owned(), "bob".to_owned());
    Ok(vec![
        DirectoryJob::Org(OrgJob::Create { name: "acme".to_owned(), uuid: None, owner }),
        DirectoryJob::App(AppJob::Create { app: app.clone(), uuid: None }),
        DirectoryJob::Role(RoleJob::Create { app: app.clone(), role: buyer.clone(), title: None }),
        user("ann", password()),
        user("bob", None),
        user("eve", None),
        DirectoryJob::User(UserJob::Role { app: app.clone(), user: bob, role: buyer, held: true }),
    ])
}

fn shop() -> Result<TenantRef, Failure> {
    "acme/shop".parse().map_err(|why: String| Failure::new(Exit::Software, why))
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
