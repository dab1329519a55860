//! A Redis of the test's own, on a port of its own: filled, killed, stopped and watched by the test.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::SystemTime,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tollgate::token::ttl::unix_ms;

use super::{PATIENCE, free_port, tokens::Token, until};

/// A running `redis-server`; killed when dropped.
pub(crate) struct Redis {
    child: Child,
    port: u16,
    folder: TempDir,
    password: Option<String>,
    /// More words of its command line.
    words: Vec<String>,
}

impl Redis {
    pub(crate) fn start() -> Self {
        Self::start_with(None)
    }

    /// One that wants a password.
    pub(crate) fn start_with(password: Option<&str>) -> Self {
        Self::start_as(password, &[])
    }

    /// One that has every write on the disk before it acknowledges it.
    pub(crate) fn durable() -> Self {
        Self::start_as(None, &["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// With more words on its command line.
    pub(crate) fn start_as(password: Option<&str>, words: &[&str]) -> Self {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let (folder, password) = (TempDir::new().unwrap(), password.map(str::to_owned));
        let (port, child) = until("a Redis on a free port", || {
            let port = free_port();
            launch(port, folder.path(), password.as_deref(), &words).map(|child| (port, child))
        });
        Self { child, port, folder, password, words }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// As `store = …` wants it, with the password where there is one.
    pub(crate) fn url(&self) -> String {
        match &self.password {
            None => format!("redis://{}/0", self.address()),
            Some(password) => format!("redis://:{password}@{}/0", self.address()),
        }
    }

    /// One command; its answer without type marks, `None` for nil.
    pub(crate) fn command(&self, words: &[&str]) -> Option<String> {
        let mut asked = Vec::new();
        if let Some(password) = &self.password {
            asked.push(vec!["AUTH", password.as_str()]);
        }
        asked.push(words.to_vec());
        call(self.port, &asked).unwrap_or_else(|| panic!("Redis has gone at {words:?}"))
    }

    /// Keeps the record of a token, and its principal, as the gateway itself would.
    pub(crate) fn keep(&self, token: &Token) {
        let json = serde_json::to_string(&token.record).unwrap();
        let left = token.kept_until_ms() - unix_ms(SystemTime::now());
        let key = token_key(token);
        self.command(&["SET", &key, &json, "PX", &left.to_string()]);
        let principal = format!("tollgate:principal:user:{}", token.record.subject);
        let generation = token.record.generation.to_string();
        self.command(&["HSET", &principal, "generation", &generation, "active", "1"]);
    }

    /// Keeps many, over one connection.
    pub(crate) fn keep_all(&self, tokens: &[Token]) {
        let texts = tokens.iter().flat_map(|token| {
            let record = serde_json::to_string(&token.record).unwrap();
            let principal = format!("tollgate:principal:user:{}", token.record.subject);
            let generation = token.record.generation.to_string();
            [
                vec!["SET".to_owned(), token_key(token), record],
                ["HSET", &principal, "generation", &generation, "active", "1"]
                    .map(str::to_owned)
                    .into(),
            ]
        });
        let texts: Vec<Vec<String>> = texts.collect();
        let commands: Vec<Vec<&str>> =
            texts.iter().map(|words| words.iter().map(String::as_str).collect()).collect();
        call(self.port, &commands).expect("Redis has gone");
    }

    /// A fresh token of `subject`, kept.
    pub(crate) fn issue(&self, subject: &str) -> Token {
        let token = Token::of(subject);
        self.keep(&token);
        token
    }

    /// Forgets a token, as another gateway or an operator would.
    pub(crate) fn revoke(&self, token: &Token) {
        let gone = self.command(&["DEL", &token_key(token)]);
        assert_eq!(gone.as_deref(), Some("1"), "the record was there");
    }

    /// How often `command` was run, by anybody.
    pub(crate) fn count(&self, command: &str) -> u64 {
        let stats = self.command(&["INFO", "commandstats"]).unwrap();
        let line = format!("cmdstat_{command}:calls=");
        let found = stats.lines().find_map(|text| text.strip_prefix(&line));
        found.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts again on the same port after [`kill`](Self::kill); empty, unless it kept something.
    pub(crate) fn restart(&mut self) {
        self.restart_as(&[]);
    }

    /// The same, with more words on its command line.
    pub(crate) fn restart_as(&mut self, more: &[&'static str]) {
        let (port, folder) = (self.port, self.folder.path());
        let mut words = self.words.clone();
        words.extend(more.iter().map(|word| (*word).to_owned()));
        let password = self.password.as_deref();
        self.child = until("Redis to come back", || launch(port, folder, password, &words));
    }

    /// Commands on one connection.
    pub(crate) fn commands(&self, commands: &[&[&str]]) {
        let commands: Vec<_> = commands.iter().map(|words| words.to_vec()).collect();
        call(self.port, &commands).unwrap_or_else(|| panic!("Redis has gone at {commands:?}"));
    }

    /// Waits until its replica has all that was written so far. `WAIT` counts what its own connection wrote, and is
    /// content at once where that is nothing: hence a write before it.
    pub(crate) fn is_replicated(&self) {
        let mark = vec!["SET", "harness:mark", "1", "PX", "1000"];
        let had = call(self.port, &[mark, vec!["WAIT", "1", "5000"]]);
        assert_eq!(had.flatten().as_deref(), Some("1"), "a replica that has it");
    }

    /// Holds it, so that it answers nothing and refuses nothing.
    pub(crate) fn freeze(&self) {
        kill_process(Pid::from_child(&self.child), Signal::STOP).unwrap();
    }

    pub(crate) fn thaw(&self) {
        kill_process(Pid::from_child(&self.child), Signal::CONT).unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The key under which a token's record stands.
pub(crate) fn token_key(token: &Token) -> String {
    format!("tollgate:token:{}", token.id.simple())
}

/// Starts a server and waits until it answers; `None` when it ended instead: the port was taken.
fn launch(port: u16, folder: &Path, password: Option<&str>, words: &[String]) -> Option<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
    command.args(["--appendonly", "no", "--daemonize", "no"]).arg("--dir").arg(folder);
    if let Some(password) = password {
        command.args(["--requirepass", password]);
    }
    command.args(words);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect(
            "these tests need `redis-server`: `make test` or `apt-get install redis-server`",
        );
    until("Redis to answer", || {
        if child.try_wait().unwrap().is_some() {
            return Some(false);
        }
        call(port, &[vec!["ECHO", "here"]]).is_some().then_some(true)
    })
    .then_some(child)
}

/// Commands on a connection of their own, and the answer to the last. `None`: no connection.
pub(crate) fn call(port: u16, commands: &[Vec<&str>]) -> Option<Option<String>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut answer = None;
    for words in commands {
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        stream.write_all(text.as_bytes()).ok()?;
        answer = reply(&mut reader)?;
    }
    Some(answer)
}

fn reply(reader: &mut BufReader<TcpStream>) -> Option<Option<String>> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let text = line.trim_end().get(1..)?;
    match line.as_bytes()[0] {
        b'$' => {
            let Ok(length) = text.parse::<usize>() else { return Some(None) };
            let mut bytes = vec![0; length + 2];
            reader.read_exact(&mut bytes).ok()?;
            bytes.truncate(length);
            Some(Some(String::from_utf8_lossy(&bytes).into_owned()))
        }
        b'*' => {
            let count: usize = text.parse().ok()?;
            let words: Vec<_> = (0..count).filter_map(|_| reply(reader).flatten()).collect();
            Some(Some(words.join(" ")))
        }
        _ => Some(Some(text.to_owned())),
    }
}
