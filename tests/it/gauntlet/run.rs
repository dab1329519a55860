//! One case against a gateway: what comes back, what the backend got, and whether the connection is
//! still in step afterwards.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use super::{
    bytes::{self, Words},
    data::{Case, Group, OneOrMore, Row, Version},
    gates::{Gates, Running},
    http2::{self, End, Raw},
};
use crate::harness::{
    backend::{Came, Received},
    client::{Answer, Client, get},
    tokens::PEOPLE,
    until,
};

/// Runs a row over all of its versions, and returns what did not hold.
pub(crate) fn row(group: &Group, row: &Row, gates: &mut Gates) -> Vec<String> {
    let mut faults = Vec::new();
    for case in &row.cases {
        let running = gates.running(&row.gate(case, group));
        for version in case.versions() {
            // A peer that stays silent panics in the harness: one case has failed, not all.
            let ran = catch_unwind(AssertUnwindSafe(|| check(case, version, running)));
            let found = ran.unwrap_or_else(|_| vec!["no answer that could be read".to_owned()]);
            let place = format!("row {} ({version:?}) {}", row.number, case.title());
            faults.extend(found.iter().map(|fault| format!("{place}: {fault}")));
        }
    }
    faults
}

fn check(case: &Case, version: Version, running: &Running) -> Vec<String> {
    let before = running.backend.received().len();
    let sync = unlike_any();
    let mut faults = match version {
        Version::Http1 => over_http1(case, running, &sync),
        Version::Http2 => over_http2(case, running, &sync),
    };
    let came = running.backend.received().split_off(before);
    let forwarded = case.expected(version).iter().any(|answer| answer.starts_with('2'));
    let gets = case.gets.as_ref().filter(|_| forwarded || case.gets_cut);
    let gets = gets.map(OneOrMore::all).unwrap_or_default();
    arrived(case, &gets, running, &came, &sync, &mut faults);
    faults
}

/// A target that nobody else asks for.
fn unlike_any() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("/in-sync?{}", NEXT.fetch_add(1, Relaxed))
}

fn connect(case: &Case, running: &Running) -> Client {
    match &case.from {
        Some(from) => Client::connect_from(from.parse().unwrap(), running.gate.address),
        None => running.gate.connect(),
    }
}

/// Status and word of an answer; the word of the platform's errors stands elsewhere.
pub(crate) fn verdict(status: u16, body: &[u8]) -> String {
    let said: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let word = said["reason"].as_str().or_else(|| said["error"].as_str()).unwrap_or_default();
    format!("{status} {word}").trim_end().to_owned()
}

fn over_http1(case: &Case, running: &Running, sync: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let request = bytes::http1(case, &running.words);
    let mut client = connect(case, running);
    client.send(&request);
    if case.finishes {
        client.finish_sending();
    }
    let expected = case.expected(Version::Http1);
    let mut found = Vec::new();
    let mut last = None;
    for _ in &expected {
        let Some(answer) = client.try_answer(request.starts_with(b"HEAD ")) else {
            found.push("closed".to_owned());
            break;
        };
        found.push(verdict(answer.status, &answer.body));
        last = Some(answer);
    }
    compare("answered", &found, &expected, &mut faults);
    if let Some(answer) = &last {
        told(case, &running.words, answer, &mut faults);
    }
    let answer = client.send(get(sync, "")).try_answer(false);
    if case.closes && answer.is_some() {
        faults.push("the connection goes on".to_owned());
    }
    let answer = answer.unwrap_or_else(|| running.gate.ask(get(sync, "")));
    in_sync(answer.status, &answer.body, sync, &mut faults);
    faults
}

fn told(case: &Case, words: &Words, answer: &Answer, faults: &mut Vec<String>) {
    for (name, value) in bytes::pairs(&case.answer_fields, words) {
        let (name, value) = (String::from_utf8(name).unwrap(), String::from_utf8(value).unwrap());
        let found = answer.head.all(&name);
        if found != [value.as_str()] {
            faults.push(format!("the answer's {name} is {found:?}, not {value:?}"));
        }
    }
}

