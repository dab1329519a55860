//! The gateway's process: its configuration written, its binary started, its lines read, its end sure.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs::File,
    io::{BufRead as _, BufReader, Read, Write as _},
    net::SocketAddr,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc::channel},
    time::Duration,
};

use rustix::{
    process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit},
    pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt},
};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    PATIENCE,
    client::{Answer, Client, get},
    tokens::{self, SECRET, Token},
    until,
};

/// The binary.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_tollgate");

/// How the binary is told to serve a file.
fn arguments(config: &Path) -> Vec<OsString> {
    vec!["serve".into(), "--config".into(), config.into()]
}

/// What olga has who is made by [`Setup::bootstrap`].
pub(crate) const PASSWORD: &str = "olga-secret-1";

/// And the key of it that makes her an application.
pub(crate) const SHOP: &str = "application = \"shop\"";

/// A gateway about to be started.
pub(crate) struct Setup {
    folder: TempDir,
    /// Keys above the first table, as TOML values.
    top: Vec<(String, String)>,
    tables: String,
    /// Variables of the process's environment.
    variables: Variables,
}

type Variables = Vec<(&'static str, OsString)>;

impl Setup {
    /// Two workers and the embedded file, before `backend`.
    pub(crate) fn new(backend: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let (top, tables, variables) = (Vec::new(), String::new(), Variables::new());
        Self { folder, top, tables, variables }
            .key("listen", r#""127.0.0.1:0""#)
            .key("health", r#""127.0.0.1:0""#)
            .key("backend", &format!("{backend:?}"))
            .key("secret", &format!("{SECRET:?}"))
            .key("store", r#""file:tollgate.redb""#)
            .key("workers", "2")
    }

    /// Sets one of the keys above the first table.
    pub(crate) fn key(mut self, name: &str, value: &str) -> Self {
        self.top.retain(|(known, _)| known != name);
        self.top.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.top.retain(|(known, _)| known != name);
        self
    }

    /// Sets a variable of the process's environment.
    pub(crate) fn variable(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Adds tables.
    pub(crate) fn tables(mut self, text: &str) -> Self {
        self.tables.push_str(text);
        self.tables.push('\n');
        self
    }

    /// Adds the first tenant: the organization acme and its admin olga. `more` are further keys of it.
    pub(crate) fn bootstrap(self, more: &str) -> Self {
        self.tables(&format!(
            r#"
[usergrid.bootstrap]
organization = "acme"
username     = "olga"
email        = "olga@acme.example"
password     = "{PASSWORD}"
{more}
"#
        ))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration's text.
    pub(crate) fn text(&self) -> String {
        let top: String =
            self.top.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        format!("{top}\n{}", self.tables)
    }

    /// Writes the file, gives everybody a token where the store is the embedded file, and starts.
    pub(crate) fn start(self) -> Gateway {
        let config = self.folder.path().join("tollgate.toml");
        self.start_from(config)
    }

    /// The same, with its access lines on a terminal.
    pub(crate) fn start_on_a_terminal(self) -> Gateway {
        let config = self.folder.path().join("tollgate.toml");
        self.start_writing(config, terminal(), Command::new(PROGRAM))
    }

    /// The same, with the file somewhere else.
    pub(crate) fn start_from(self, config: PathBuf) -> Gateway {
        self.start_writing(config, pipe(), Command::new(PROGRAM))
    }

    /// The same, with a program and an environment of its own; the words that follow are added.
    pub(crate) fn start_by(self, program: Command) -> Gateway {
        let config = self.folder.path().join("tollgate.toml");
        self.start_writing(config, pipe(), program)
    }

    fn start_writing(self, config: PathBuf, output: Output, program: Command) -> Gateway {
        std::fs::write(&config, self.text()).unwrap();
        let stored = self.top.iter().any(|(_, value)| value.contains("file:tollgate.redb"));
        let tokens = if stored {
            tokens::fill(&config.parent().unwrap().join("tollgate.redb"))
        } else {
            HashMap::new()
        };
        let process = spawn(program, &config, output, &self.variables);
        Gateway::run(self.folder, config, tokens, process, self.variables)
    }
}

/// A running gateway; killed when dropped.
pub(crate) struct Gateway {
    child: Child,
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    /// Where probes connect.
    pub(crate) health: Option<SocketAddr>,
    /// The configuration's file.
    pub(crate) config: PathBuf,
    /// Access lines.
    pub(crate) out: Log,
    /// Events.
    pub(crate) err: Log,
    tokens: HashMap<&'static str, Token>,
    folder: TempDir,
    variables: Variables,
}

impl Gateway {
    fn run(
        folder: TempDir,
        config: PathBuf,
        tokens: HashMap<&'static str, Token>,
        (child, out, err): (Child, Log, Log),
        variables: Variables,
    ) -> Self {
        let mut gateway = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            health: None,
            config,
            out,
            err,
            tokens,
            folder,
            variables,
        };
        gateway.learn_addresses();
        gateway.first_tenant();
        gateway
    }

    /// Waits until the file's first tenant is there: its admin's password is hashed by then, which a busy
    /// machine may not have come to when the gateway says that it listens.
    fn first_tenant(&self) {
        let text = std::fs::read_to_string(&self.config).unwrap();
        if text.lines().any(|line| line == "[usergrid.bootstrap]") {
            let ends = ["first organization is made", "cannot be made", "was carried out before"];
            until("the first tenant", || {
                ends.iter().any(|end| !self.err.events(end).is_empty()).then_some(())
            });
        }
    }

    /// Serves a file that somebody else has written into `folder`.
    pub(crate) fn serve(folder: TempDir, config: PathBuf) -> Self {
        let process = spawn(Command::new(PROGRAM), &config, pipe(), &Variables::new());
        Self::run(folder, config, HashMap::new(), process, Variables::new())
    }

    /// Reads the start's `listening` event: ports were chosen by the kernel.
    fn learn_addresses(&mut self) {
        let line = until("the gateway's start", || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the gateway did not start: {}", self.err.text());
            self.err.events("listening").pop()
        });
        let text = line["is"].as_str().unwrap();
        let parse = |word: &str| word.trim_end_matches(',').parse::<SocketAddr>().ok();
        let words: Vec<&str> = text.split_whitespace().collect();
        self.health = words.windows(2).find(|two| two[0] == "health").and_then(|two| parse(two[1]));
        self.address = words.first().and_then(|word| parse(word)).unwrap_or(self.address);
    }

    /// Starts again on the same configuration, after the process has ended.
    pub(crate) fn start_again(&mut self) {
        self.start_again_by(Command::new(PROGRAM));
    }

    /// The same, with a program and an environment of its own.
    pub(crate) fn start_again_by(&mut self, program: Command) {
        (self.child, self.out, self.err) = spawn(program, &self.config, pipe(), &self.variables);
        self.learn_addresses();
        self.first_tenant();
    }

    /// The token of somebody in [`tokens::PEOPLE`].
    pub(crate) fn token(&self, name: &str) -> &str {
        &self.tokens[name].text
    }

    /// The `Authorization` line of somebody.
    pub(crate) fn bearer(&self, name: &str) -> String {
        super::client::bearer(self.token(name))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, request: impl AsRef<[u8]>) -> Answer {
        self.connect().ask(request)
    }

    /// One request to the health listener.
    pub(crate) fn probe(&self, path: &str) -> Answer {
        Client::connect(self.health.unwrap()).ask(get(path, "Connection: close\r\n"))
    }

    /// The value of a metric's line, which must be there.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        self.try_metric(series).unwrap_or_else(|| panic!("no {series}"))
    }

    pub(crate) fn try_metric(&self, series: &str) -> Option<f64> {
        let text = self.probe("/metrics");
        let line = text.text().lines().find(|line| line.starts_with(&format!("{series} ")))?;
        line.rsplit(' ').next().unwrap().parse().ok()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    /// Sets the soft limit of a resource of the process: `None` is as much as it may have.
    pub(crate) fn limit(&self, resource: Resource, current: Option<u64>) {
        let pid = Some(Pid::from_child(&self.child));
        let most = prlimit(pid, resource, Rlimit { current, maximum: None })
            .map_or_else(|_| getrlimit(resource).maximum, |_| None);
        if most.is_some() {
            // Without the right to raise the hard limit it stays what it is.
            let current = current.or(most);
            prlimit(pid, resource, Rlimit { current, maximum: most }).unwrap();
        }
    }

    /// Open descriptors of the process.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Time of a processor that the process has used.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(1000 * ticks / rustix::param::clock_ticks_per_second())
    }

    /// Memory that the process holds, in KiB.
    pub(crate) fn memory_kib(&self) -> usize {
        self.status("VmRSS:")
    }

    fn status(&self, name: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The most that it ever held, in KiB.
    pub(crate) fn peak_kib(&self) -> usize {
        self.status("VmHWM:")
    }

    /// Waits for the process to end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        until("the gateway's end", || self.child.try_wait().unwrap())
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Rewrites the configuration's file in one step.
    pub(crate) fn rewrite(&self, text: &str) {
        let new = self.config.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &self.config).unwrap();
    }

    /// The access line of the request whose answer this is.
    pub(crate) fn access_line(&self, answer: &Answer) -> Value {
        let id = answer.field("x-request-id").expect("every answer has an id").to_owned();
        until("the access line", || {
            self.out.json().into_iter().find(|line| line["request_id"] == id.as_str())
        })
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the gateway said:\n{}---", self.err.text());
        }
    }
}

/// A standard output: where it is read, and what the process gets.
type Output = (OwnedFd, OwnedFd);

fn pipe() -> Output {
    let (read, written) = std::io::pipe().unwrap();
    (read.into(), written.into())
}

/// A pseudo-terminal, nobody's controlling one.
fn terminal() -> Output {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let read = openpt(flags).unwrap();
    unlockpt(&read).unwrap();
    let written = ioctl_tiocgptpeer(&read, flags).unwrap();
    (read, written)
}

fn spawn(
    mut program: Command,
    config: &Path,
    (read, written): Output,
    variables: &Variables,
) -> (Child, Log, Log) {
    let mut child = program
        .args(arguments(config))
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(written)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let out = Log::follow(File::from(read));
    let err = Log::follow(child.stderr.take().unwrap());
    (child, out, err)
}

/// Runs another command of the binary on the same file, and returns its exit code and standard output.
pub(crate) fn command(config: &Path, words: &[&str], input: &str) -> (i32, String) {
    let mut child = Command::new(PROGRAM)
        .args(words)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// Runs the gateway on a file that it must not accept, and returns its exit code and what it said.
pub(crate) fn refused(config: &Path) -> (i32, String) {
    let mut program = Command::new(PROGRAM);
    program.args(arguments(config)).stdin(Stdio::null());
    let child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (pid, (ended, end)) = (Pid::from_child(&child), channel());
    std::thread::spawn(move || ended.send(child.wait_with_output()));
    let output = end.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        kill_process(pid, Signal::KILL).unwrap();
        panic!("it serves a file that it has to refuse")
    });
    let output = output.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

/// Lines of an output, as they come.
#[derive(Clone)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn follow(output: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let log = Self(Arc::clone(&lines));
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        log
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn text(&self) -> String {
        self.lines().iter().map(|line| format!("{line}\n")).collect()
    }

    /// The lines that are JSON.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.lines().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The events whose message contains `message`.
    pub(crate) fn events(&self, message: &str) -> Vec<Value> {
        let said =
            |line: &Value| line["message"].as_str().is_some_and(|text| text.contains(message));
        self.json().into_iter().filter(said).collect()
    }

    /// Waits for such an event.
    pub(crate) fn event(&self, message: &str) -> Value {
        until(message, || self.events(message).pop())
    }
}
