//! The tokens of a run: minted with the gateway's own key, their records put where each proxy looks.
//!
//! The records go to Redis by the pipeline, since a million of them one by one would take longer than
//! everything else: each in the form that `store::redis` documents, and a few bytes for nginx.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

use tollgate::{
    secret::Secret,
    token::{
        id::IdSource,
        keyring::Keyring,
        record::TokenRecord,
        ttl::{expiry_ms, unix_ms},
    },
};

use crate::{
    Outcome,
    scenario::{Caller, Scenario, Way},
};

/// Keys the tokens of all gateways of a run.
pub(crate) const SECRET: &str = "benchbenchbenchbenchbenchbenchbenchbench";

/// HAProxy's map, in the temporary folder.
pub(crate) const MAP: &str = "tokens.map";

/// Longest wait for an answer, and for a tenant.
const PATIENCE: Duration = Duration::from_secs(120);

/// Long enough for any run.
const LIFETIME: Duration = Duration::from_secs(6 * 3600);

/// As many are known to everybody at least, so that nobody looks for one among one.
const KNOWN: usize = 10_000;

/// The most that HAProxy is given: more would be another program's job.
const MAPPED: usize = 100_000;

/// Whose the tokens are: each has a hundred of a million.
pub(crate) const SUBJECTS: usize = 10_000;

/// Records of one write to Redis.
const BATCH: usize = 2_000;

/// What requests carry.
#[derive(Debug)]
pub(crate) enum Credentials {
    /// Nothing.
    None,
    /// One of these, at random.
    Tokens(Vec<String>),
    /// These in a row.
    InRow(Vec<String>),
    /// Text that is no token, made of a number.
    IllFormed,
    /// Text in the form of a token, made of a number.
    Forged,
}

impl Credentials {
    /// Appends the credential of the request `number`: the same number, the same credential.
    pub(crate) fn append(&self, number: u64, out: &mut Vec<u8>) {
        // Writing into a vector does not fail.
        let _ = match self {
            Self::None => Ok(()),
            Self::Tokens(texts) => out.write_all(one_of(texts, scattered(number)).as_bytes()),
            Self::InRow(texts) => out.write_all(one_of(texts, number).as_bytes()),
            Self::IllFormed => write!(out, "bench-{number:057}"),
            // Digits are of the alphabet, and an A at the end leaves no spare bit set.
            Self::Forged => write!(out, "YWMt{number:058}A"),
        };
    }
}

fn one_of(texts: &[String], number: u64) -> &str {
    let place = number % texts.len().max(1) as u64;
    usize::try_from(place).ok().and_then(|place| texts.get(place)).map_or("", String::as_str)
}

/// Numbers in a row, scattered (the finalizer of SplitMix64).
fn scattered(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Mints what the caller of a scenario needs, and lets every proxy know it.
pub(crate) fn make(scenario: &Scenario, redis: u16, folder: &Path) -> Outcome<Credentials> {
    let caller = scenario.caller;
    let wanted = if let Caller::Many(wanted) = caller { wanted } else { 1 };
    let mint = Mint::new();
    let known: Vec<(uuid::Uuid, String)> =
        (0..wanted.max(KNOWN)).map(|_| mint.token(Some(LIFETIME))).collect::<Outcome<_>>()?;
    store(&known, redis)?;
    if known.len() <= MAPPED {
        let mut map = String::new();
        for (_, text) in &known {
            let _ = writeln!(map, "{text} bench scope=read");
        }
        fs::write(folder.join(MAP), map)?;
    }
    let texts = |count| known.into_iter().take(count).map(|(_, text)| text).collect();
    Ok(match caller {
        Caller::Nobody | Caller::User => Credentials::None,
        Caller::One => Credentials::Tokens(texts(1)),
        Caller::Many(count) if scenario.way == Way::Fill => Credentials::InRow(texts(count)),
        Caller::Many(count) => Credentials::Tokens(texts(count)),
        Caller::IllFormed => Credentials::IllFormed,
        Caller::Forged => Credentials::Forged,
        Caller::Expired => {
            let over = (0..KNOWN).map(|_| Ok(mint.token(None)?.1)).collect::<Outcome<_>>()?;
            Credentials::Tokens(over)
        }
    })
}

struct Mint {
    ids: IdSource,
    keys: Keyring,
}

impl Mint {
    fn new() -> Self {
        Self { ids: IdSource::new([7; 8]), keys: Keyring::new(&[Secret::new(SECRET)]) }
    }

    /// A token that lives so long; without a lifetime it ended an hour ago.
    fn token(&self, lifetime: Option<Duration>) -> Outcome<(uuid::Uuid, String)> {
        let now = SystemTime::now();
        let expires_ms = match lifetime {
            Some(lifetime) => expiry_ms(unix_ms(now), Some(lifetime)).ok_or("no such instant")?,
            None => unix_ms(now) - 3_600_000,
        };
        let id = self.ids.next(now);
        let text = self.keys.mint(id, expires_ms).ok_or("no secret")?;
        Ok((id, text.expose().to_owned()))
    }
}

/// Writes the records of all tokens, and the state of those whose they are.
fn store(known: &[(uuid::Uuid, String)], redis: u16) -> Outcome<()> {
    let mut wire = Wire::connect(redis)?;
    let now = unix_ms(SystemTime::now());
    let subjects: Vec<usize> = (0..SUBJECTS.min(known.len())).collect();
    for some in subjects.chunks(BATCH) {
        for subject in some {
            let key = format!("tollgate:principal:user:user-{subject}");
            wire.add(&["HSET", &key, "generation", "1", "active", "1"]);
        }
        wire.send()?;
    }
    let numbered: Vec<_> = known.iter().enumerate().collect();
    for some in numbered.chunks(BATCH) {
        for (number, (id, text)) in some {
            let record = TokenRecord {
                subject: format!("user-{}", number % SUBJECTS),
                holder: None,
                name: Some("Ann Example".to_owned()),
                email: Some("ann@shop.example".to_owned()),
                roles: vec!["buyer".to_owned(), "support".to_owned()],
                scopes: Vec::new(),
                issued_ms: now,
                expires_ms: expiry_ms(now, Some(LIFETIME)).ok_or("no such instant")?,
                generation: 1,
            };
            let json = serde_json::to_string(&record)?;
            wire.add(&["SET", &format!("tollgate:token:{}", id.simple()), &json]);
            wire.add(&["SET", &format!("lua:{text}"), "bench scope=read"]);
        }
        wire.send()?;
    }
    Ok(())
}

/// Commands for Redis, as many at a time as one likes.
struct Wire {
    stream: BufReader<TcpStream>,
    commands: String,
    waiting: usize,
}

impl Wire {
    fn connect(port: u16) -> Outcome<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), commands: String::new(), waiting: 0 })
    }

    fn add(&mut self, words: &[&str]) {
        let _ = write!(self.commands, "*{}\r\n", words.len());
        for word in words {
            let _ = write!(self.commands, "${}\r\n{word}\r\n", word.len());
        }
        self.waiting += 1;
    }

    /// Sends what was added, and reads as many answers of one line.
    fn send(&mut self) -> Outcome<()> {
        self.stream.get_mut().write_all(self.commands.as_bytes())?;
        self.commands.clear();
        for _ in 0..std::mem::take(&mut self.waiting) {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            if !line.starts_with(['+', ':']) {
                return Err(format!("redis: {line}").into());
            }
        }
        Ok(())
    }
}