fn over_http2(case: &Case, running: &Running, sync: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let words = &running.words;
    let mut raw = Raw::over(connect(case, running));
    if let Some(frames) = &case.h2_frames {
        let all: Vec<u8> = frames.iter().flat_map(|line| self::frames(line, words)).collect();
        raw.bytes(&all);
    } else {
        let body = case.h2_body.as_ref().or(case.body.as_ref()).map(|body| bytes::of(body, words));
        let trailers = case.h2_trailers.as_ref().map(|lines| bytes::pairs(lines, words));
        raw.request(1, &bytes::http2(case, words), body.as_deref(), trailers.as_deref());
    }
    let exchange = raw.exchange(1);
    let mut found: Vec<String> =
        exchange.statuses.iter().map(|status| verdict(*status, &exchange.body)).collect();
    match exchange.end {
        End::Clean => (),
        End::Reset if found.is_empty() => found.push("reset".to_owned()),
        End::Closed if found.is_empty() => found.push("closed".to_owned()),
        End::Reset | End::Closed => found.push("cut".to_owned()),
    }
    compare("answered", &found, &case.expected(Version::Http2), &mut faults);
    let good = bytes::head("GET", sync);
    let ask = |raw: &mut Raw, stream| {
        raw.request(stream, &good, None, None);
        raw.exchange(stream)
    };
    let mut after = ask(&mut raw, 101);
    if after.end != End::Clean {
        after = ask(&mut Raw::connect(running.gate.address), 1);
    }
    let status = after.statuses.last().copied().unwrap_or_default();
    in_sync(status, &after.body, sync, &mut faults);
    faults
}

/// The frames of a line: `01 05 1 payload`. Several are joined by ` & `; `100x ` in front sends them so
/// often, and a stream of `1+2` is the next odd one each time.
fn frames(line: &str, words: &Words) -> Vec<u8> {
    let repeated =
        line.split_once("x ").and_then(|(count, rest)| Some((count.parse().ok()?, rest)));
    let (count, line): (u32, &str) = repeated.unwrap_or((1, line));
    let frame = |round: u32, frame: &str| {
        let mut parts = frame.splitn(4, ' ');
        let mut hex = || u32::from_str_radix(parts.next().unwrap(), 16).unwrap();
        let (kind, flags) = (hex() as u8, hex() as u8);
        let (stream, step) =
            parts.next().map(|text| text.split_once('+').unwrap_or((text, "0"))).unwrap();
        let stream = stream.parse::<u32>().unwrap() + round * step.parse::<u32>().unwrap();
        http2::frame(kind, flags, stream, &bytes::of(parts.next().unwrap_or_default(), words))
    };
    (0..count).flat_map(|round| line.split(" & ").flat_map(move |one| frame(round, one))).collect()
}

fn in_sync(status: u16, body: &[u8], sync: &str, faults: &mut Vec<String>) {
    if status != 200 || body != format!("GET {sync}").as_bytes() {
        let body = String::from_utf8_lossy(body);
        faults.push(format!("a good request after it is answered {status} {body:?}"));
    }
}

fn compare(what: &str, found: &[String], expected: &[String], faults: &mut Vec<String>) {
    if found != expected {
        faults.push(format!("{what} {}, not {}", short(found), short(expected)));
    }
}

/// A list of which each entry fits on a line.
fn short(list: &[String]) -> String {
    let cut = |text: &String| text.chars().take(150).collect::<String>();
    format!("{:?}", list.iter().map(cut).collect::<Vec<_>>())
}

