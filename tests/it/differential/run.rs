//! Sends cases through a gateway to servers and counts what became of them.

use std::{collections::HashMap, fmt::Write as _};

use serde_json::Value;

use super::{
    corpus::{Caller, Case},
    reading::{Judged, Reading, credential_faults, field_faults},
    servers::{Door, Servers},
    tap::Tap,
};
use crate::harness::{
    client::{Answer, Client},
    gateway::{Gateway, Setup},
    until,
    wire::Head,
};

/// What became of a group's cases at one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) cases: usize,
    /// By the gateway; nothing arrived.
    pub(crate) refused: usize,
    pub(crate) forwarded: usize,
    /// Of those, what the server refused before its application saw it.
    pub(crate) declined: usize,
    /// And what every reader there read as it was judged.
    pub(crate) agreed: usize,
}

/// What differed, each with its case.
pub(crate) type Faults = Vec<String>;

/// A gateway before some of the servers, for one list of cases.
pub(crate) struct Run<'s> {
    gateway: Gateway,
    taps: Vec<(Door, Tap)>,
    fold: bool,
    _servers: &'s Servers,
}

impl<'s> Run<'s> {
    /// `paths` are lines of `[paths]`.
    pub(crate) fn new(servers: &'s Servers, doors: &[Door], paths: &str) -> Self {
        let taps: Vec<_> =
            doors.iter().map(|door| (*door, Tap::before(servers.address(*door)))).collect();
        let gateway = Setup::new(&taps[0].1.url()).tables(&tables(&taps, paths)).start();
        Self { gateway, taps, fold: paths.contains("fold"), _servers: servers }
    }

    /// Sends all cases to all servers, each server's in a row beside the others'.
    pub(crate) fn send(self, cases: &[Case]) -> (Vec<(Door, Counts)>, Faults) {
        let run = &self;
        let answers: Vec<Vec<Answer>> = std::thread::scope(|scope| {
            let doors = self.taps.iter().map(|(door, _)| *door);
            let asking: Vec<_> =
                doors.map(|door| scope.spawn(move || run.ask(door, cases))).collect();
            asking.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let lines = self.lines(answers.iter().flatten());
        let mut rows = Vec::new();
        let mut faults = Faults::new();
        for ((door, tap), answers) in self.taps.iter().zip(&answers) {
            let mut counts = Counts::default();
            let heads = tap.heads();
            for (index, (case, answer)) in cases.iter().zip(answers).enumerate() {
                let line = answer.field("x-request-id").and_then(|id| lines.get(id));
                let found = self.judge(*door, case, answer, heads.get(&index), line, &mut counts);
                faults.extend(
                    found.iter().map(|fault| format!("{}: {}: {fault}", door.title(), case.text())),
                );
            }
            rows.push((*door, counts));
        }
        (rows, faults)
    }

    /// What one server's readers made of one target. Empty when they read what was judged.
    pub(crate) fn faults_of(self, target: &str) -> Faults {
        self.send(&[Case::path(target)]).1
    }

    fn ask(&self, door: Door, cases: &[Case]) -> Vec<Answer> {
        let mut client = self.gateway.connect();
        let mut answers = Vec::with_capacity(cases.len());
        for (index, case) in cases.iter().enumerate() {
            let answer = client
                .send(self.request(door, index, case))
                .try_answer(false)
                .unwrap_or_else(|| panic!("no answer to {}", case.text()));
            if ends(&answer) {
                client = Client::connect(self.gateway.address);
            }
            answers.push(answer);
        }
        answers
    }

    fn request(&self, door: Door, index: usize, case: &Case) -> Vec<u8> {
        let authorization = match case.caller {
            Caller::Nobody | Caller::EveInQuery => String::new(),
            Caller::Eve => self.gateway.bearer("eve"),
            Caller::Root => self.gateway.bearer("root"),
        };
        let target = replace(&case.target, b"{eve}", self.gateway.token("eve").as_bytes());
        let host = door.host();
        let head = format!(" HTTP/1.1\r\nHost: {host}\r\nX-Case: {index}\r\n{authorization}");
        [b"GET ", &target[..], head.as_bytes(), &case.fields, b"\r\n"].concat()
    }

    /// The access lines, by the request's id.
    fn lines<'a>(&self, answers: impl Iterator<Item = &'a Answer>) -> HashMap<String, Value> {
        let answered = answers.filter(|answer| answer.field("x-request-id").is_some()).count();
        until("the access lines", || {
            let lines = self.gateway.out.json();
            let id = |line: &Value| line["request_id"].as_str().map(str::to_owned);
            let lines: HashMap<_, _> =
                lines.into_iter().filter_map(|line| Some((id(&line)?, line))).collect();
            (lines.len() >= answered).then_some(lines)
        })
    }

    fn judge(
        &self,
        door: Door,
        case: &Case,
        answer: &Answer,
        sent: Option<&Head>,
        line: Option<&Value>,
        counts: &mut Counts,
    ) -> Faults {
        counts.cases += 1;
        let Some(sent) = sent else {
            counts.refused += 1;
            let refused = matches!(answer.status, 400..=499);
            return if refused { Faults::new() } else { vec![format!("{} alone", answer.status)] };
        };
        counts.forwarded += 1;
        if answer.status != 200 {
            counts.declined += 1;
            let declined = matches!(answer.status, 400..=499) && answer.reason().is_empty();
            return if declined { Faults::new() } else { vec![answer.verdict()] };
        }
        let line = line.expect("what was forwarded has an access line");
        let reading: Reading = match serde_json::from_slice(&answer.body) {
            Ok(reading) => reading,
            Err(error) => return vec![format!("{error}: {}", answer.body.escape_ascii())],
        };
        let judged = Judged::new(line, &door.host(), self.fold);
        let mut faults = judged.path_faults(sent, &reading);
        faults.extend(field_faults(&judged, case.caller, &reading));
        for person in ["eve", "root"] {
            faults.extend(credential_faults(self.gateway.token(person), &reading));
        }
        counts.agreed += usize::from(faults.is_empty());
        faults
    }
}

/// Every server by its host, with the same three rules.
fn tables(taps: &[(Door, Tap)], paths: &str) -> String {
    let mut text = format!(
        r#"
[identity]
X-Auth-Subject = "{{principal.id}}"
X-Auth-Name    = "{{principal.name}}"
X-Auth-Roles   = "{{principal.roles}}"
X-Auth-Kind    = "{{principal.kind}}"
[log]
access = "json"
[paths]
{paths}
[rules]
"#
    );
    for (door, _) in taps {
        let (host, name) = (door.host(), door.name());
        for (path, who) in [("/**", "guest"), ("/public/**", "public"), ("/admin/**", "role:admin")]
        {
            let _ = writeln!(text, r#""* {host}{path}" = {{ who = "{who}", backend = "{name}" }}"#);
        }
    }
    for (door, tap) in taps {
        let _ = writeln!(text, "[backends.{}]\nurl = {:?}", door.name(), tap.url());
    }
    text
}

/// Whether the gateway ends the connection with this answer.
fn ends(answer: &Answer) -> bool {
    answer.head.all("connection").iter().any(|value| value.eq_ignore_ascii_case("close"))
}

fn replace(text: &[u8], word: &[u8], by: &[u8]) -> Vec<u8> {
    match text.windows(word.len()).position(|window| window == word) {
        Some(at) => [&text[..at], by, &replace(&text[at + word.len()..], word, by)[..]].concat(),
        None => text.to_vec(),
    }
}
