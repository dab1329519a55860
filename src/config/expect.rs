//! `[expect]`: what an operator promises about the rules, asked of the very functions that judge
//! requests. A failing expectation is a mistake like any other.

use std::{ops::Range, time::SystemTime};

use http::{Method, Request, header::HOST};

use super::{
    context::Context,
    reader::{Table, Text, Value},
    report::Mistake,
};
use crate::{
    policy::{Presented, Requirement, RuleSet, decide},
    principal::{Principal, PrincipalKind},
    request::{Canonical, RequestPolicy},
};

/// The host of an expectation that names none. Reserved (RFC 6761 6.4): no rule can be meant for it.
const NO_HOST: &str = "host.invalid";

/// What an expectation is judged against.
pub(super) struct Judge<'a> {
    pub(super) rules: &'a RuleSet,
    pub(super) requests: &'a RequestPolicy,
    pub(super) now: SystemTime,
}

/// A request of an expectation: `POST /orders as user eve role=buyer`.
#[derive(Debug)]
struct Asked {
    method: Method,
    host: String,
    target: String,
    principal: Option<Principal>,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// `None` when it passes.
    refused: Option<(u16, &'static str)>,
    /// `public` or `guest` when it passes by such a rule.
    open: Option<&'static str>,
    /// Rule and place, when one was found.
    rule: Option<String>,
}

/// Runs every expectation of `tables`; answers how many there are.
pub(super) fn run(tables: &[Table], judge: &Judge) -> usize {
    let mut count = 0;
    for table in tables {
        for (key, value) in table.entries() {
            count += 1;
            run_one(table.cx, key, value, judge);
        }
    }
    count
}

/// Checks how the expectations of `tables` are written, where there are no rules to run them on.
/// Answers how many there are.
pub(super) fn check(tables: &[Table]) -> usize {
    let mut count = 0;
    for table in tables {
        for (key, value) in table.entries() {
            count += 1;
            read_asked(table.cx, key);
            read_expected(value);
        }
    }
    count
}

fn run_one(cx: &Context, key: &Text, value: &Value, judge: &Judge) {
    let (asked, expected) = (read_asked(cx, key), read_expected(value));
    let (Some(asked), Some(expected)) = (asked, expected) else { return };
    let outcome = judge.outcome(&asked);
    if outcome.meets(&expected.text) {
        return;
    }
    let happened = match outcome.refused {
        Some((status, reason)) => format!("{status} {reason}"),
        None => outcome.open.unwrap_or("allow").to_owned(),
    };
    let note = match &outcome.rule {
        Some(rule) => format!("by the rule {rule}"),
        None if outcome.refused.is_some_and(|(_, reason)| reason == "no_rule") => {
            "no rule matches this request".to_owned()
        }
        None => "refused before any rule is asked".to_owned(),
    };
    let mistake =
        Mistake::at(value.place.clone(), "this expectation fails", format!("it is {happened}"));
    cx.mistake(mistake.note(note));
}

fn read_expected(value: &Value) -> Option<Text> {
    const EXPECTED: &str =
        "`allow`, `guest`, `public`, `deny`, a status such as `403`, or a reason such as `no_rule`";
    let text = value.text_as(EXPECTED)?;
    let word = text.text.as_str();
    if word.starts_with('2') {
        value.bad("the backend's answer is not known here", "write `\"allow\"`");
        return None;
    }
    let status = word.parse::<u16>().is_ok_and(|status| (400..600).contains(&status));
    let reason = word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    if !status && !reason {
        let hint = format!("expected {EXPECTED}");
        value.bad(format!("{} is nothing to expect", text.quoted()), hint);
        return None;
    }
    Some(text)
}

impl Outcome {
    fn meets(&self, expected: &str) -> bool {
        match (expected, self.refused) {
            ("allow", refused) => refused.is_none(),
            ("deny", refused) => refused.is_some(),
            ("public" | "guest", None) => self.open == Some(expected),
            (_, Some((status, reason))) => expected == reason || expected == status.to_string(),
            (_, None) => false,
        }
    }