/// Whether the backend got this and nothing else.
fn arrived(
    case: &Case,
    gets: &[String],
    running: &Running,
    came: &[Received],
    sync: &str,
    faults: &mut Vec<String>,
) {
    let words = &running.words;
    let gets: Vec<String> = gets.iter().map(|line| bytes::text(line, words)).collect();
    let of_sync = format!("GET {sync}");
    let (synced, mut others): (Vec<_>, Vec<_>) = came.iter().partition(|one| one.line() == of_sync);
    running.late.borrow_mut().retain(|late| {
        let place = others.iter().position(|one| one.line() == late);
        let came = place.filter(|_| others.len() > gets.len()).map(|place| others.remove(place));
        came.is_none()
    });
    if synced.len() != 1 {
        faults.push(format!("the good request came {} times", synced.len()));
    }
    let lines: Vec<String> = others.iter().map(|one| one.line().to_owned()).collect();
    if case.gets_cut {
        // Whether the head has gone, and has come, when the fault is seen is a matter of time.
        if lines.is_empty() {
            running.late.borrow_mut().extend(gets);
        } else {
            compare("the backend got", &lines, &gets, faults);
            settled(running, &others, faults);
        }
        return;
    }
    compare("the backend got", &lines, &gets, faults);
    let Some(last) = others.last() else { return };
    let expected = match &case.gets_fields {
        Some(fields) => fields.iter().map(|field| bytes::text(field, words)).collect(),
        None => identity(case),
    };
    compare("fields at the backend:", &extra(last), &sorted(expected), faults);
    if !last.trailers.is_empty() {
        faults.push(format!("trailers at the backend: {:?}", last.trailers));
    }
    let length = last.head.length().unwrap_or(last.body.len());
    if length != last.body.len() {
        faults.push(format!("a length of {length} for {} bytes", last.body.len()));
    }
    let body = case.gets_body.as_ref().or(case.body.as_ref());
    let body = body.map(|body| bytes::of(body, words)).unwrap_or_default();
    if last.body != body || last.came == Came::Cut {
        let found = String::from_utf8_lossy(&last.body);
        faults.push(format!("body at the backend: {found:?}, {:?}", last.came));
    }
}

/// A body that broke must be seen to have broken.
fn settled(running: &Running, others: &[&Received], faults: &mut Vec<String>) {
    let line = others[0].line();
    let came = until("the end of a broken body", || {
        let received = running.backend.received();
        let last = received.iter().rfind(|one| one.line() == line)?;
        (last.came != Came::Unread).then_some(last.came)
    });
    if came != Came::Cut {
        faults.push("the broken body ended cleanly at the backend".to_owned());
    }
}

/// All fields but those that every request has with these very values, and its framing, of which there
/// must be one.
fn extra(received: &Received) -> Vec<String> {
    let usual = [
        r#"forwarded: for=127.0.0.1;host="shop.example";proto=http"#,
        "host: shop.example",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: shop.example",
        "x-forwarded-proto: http",
    ];
    let mut framings = 0;
    let mut lines: Vec<String> = usual.map(|line| format!("no {line}")).to_vec();
    for (name, value) in &received.head.fields {
        let name = name.to_ascii_lowercase();
        let line = format!("{name}: {value}");
        if let Some(at) = lines.iter().position(|usual| usual.strip_prefix("no ") == Some(&line)) {
            lines.remove(at);
        } else if name == "content-length" || name == "transfer-encoding" {
            framings += 1;
        } else if name != "x-request-id" || value.len() != 26 {
            lines.push(line);
        }
    }
    if framings > 1 {
        lines.push(format!("{framings} framings"));
    }
    // What another value stands for is not missing.
    let replaced: Vec<String> = lines
        .iter()
        .filter(|line| !line.starts_with("no "))
        .filter_map(|line| line.split_once(": ").map(|(name, _)| format!("no {name}: ")))
        .collect();
    lines.retain(|line| !replaced.iter().any(|gone| line.starts_with(gone)));
    sorted(lines)
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// The fields of one of the tests' people under the usual `[identity]`.
fn identity(case: &Case) -> Vec<String> {
    let Some(who) = &case.caller else { return Vec::new() };
    let Some((name, roles, _)) = PEOPLE.iter().find(|(name, ..)| name == who) else {
        return Vec::new();
    };
    let mut fields =
        vec![format!("x-auth-subject: {name}"), format!("x-auth-name: {name}%20of%20the%20tests")];
    if !roles.is_empty() {
        fields.push(format!("x-auth-roles: {}", roles.join(",").replace(' ', "%20")));
    }
    fields
}
