//! What tests of the stores share: records, a `redis-server` of their own, a proxy before it that
//! can hold an answer back, and a worker's runtime.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::{Builder, LocalOptions};

use super::{HealthState, Store};
use crate::{
    config::{RedisAddress, RedisLogin, RedisNode, RedisStore, WaitReplicas},
    tick,
    token::record::TokenRecord,
};

/// A record without anything special.
pub(crate) fn record(subject: &str, expires_ms: i64) -> TokenRecord {
    TokenRecord {
        subject: subject.to_owned(),
        holder: None,
        name: Some(format!("{subject} of the tests")),
        email: None,
        roles: vec!["buyer".to_owned()],
        scopes: vec!["read".to_owned()],
        issued_ms: 1,
        expires_ms,
        generation: 0,
    }
}

/// Runs `test` as a worker would: on a current-thread runtime that can spawn locally, with its tick.
pub(crate) fn on_worker<T>(test: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    runtime.unwrap().block_on(async {
        tokio::task::spawn_local(tick::run(|_| ()));
        test.await
    })
}

/// The settings that reach `address` with a limit that a loaded test machine keeps.
pub(crate) fn redis_at(address: RedisAddress) -> RedisStore {
    RedisStore {
        address,
        tls: None,
        login: RedisLogin::default(),
        sentinel_login: RedisLogin::default(),
        database: 0,
        prefix: "tg:".to_owned(),
        timeout: Duration::from_millis(300),
        questions: 256,
        waiting: 1_024,
        wait_replicas: WaitReplicas::Auto,
    }
}

pub(crate) fn tcp(port: u16) -> RedisAddress {
    RedisAddress::One(RedisNode { host: "127.0.0.1".to_owned(), port })
}

/// Waits until the link of `store` is up.
pub(crate) async fn connected(store: Store) -> Store {
    until("the link is up", || store.health().state == HealthState::Up).await;
    store
}

/// Waits for `condition`, for as long as a loaded machine may need.
#[track_caller]
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) -> impl Future<Output = ()> {
    let what = format!("{what} (from {})", std::panic::Location::caller());
    async move {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !condition() {
            assert!(Instant::now() < deadline, "never happened: {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A `redis-server` on a port of its own, killed when dropped.
pub(crate) struct TestRedis {
    child: Child,
    pub(crate) port: u16,
    folder: tempfile::TempDir,
    pub(super) arguments: Vec<String>,
}

impl TestRedis {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With more arguments than a plain server has.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        // Another test may take the port between our look and the server's bind.
        for _ in 0..5 {
            let port = free_port();
            if let Some(child) = spawn(port, folder.path(), &arguments) {
                return Self { child, port, folder, arguments };
            }
        }
        panic!("redis-server does not start; is it installed? (apt-get install redis-server)")
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Stops its process without ending it: connections stay open and nobody answers.
    pub(crate) fn freeze(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
    }

    pub(crate) fn thaw(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after `kill`, on the same port and empty.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(self.port, self.folder.path(), &self.arguments).unwrap();
    }

    /// Runs one command over a connection of its own; the raw answer.
    pub(crate) fn command(&self, words: &[&str]) -> String {
        ask(self.port, words).unwrap()
    }

    /// Runs commands over one connection; the raw answer to the last.
    pub(crate) fn commands(&self, commands: &[&[&str]]) -> String {
        let answers = ask_all(self.port, commands).unwrap();
        answers.lines().last().map(|line| format!("{line}\r\n")).unwrap_or_default()
    }

    /// How often it was asked to run `command` (lower case).
    pub(crate) fn calls(&self, command: &str) -> u64 {
        let info = self.command(&["INFO", "commandstats"]);
        let line = info.lines().find_map(|line| {
            line.strip_prefix(&format!("cmdstat_{command}:calls="))?.split(',').next()
        });
        line.map_or(0, |calls| calls.parse().unwrap())
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that answers on `port`, or `None`.
fn spawn(port: u16, folder: &Path, arguments: &[String]) -> Option<Child> {
    let mut child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "no", "--daemonize", "no", "--dir"])
        .arg(folder)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
        // Any answer will do: a server with a password answers NOAUTH. Its process id tells it from
        // a stranger who took the port.
        let answer = ask(port, &["INFO", "server"]).unwrap_or_default();
        if answer.contains(&format!("process_id:{}", child.id())) || answer.starts_with("-NOAUTH") {
            return Some(child);
        }
        thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

pub(super) fn ask(port: u16, words: &[&str]) -> std::io::Result<String> {
    ask_all(port, &[words])
}

fn ask_all(port: u16, commands: &[&[&str]]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut text = String::new();
    for words in commands {
        text.push_str(&format!("*{}\r\n", words.len()));
        for word in *words {
            text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
    }
    stream.write_all(text.as_bytes())?;
    stream.shutdown(Shutdown::Write)?; // it answers and closes
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A proxy before a Redis that can hold one answer back.
pub(crate) struct HoldingProxy {
    pub(crate) port: u16,
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

#[derive(Default)]
struct Gate {
    /// Hold the next answer that contains this, and what follows it.
    wanted: Option<Vec<u8>>,
    holding: bool,
}

impl HoldingProxy {
    pub(crate) fn before(redis: &TestRedis) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let gate = Arc::new((Mutex::new(Gate::default()), Condvar::new()));
        let (server, shared) = (redis.port, Arc::clone(&gate));
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || copy(from, to, |_| {}));
                let gate = Arc::clone(&shared);
                thread::spawn(move || copy(server, client, |answer| pass(&gate, answer)));
            }
        });
        Self { port, gate }
    }

    /// From now on: hold the next answer that contains `text`.
    pub(crate) fn hold(&self, text: &str) {
        self.gate.0.lock().unwrap().wanted = Some(text.as_bytes().to_vec());
    }

    pub(crate) fn is_holding(&self) -> bool {
        self.gate.0.lock().unwrap().holding
    }

    pub(crate) fn release(&self) {
        *self.gate.0.lock().unwrap() = Gate::default();
        self.gate.1.notify_all();
    }
}

fn pass(gate: &(Mutex<Gate>, Condvar), answer: &[u8]) {
    let mut state = gate.0.lock().unwrap();
    let matches = |wanted: &Vec<u8>| answer.windows(wanted.len()).any(|part| part == wanted);
    if state.wanted.as_ref().is_some_and(matches) {
        *state = Gate { wanted: None, holding: true };
    }
    while state.holding {
        state = gate.1.wait(state).unwrap();
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, before: impl Fn(&[u8])) {
    let mut buffer = [0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        before(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
