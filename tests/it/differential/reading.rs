//! What a server read, and whether that is what was judged.

use serde::Deserialize;
use serde_json::Value;

use super::corpus::Caller;
use crate::harness::wire::Head;

/// What an application answered. Bytes came in hexadecimal.
#[derive(Debug, Deserialize)]
pub(crate) struct Reading {
    method: String,
    /// Raw, without the query at some.
    target: Hex,
    pub(crate) paths: Vec<Path>,
    /// By each parser that the application has.
    pub(crate) parameters: Vec<(Hex, Hex)>,
    /// By each way that the application has to read fields.
    pub(crate) fields: Vec<(Hex, Hex)>,
}

/// A path by one of the ways that an application or its server has to read it.
#[derive(Debug, Deserialize)]
pub(crate) struct Path {
    pub(crate) reader: String,
    segments: Vec<Hex>,
    /// Which of the server's own rules matched: `admin`, `public` or `any`.
    pub(crate) route: Option<String>,
}

impl Path {
    /// The segments, without the empty one after a last slash.
    fn segments(&self) -> &[Hex] {
        match self.segments.split_last() {
            Some((Hex(last), rest)) if last.is_empty() => rest,
            _ => &self.segments,
        }
    }
}

/// Any bytes.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(crate) struct Hex(pub(crate) Vec<u8>);

impl TryFrom<String> for Hex {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let byte = |at| text.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
        let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
        bytes.map(Self).ok_or_else(|| format!("{text} is not hexadecimal"))
    }
}

/// What the gateway's access line says of a request, beside what it sent.
#[derive(Debug)]
pub(crate) struct Judged {
    /// The canonical path.
    path: String,
    /// `admin`, `public` or `any`.
    rule: String,
    principal: Option<String>,
    fold: bool,
}

impl Judged {
    /// `host` is what the rules of this server begin with.
    pub(crate) fn new(line: &Value, host: &str, fold: bool) -> Self {
        let target = line["path"].as_str().unwrap();
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let rule = match line["rule"].as_str().unwrap().trim_start_matches("* ").strip_prefix(host)
        {
            Some("/admin/**") => "admin",
            Some("/public/**") => "public",
            Some("/**") => "any",
            _ => panic!("there is no such rule: {line}"),
        };
        let principal = line["principal"].as_str().map(str::to_owned);
        Self { path, rule: rule.to_owned(), principal, fold }
    }

    /// Read as RFC 3986 says: segments first, then their escapes, once.
    fn segments(&self) -> Vec<Hex> {
        let path = self.path.strip_prefix('/').unwrap_or(&self.path);
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Vec::new();
        }
        path.split('/').map(|segment| Hex(decode(segment.as_bytes()))).collect()
    }

    /// Which rule would match such a path.
    fn rule_of(&self, segments: &[Hex]) -> &'static str {
        let first = segments.first().map_or(&[][..], |Hex(first)| first);
        let is = |name: &[u8]| first == name || (self.fold && first.eq_ignore_ascii_case(name));
        match () {
            () if is(b"admin") => "admin",
            () if is(b"public") => "public",
            () => "any",
        }
    }

    /// What a path's readers found that was not judged.
    pub(crate) fn path_faults(&self, sent: &Head, reading: &Reading) -> Vec<String> {
        let mut faults = Vec::new();
        let judged = self.segments();
        let path = sent.word(1).split('?').next().unwrap_or_default();
        if path != self.path {
            faults.push(format!("{path} was sent, {} judged", self.path));
        }
        let raw = reading.target.0.split(|byte| *byte == b'?').next().unwrap_or_default();
        if raw != path.as_bytes() || reading.method != sent.word(0) {
            faults.push(format!("it says that it got {} {}", reading.method, raw.escape_ascii()));
        }
        for read in &reading.paths {
            let segments = read.segments();
            if segments != judged {
                faults.push(format!("{} reads {}", read.reader, shown(segments)));
            }
            let matches = read.route.as_deref().unwrap_or_else(|| self.rule_of(segments));
            if matches != self.rule {
                faults.push(format!("{} is in {matches}, {} was judged", read.reader, self.rule));
            }
        }
        faults
    }
}