/// How many look-ups the Redis at `port` has answered: what asks only whether it is there is not counted.
pub(crate) fn lookups(port: u16) -> Outcome<u64> {
    let text = information(port, "commandstats")?;
    // `cmdstat_get:calls=2000,usec=...`
    let calls = ["get", "hmget", "hgetall"].into_iter().filter_map(|name| {
        let rest = text.lines().find_map(|l| l.strip_prefix(&format!("cmdstat_{name}:calls=")))?;
        rest.split(',').next()?.parse::<u64>().ok()
    });
    Ok(calls.sum())
}

/// How many commands of any kind it has carried out.
pub(crate) fn commands(port: u16) -> Outcome<u64> {
    let text = information(port, "stats")?;
    let count = text.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
    Ok(count.ok_or("redis does not tell its commands")?.trim().parse()?)
}

fn information(port: u16, section: &str) -> Outcome<String> {
    let mut wire = Wire::connect(port)?;
    wire.add(&["INFO", section]);
    wire.stream.get_mut().write_all(wire.commands.as_bytes())?;
    let mut length = String::new();
    wire.stream.read_line(&mut length)?;
    let length: usize = length.trim().trim_start_matches('$').parse()?;
    let mut text = vec![0; length];
    wire.stream.read_exact(&mut text)?;
    Ok(String::from_utf8(text)?)
}

/// The body of a page, which anybody may read.
pub(crate) fn get(port: u16, path: &str) -> Outcome<String> {
    ask(port, "GET", path, None, "")
}

/// Registers a user with the gateway at `port`, whose role has that many permissions, and logs it in.
pub(crate) fn user(port: u16, permissions: Option<usize>) -> Outcome<Credentials> {
    let name = format!("ann{port}");
    let user = format!(
        r#"{{"username":"{name}","email":"{name}@shop.example","password":"of the bench"}}"#
    );
    // The tenant is made beside the first requests; under valgrind its admin's password takes a while.
    let given_up = Instant::now() + PATIENCE;
    while let Err(error) = ask(port, "POST", "/acme/shop/users", None, &user) {
        if Instant::now() > given_up {
            return Err(error);
        }
        sleep(Duration::from_millis(100));
    }
    if let Some(permissions) = permissions {
        narrow(port, permissions)?;
    }
    let token = log_in(port, "/acme/shop/token", &name)?;
    Ok(Credentials::Tokens(vec![token]))
}

/// The role that all users have may do everything; here it is so many things, one of which is asked for.
fn narrow(port: u16, permissions: usize) -> Outcome<()> {
    let admin = log_in(port, "/management/token", "olga")?;
    let role = "/acme/shop/roles/default/permissions";
    let everything = "permission=get,put,post,delete:/**";
    ask(port, "DELETE", &format!("{role}?{everything}"), Some(&admin), "")?;
    for number in 1..permissions {
        let permission = format!(r#"{{"permission":"get,post:/place{number}/**"}}"#);
        ask(port, "POST", role, Some(&admin), &permission)?;
    }
    ask(port, "POST", role, Some(&admin), r#"{"permission":"get:/orders/*"}"#)?;
    Ok(())
}

fn log_in(port: u16, path: &str, name: &str) -> Outcome<String> {
    let grant =
        format!(r#"{{"grant_type":"password","username":"{name}","password":"of the bench"}}"#);
    let answer = ask(port, "POST", path, None, &grant)?;
    let body: serde_json::Value = serde_json::from_str(&answer)?;
    Ok(body["access_token"].as_str().ok_or("nobody was logged in")?.to_owned())
}

/// The body of an answer that has to be 200.
fn ask(port: u16, method: &str, path: &str, token: Option<&str>, body: &str) -> Outcome<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let fields =
        format!("Host: bench\r\nConnection: close\r\n{token}Content-Length: {}", body.len());
    write!(stream, "{method} {path} HTTP/1.1\r\n{fields}\r\n\r\n{body}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => Ok(body.to_owned()),
        _ => Err(format!("{method} {path}: {answer}").into()),
    }
}
