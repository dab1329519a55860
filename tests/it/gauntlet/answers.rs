//! The other direction: what a backend answers, byte for byte, what the client sees of it, and whether the
//! connection that brought it is used again. Only one whose answer came to a clean end may be.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Deserialize;

use super::{
    bytes::{self, Words},
    data::{self, Version},
    http2::{End, Raw},
    run::verdict,
};
use crate::harness::{
    backend::{Backend, Step, ok},
    client::{self, get, request},
    gateway::{Gateway, Setup},
    wire::Head,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answers {
    pub(crate) title: String,
    #[serde(rename = "answer")]
    pub(crate) answers: Vec<Answer>,
}

/// One answer of a backend.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Answer {
    pub(crate) name: String,
    method: Option<String>,
    /// As many answers, of which each sends one of these when it has read the request.
    pub(crate) bytes: Vec<String>,
    /// The backend closes when it has sent them.
    #[serde(default)]
    closes: bool,
    /// `502 backend_bad_response`, or `200`.
    is: String,
    /// What is in the client's body.
    body: Option<String>,
    /// The client sees that it has not got all.
    #[serde(default)]
    cut: bool,
    /// `name: value` of the client's answer.
    #[serde(default)]
    fields: Vec<String>,
    /// Names that its answer must not have.
    #[serde(default)]
    without: Vec<String>,
    /// Whether the next request goes by the same connection to the backend.
    pub(crate) reused: bool,
}

impl Answer {
    /// `200, cut`.
    pub(crate) fn seen(&self) -> String {
        let cut = if self.cut { ", visibly cut" } else { "" };
        format!("{}{cut}", self.is)
    }
}

/// What is asked of all answers.
const RULES: &str = "[rules]\n\"* /open/**\" = \"public\"";

/// Asks for every answer over both versions, and returns what did not hold, by its name.
pub(crate) fn check(list: &Answers) -> Vec<(String, Vec<String>)> {
    let all: Vec<Vec<u8>> = list
        .answers
        .iter()
        .flat_map(|one| &one.bytes)
        .map(|text| bytes::of(text, &Words::new()))
        .collect();
    let closing: Vec<bool> =
        list.answers.iter().flat_map(|one| one.bytes.iter().map(|_| one.closes)).collect();
    let backend = Backend::scripted(move |head| script(head, &all, &closing));
    let gate = Setup::new(&backend.url()).key("workers", "1").tables(RULES).start();
    let mut first = 0;
    let mut told = Vec::new();
    for answer in &list.answers {
        let mut faults = Vec::new();
        for (number, text) in answer.bytes.iter().enumerate() {
            for version in [Version::Http1, Version::Http2] {
                let ran = catch_unwind(AssertUnwindSafe(|| {
                    one(answer, first + number, version, &gate, &backend)
                }));
                let found = ran.unwrap_or_else(|_| vec!["nothing that could be read".to_owned()]);
                let text: String = text.chars().take(100).collect();
                faults.extend(found.iter().map(|fault| format!("({version:?}) {text:?}: {fault}")));
            }
        }
        first += answer.bytes.len();
        told.push((answer.name.clone(), faults));
    }
    told
}

/// `/open/12` sends the twelfth answer; everything else is good.
fn script(head: &Head, all: &[Vec<u8>], closing: &[bool]) -> Vec<Step> {
    let number = head.word(1).strip_prefix("/open/").and_then(|text| text.parse::<usize>().ok());
    let Some(number) = number else { return vec![Step::Body, Step::Write(ok(head.word(1)))] };
    let mut steps = vec![Step::Body, Step::Write(all[number].clone())];
    if closing[number] {
        steps.push(Step::Close);
    }
    steps
}

fn one(
    answer: &Answer,
    number: usize,
    version: Version,
    gate: &Gateway,
    backend: &Backend,
) -> Vec<String> {
    let mut faults = Vec::new();
    let (before, next) = (backend.received().len(), format!("/open/next?{number}"));
    let own = match version {
        Version::Http1 => over_http1(answer, number, gate, &next, &mut faults),
        Version::Http2 => over_http2(answer, number, gate, &next, &mut faults),
    };
    if !own {
        faults.push("the next request did not get its own answer".to_owned());
    }
    let came = backend.received().split_off(before);
    let lines: Vec<&str> = came.iter().map(|one| one.line()).collect();
    let method = answer.method.as_deref().unwrap_or("GET");
    let expected = [format!("{method} /open/{number}"), format!("GET {next}")];
    if lines != expected {
        faults.push(format!("the backend got {lines:?}"));
    } else if (came[0].connection == came[1].connection) != answer.reused {
        let how = if answer.reused { "not used again" } else { "used again" };
        faults.push(format!("its connection is {how}"));
    }
    faults
}

/// Whether the next request got its own answer.
fn over_http1(
    answer: &Answer,
    number: usize,
    gate: &Gateway,
    next: &str,
    faults: &mut Vec<String>,
) -> bool {
    let mut client = gate.connect();
    let method = answer.method.as_deref().unwrap_or("GET");
    let asked = request(method, &format!("/open/{number}"), "", "");
    let seen = client.send(asked).try_answer(method == "HEAD");
    let Some(seen) = seen else {
        faults.push("no answer".to_owned());
        return gate.ask(get(next, "")).text() == next;
    };
    told(answer, &verdict(seen.status, &seen.body), seen.end == client::End::Cut, faults);
    body(answer, &seen.body, faults);
    for line in &answer.fields {
        let (name, value) = line.split_once(": ").unwrap();
        if seen.head.all(name) != [value] {
            faults.push(format!("{name} is {:?}", seen.head.all(name)));
        }
    }
    for name in &answer.without {
        if !seen.head.all(name).is_empty() {
            faults.push(format!("{name} is {:?}", seen.head.all(name)));
        }
    }
    let after = client.send(get(next, "")).try_answer(false);
    after.unwrap_or_else(|| gate.ask(get(next, ""))).text() == next
}

fn over_http2(
    answer: &Answer,
    number: usize,
    gate: &Gateway,
    next: &str,
    faults: &mut Vec<String>,
) -> bool {
    let mut raw = Raw::connect(gate.address);
    let method = answer.method.as_deref().unwrap_or("GET");
    raw.request(1, &bytes::head(method, &format!("/open/{number}")), None, None);
    let seen = raw.exchange(1);
    let status = seen.statuses.last().copied().unwrap_or_default();
    told(answer, &verdict(status, &seen.body), seen.end != End::Clean, faults);
    body(answer, &seen.body, faults);
    raw.request(3, &bytes::head("GET", next), None, None);
    raw.exchange(3).body == next.as_bytes()
}

fn told(answer: &Answer, found: &str, cut: bool, faults: &mut Vec<String>) {
    if found != answer.is {
        faults.push(format!("answered {found}, not {}", answer.is));
    }
    if cut != answer.cut {
        faults.push(format!("cut: {cut}"));
    }
}

fn body(answer: &Answer, found: &[u8], faults: &mut Vec<String>) {
    let Some(expected) = &answer.body else { return };
    if found != bytes::of(expected, &Words::new()) {
        let shown: String = String::from_utf8_lossy(found).chars().take(100).collect();
        faults.push(format!("body {shown:?} of {} bytes", found.len()));
    }
}

/// Reads the file.
pub(crate) fn read() -> Answers {
    data::load("backend")
}