    fn refused(status: u16, reason: &'static str) -> Self {
        Self { refused: Some((status, reason)), open: None, rule: None }
    }
}

impl Judge<'_> {
    fn outcome(&self, asked: &Asked) -> Outcome {
        let request = Request::builder()
            .method(&asked.method)
            .uri(&asked.target)
            .header(HOST, &asked.host)
            .body(());
        // hyper reads request targets with the same function, and answers the same.
        let Ok(request) = request else { return Outcome::refused(400, "target_form") };
        let canonical = match Canonical::read(request.into_parts().0, true, false, self.requests) {
            Ok(canonical) => canonical,
            Err(error) => return Outcome::refused(error.status().as_u16(), error.reason()),
        };
        let host = canonical.authority.host();
        let found = self.rules.find(&canonical.method, host, &canonical.path);
        let presented = asked.principal.as_ref().map_or(Presented::Nothing, Presented::Proven);
        let decision = decide(found.as_ref(), presented, self.now);
        let rule = found.as_ref().map(|found| {
            format!("`{} = {}` ({})", found.rule.name, found.rule.asks, found.rule.place)
        });
        let open = found.as_ref().and_then(|found| match found.rule.requirement {
            Requirement::Public => Some("public"),
            Requirement::Guest => Some("guest"),
            Requirement::Deny | Requirement::Any(_) => None,
        });
        match decision {
            Ok(_) => Outcome { refused: None, open, rule },
            Err(denial) => {
                let refused = Some((denial.status().as_u16(), denial.reason()));
                Outcome { refused, open: None, rule }
            }
        }
    }
}

fn read_asked(cx: &Context, key: &Text) -> Option<Asked> {
    if key.has_reference(cx) {
        return None;
    }
    let asked = parse_asked(&key.text);
    if let Err((at, message, hint)) = asked {
        cx.mistake(Mistake::at(key.part(cx, at), message, hint));
        return None;
    }
    asked.ok()
}

type Fault = (Range<usize>, String, &'static str);

fn parse_asked(text: &str) -> Result<Asked, Fault> {
    const SHAPE: &str = "write `GET /path`, or `GET /path as user eve role=buyer`";
    let mut words = words(text)?.into_iter();
    let end = text.len()..text.len();
    let (at, method) =
        words.next().ok_or((0..0, "an expectation names a request".to_owned(), SHAPE))?;
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| (at, format!("`{method}` is no method"), SHAPE))?;
    let (at, target) =
        words.next().ok_or((end.clone(), "the path is missing".to_owned(), SHAPE))?;
    let slash = target.find('/').ok_or_else(|| (at, format!("`{target}` is no path"), SHAPE))?;
    let (host, target) = target.split_at(slash);
    let host = if host.is_empty() { NO_HOST } else { host };
    let principal = match words.next() {
        None => None,
        Some((_, word)) if word == "as" => read_principal(&mut words, end)?,
        Some((at, word)) => {
            return Err((at, format!("`{word}` is not expected here"), SHAPE));
        }
    };
    Ok(Asked { method, host: host.to_owned(), target: target.to_owned(), principal })
}