fn shown(segments: &[Hex]) -> String {
    segments.iter().map(|Hex(segment)| format!("/{}", segment.escape_ascii())).collect()
}

/// Decodes once; what is no escape stays.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let two = text.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        let byte =
            two.filter(|_| text[at] == b'%').and_then(|two| u8::from_str_radix(two, 16).ok());
        decoded.push(byte.unwrap_or(text[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    decoded
}

/// Letters and digits in lower case: what every name is to the most careless reader.
fn fold(name: &[u8]) -> String {
    let letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
    letters.map(|byte| char::from(byte.to_ascii_lowercase())).collect()
}

/// What a field's name is to CGI and its children.
fn fold_field(name: &[u8]) -> String {
    fold(name.strip_prefix(b"HTTP_").unwrap_or(name))
}

/// What the configuration of these tests says of a caller, by folded name.
fn identity(principal: Option<&str>) -> [(&'static str, Option<&'static str>); 4] {
    let person = match principal {
        None => None,
        Some("eve") => Some(("eve", "eve%20of%20the%20tests", "buyer")),
        Some("root") => Some(("root", "root%20of%20the%20tests", "admin,night%20shift")),
        Some(other) => panic!("{other} has no token"),
    };
    [
        ("xauthsubject", person.map(|(id, ..)| id)),
        ("xauthname", person.map(|(_, name, _)| name)),
        ("xauthroles", person.map(|(.., roles)| roles)),
        ("xauthkind", Some(person.map_or("guest", |_| "user"))),
    ]
}

/// What readers of fields found that the gateway did not say.
pub(crate) fn field_faults(judged: &Judged, caller: Caller, reading: &Reading) -> Vec<String> {
    let mut faults = Vec::new();
    let proven = judged.principal.as_deref();
    // Of a public rule nobody is asked; in a query, some look-alikes are a credential and some are not.
    let asked = match caller {
        Caller::Eve if judged.rule != "public" => Some("eve"),
        Caller::Root if judged.rule != "public" => Some("root"),
        Caller::EveInQuery => proven,
        Caller::Nobody | Caller::Eve | Caller::Root => None,
    };
    if proven != asked {
        faults.push(format!("{asked:?} asks, {proven:?} was judged"));
    }
    for (name, expected) in identity(proven) {
        let read = reading.fields.iter().filter(|(Hex(read), _)| fold_field(read) == name);
        let values: Vec<_> = read.map(|(_, Hex(value))| value.escape_ascii().to_string()).collect();
        let right = values.iter().all(|value| Some(value.as_str()) == expected);
        if !right || values.is_empty() != expected.is_none() {
            faults.push(format!("{name} is {values:?}, not {expected:?}"));
        }
    }
    for (Hex(name), Hex(value)) in &reading.fields {
        let address = matches!(&**name, b"REMOTE_ADDR" | b"remoteAddress" | b"getRemoteAddr");
        if contains(value, b"6.6.6.6") || (address && value != b"127.0.0.1") {
            faults.push(format!("{} is {}", name.escape_ascii(), value.escape_ascii()));
        }
    }
    faults
}

/// What finders of credentials found: nothing may be left of them, under any name.
pub(crate) fn credential_faults(token: &str, reading: &Reading) -> Vec<String> {
    let all = reading.parameters.iter().chain(&reading.fields);
    let found = all.filter(|(Hex(name), Hex(value))| {
        contains(name, token.as_bytes()) || contains(value, token.as_bytes())
    });
    let named = reading.parameters.iter().filter(|(Hex(name), _)| fold(name) == "accesstoken");
    let both = found.chain(named);
    both.map(|(Hex(name), _)| format!("a credential is in {}", name.escape_ascii())).collect()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
