//! The three processes: started, killed, held, and started again on the same ports.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{
    backend,
    http::{Answer, Connection, Lost},
};

/// A configuration that is no configuration.
pub(crate) const FAULTY: &str = "listen = [\n[rules\n";

/// Longest wait for a process that was started.
const START: Duration = Duration::from_secs(30);

/// One process, and how to start it again.
pub(crate) struct Process {
    child: Child,
    start: Box<dyn Fn() -> Child>,
}

impl Process {
    fn new(start: impl Fn() -> Child + 'static) -> Self {
        Self { child: start(), start: Box::new(start) }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for an end that was asked for.
    pub(crate) fn ended(&mut self) {
        self.child.wait().unwrap();
    }

    pub(crate) fn start(&mut self) {
        self.child = (self.start)();
    }

    /// Whether it is there although nobody stopped it.
    pub(crate) fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that runs.
pub(crate) struct World {
    pub(crate) redis: Process,
    pub(crate) backend: Process,
    pub(crate) gateway: Process,
    /// Where clients of the gateway connect.
    pub(crate) address: SocketAddr,
    health: SocketAddr,
    redis_port: u16,
    pub(crate) backend_address: SocketAddr,
    config: String,
    folder: TempDir,
}

impl World {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [address, health, backend_address, redis] = free_addresses();
        let (path, config) =
            (folder.path().to_owned(), config(address, health, backend_address, redis));
        fs::write(path.join("tollgate.toml"), &config).unwrap();
        let world = Self {
            redis: Process::new({
                let (port, path) = (redis.port().to_string(), path.clone());
                move || {
                    let mut command = Command::new("redis-server");
                    command.args(["--bind", "127.0.0.1", "--port", &port, "--save", ""]);
                    command
                        .args(["--appendonly", "yes", "--appendfsync", "always", "--dir"])
                        .arg(&path);
                    quiet(&mut command)
                }
            }),
            backend: Process::new({
                let (port, journal) = (backend_address.port().to_string(), path.join("journal"));
                move || {
                    let mut command = Command::new(std::env::current_exe().unwrap());
                    quiet(command.arg(backend::MODE).arg(&port).arg(&journal))
                }
            }),
            gateway: Process::new(move || {
                let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
                let log =
                    File::options().create(true).append(true).open(path.join("events")).unwrap();
                command.args(["serve", "--config"]).arg(path.join("tollgate.toml"));
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
            }),
            address,
            health,
            redis_port: redis.port(),
            backend_address,
            config,
            folder,
        };
        world.wait_for_gateway();
        world
    }

    /// Waits until the gateway is there and lacks nothing.
    pub(crate) fn wait_for_gateway(&self) {
        let give_up = Instant::now() + START;
        while !self.is_ready() {
            assert!(Instant::now() < give_up, "the gateway is not ready: {}", self.events());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether `/readyz` is 200 and names nothing.
    pub(crate) fn is_ready(&self) -> bool {
        self.readyz().is_some_and(|answer| {
            answer.status == 200 && !answer.body.windows(8).any(|w| w == b"degraded")
        })
    }

    fn readyz(&self) -> Option<Answer> {
        Connection::tcp(self.health).ok()?.ask("GET", "/readyz", None, "").ok()
    }

    /// The parts that `/readyz` calls degraded, or nothing.
    pub(crate) fn complaint(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.readyz()?.body).ok()?;
        body["degraded"][0]["error"].as_str().map(str::to_owned)
    }

    /// Something for the operator's socket.
    pub(crate) fn admin(&self) -> PathBuf {
        self.folder.path().join("admin.sock")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.folder.path().join("journal")
    }

    fn events(&self) -> String {
        fs::read_to_string(self.folder.path().join("events")).unwrap_or_default()
    }

    /// Tells the backend how to behave.
    pub(crate) fn tell_backend(&self, mode: &str) {
        let told = Connection::tcp(self.backend_address).and_then(|mut connection| {
            connection.ask("GET", &format!("/control/{mode}"), None, "")
        });
        // In some modes the answer to that is the first to go wrong.
        drop(told.map_err(|lost| assert_ne!(lost, Lost::Refused)));
    }

    /// Tells Redis something, on one connection, waiting for each answer.
    pub(crate) fn tell_redis(&self, commands: &[&[&str]]) {
        redis(self.redis_port, commands)
            .unwrap_or_else(|| panic!("Redis did not take {commands:?}"));
    }

    /// Replaces the configuration's text and has it read.
    pub(crate) fn reload(&self, change: impl FnOnce(&str) -> String) {
        let file = self.folder.path().join("tollgate.toml");
        let text = fs::read_to_string(&file).unwrap();
        write_whole(&file, &change(&text));
        self.gateway.signal(Signal::HUP);
    }

    /// Puts the first configuration back.
    pub(crate) fn restore(&self) {
        self.reload(|_| self.config.clone());
    }

    /// Memory of the gateway's process in KiB, and its open descriptors.
    pub(crate) fn footprint(&self) -> (u64, usize) {
        let proc = format!("/proc/{}", self.gateway.child.id());
        let status = fs::read_to_string(format!("{proc}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
        let kib = line.trim().trim_end_matches(" kB").parse().unwrap_or(0);
        (kib, fs::read_dir(format!("{proc}/fd")).map_or(0, Iterator::count))
    }
}

/// In one step, so that a watcher never reads a half.
fn write_whole(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, file).unwrap();
}

fn quiet(command: &mut Command) -> Child {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("the soak needs {command:?}: {error}"))
}

fn config(
    listen: SocketAddr,
    health: SocketAddr,
    backend: SocketAddr,
    redis: SocketAddr,
) -> String {
    format!(
        r#"listen  = "{listen}"
health  = "{health}"
admin   = "unix:admin.sock"
backend = "main"
secret  = "soak-0c2a77d1f4be49d7a1b0f06e7f1f6f52-soak"
store   = {{ url = "redis://{redis}/0", timeout = "1s" }}

[backends.main]
url      = "http://{backend}"
timeouts = {{ first-byte = "2s" }}

[rules]
"GET /status"    = "public"
"GET /catalog/**" = "guest"
"* /orders/**"   = "authenticated"
"GET /buy/**"    = "role:buyer"
"#
    )
}

/// Addresses of loopback that nobody has, below the kernel's ephemeral range: a process that is down for a
/// while must find its own still free.
fn free_addresses() -> [SocketAddr; 4] {
    let first = 10_000 + (std::process::id().wrapping_mul(131) % 22_000) as u16;
    let mut free = (first..).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let mut next = || free.find(|address| TcpListener::bind(address).is_ok()).unwrap();
    [next(), next(), next(), next()]
}

/// Commands to Redis on one connection; `None` when one has no answer.
fn redis(port: u16, commands: &[&[&str]]) -> Option<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(START)).ok()?;
    for words in commands {
        let mut text = format!("*{}\r\n", words.len());
        words.iter().for_each(|word| text.push_str(&format!("${}\r\n{word}\r\n", word.len())));
        stream.write_all(text.as_bytes()).ok()?;
        // The answers of what is asked here are short lines.
        let mut answer = [0; 64];
        stream.read(&mut answer).ok().filter(|count| *count > 0)?;
    }
    Some(())
}