/// `user eve role=buyer role='night shift' scope=read name=Eve email=eve@example.com`, or `guest`.
fn read_principal(
    words: &mut impl Iterator<Item = (Range<usize>, String)>,
    end: Range<usize>,
) -> Result<Option<Principal>, Fault> {
    const KINDS: &str = "`as guest`, or `as user ID`";
    let (at, kind) = words.next().ok_or((end.clone(), "as whom?".to_owned(), KINDS))?;
    if kind == PrincipalKind::Guest.label() {
        return match words.next() {
            Some((at, _)) => Err((at, "a guest has neither name nor roles".to_owned(), KINDS)),
            None => Ok(None),
        };
    }
    if kind != PrincipalKind::User.label() {
        return Err((at, format!("`{kind}` is no kind of caller"), KINDS));
    }
    let (at, id) = words.next().ok_or((end, "the user's id is missing".to_owned(), KINDS))?;
    if id.contains('=') {
        return Err((at, "the user's id is missing".to_owned(), "`as user ID role=x`"));
    }
    let mut principal = Principal { kind: PrincipalKind::User, id, ..Principal::guest() };
    for (at, word) in words {
        const ATTRIBUTES: &str = "`role=x`, `scope=y`, `name=z` and `email=e` may follow";
        let fault = |message: String| (at.clone(), message, ATTRIBUTES);
        let (attribute, value) =
            word.split_once('=').ok_or_else(|| fault(format!("`{word}` is no attribute")))?;
        if value.is_empty() {
            return Err(fault(format!("`{attribute}` is empty")));
        }
        match attribute {
            "role" => principal.roles.push(value.to_owned()),
            "scope" => principal.scopes.push(value.to_owned()),
            "name" if principal.name.is_none() => principal.name = Some(value.to_owned()),
            "email" if principal.email.is_none() => principal.email = Some(value.to_owned()),
            "name" | "email" => return Err(fault(format!("`{attribute}` stands here twice"))),
            _ => return Err(fault(format!("`{attribute}` is nothing that a user has"))),
        }
    }
    Ok(Some(principal))
}

/// The words of a text with their places; single quotes keep blanks together.
fn words(text: &str) -> Result<Vec<(Range<usize>, String)>, Fault> {
    let mut words: Vec<(Range<usize>, String)> = Vec::new();
    let (mut word, mut start, mut quote) = (None::<String>, 0, None);
    for (at, c) in text.char_indices() {
        if c == '\'' {
            quote = if quote.is_none() { Some(at) } else { None };
        }
        if c.is_whitespace() && quote.is_none() {
            words.extend(word.take().map(|word| (start..at, word)));
            continue;
        }
        if word.is_none() {
            start = at;
        }
        let word = word.get_or_insert_default();
        if c != '\'' {
            word.push(c);
        }
    }
    if let Some(at) = quote {
        return Err((at..text.len(), "the `'` is never closed".to_owned(), "close it"));
    }
    words.extend(word.map(|word| (start..text.len(), word)));
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expectation_names_a_request_and_a_caller() {
        let asked =
            parse_asked("GET a.example/x?y=1 as user 'eve b' role='night shift' scope=s").unwrap();
        assert_eq!(asked.method, Method::GET);
        assert_eq!((asked.host.as_str(), asked.target.as_str()), ("a.example", "/x?y=1"));
        let principal = asked.principal.unwrap();
        assert_eq!(principal.id, "eve b");
        assert_eq!(principal.roles, ["night shift"]);
        assert_eq!(principal.scopes, ["s"]);
        assert!(parse_asked("GET /x as guest").unwrap().principal.is_none());
        assert!(parse_asked("GET /x").unwrap().principal.is_none());
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_badly_written_expectation_says_where() {
        for (text, at, message) in [
            ("",                            0..0,   "an expectation names a request"),
            ("GET",                         3..3,   "the path is missing"),
            ("GET x",                       4..5,   "`x` is no path"),
            ("G(T /x",                      0..3,   "`G(T` is no method"),
            ("GET /x user eve",             7..11,  "`user` is not expected here"),
            ("GET /x as",                   9..9,   "as whom?"),
            ("GET /x as admin",             10..15, "`admin` is no kind of caller"),
            ("GET /x as user",              14..14, "the user's id is missing"),
            ("GET /x as user role=a",       15..21, "the user's id is missing"),
            ("GET /x as user eve buyer",    19..24, "`buyer` is no attribute"),
            ("GET /x as user eve role=",    19..24, "`role` is empty"),
            ("GET /x as user eve age=3",    19..24, "`age` is nothing that a user has"),
            ("GET /x as user e name=a name=b", 24..30, "`name` stands here twice"),
            ("GET /x as guest role=a",      16..22, "a guest has neither name nor roles"),
            ("GET /x as user 'eve",         15..19, "the `'` is never closed"),
        ] {
            let (found, said, _) = parse_asked(text).unwrap_err();
            assert_eq!((found, said.as_str()), (at, message), "{text}");
        }
    }
}
