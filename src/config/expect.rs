//! `[expect]`: what an operator promises about the rules, asked of the very functions that judge
//! requests. A failing expectation is a mistake like any other.

use std::{
    ops::Range,
    time::{Duration, SystemTime},
};

use http::{Method, Request, header::HOST};

use super::{
    caller::{self, Fault},
    context::Context,
    reader::{Table, Text, Value},
    report::Mistake,
    tenants::{self, Place},
};
use crate::{
    policy::{Presented, Requirement, RuleSet, Tenant, TenantRequest, decide},
    principal::{Certificate, CertificateName, Principal},
    request::{Canonical, RequestPolicy, path::CanonicalPath},
};

/// The host of an expectation that names none. Reserved (RFC 6761 6.4): no rule can be meant for it.
const NO_HOST: &str = "host.invalid";

/// What an expectation is judged against.
pub(super) struct Judge<'a> {
    pub(super) rules: &'a RuleSet,
    pub(super) requests: &'a RequestPolicy,
    pub(super) now: SystemTime,
    /// Whether there is a `[usergrid]`.
    pub(super) usergrid: bool,
}

/// A request of an expectation: `POST /orders as user eve role=buyer`.
#[derive(Debug)]
struct Asked {
    method: Method,
    host: String,
    target: String,
    principal: Option<Principal>,
    /// Of the certificate that the client shows; none for no certificate.
    names: Vec<CertificateName>,
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
pub(super) fn check(tables: &[Table], usergrid: bool) -> usize {
    let mut count = 0;
    for table in tables {
        for (key, value) in table.entries() {
            count += 1;
            read_asked(table.cx, key, usergrid);
            read_expected(value);
        }
    }
    count
}

fn run_one(cx: &Context, key: &Text, value: &Value, judge: &Judge) {
    let (asked, expected) = (read_asked(cx, key, judge.usergrid), read_expected(value));
    let (Some(asked), Some(expected)) = (asked, expected) else { return };
    let outcome = match judge.outcome(&asked) {
        Ok(outcome) => outcome,
        Err((message, help)) => return key.bad(cx, message, help),
    };
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
    /// What becomes of a request; or what is wrong with expecting it, and what to do instead.
    fn outcome(&self, asked: &Asked) -> Result<Outcome, (&'static str, &'static str)> {
        let request = Request::builder()
            .method(&asked.method)
            .uri(&asked.target)
            .header(HOST, &asked.host)
            .body(());
        // The server reads request targets with the same function, and answers the same.
        let Ok(request) = request else { return Ok(Outcome::refused(400, "target_form")) };
        let canonical = match Canonical::read(request.into_parts().0, true, false, self.requests) {
            Ok(canonical) => canonical,
            Err(error) => return Ok(Outcome::refused(error.status().as_u16(), error.reason())),
        };
        if !self.usergrid {
            return Ok(self.judge(asked, &canonical, &canonical.path, None));
        }
        let caller = asked.principal.as_ref();
        match tenants::place(&canonical.path, caller, &self.requests.paths) {
            Place::Owned => {
                let message = "the gateway answers this path itself, and asks no rule";
                Err((message, "remove it: what rules say is expected here"))
            }
            Place::OtherForm => {
                let message = "rules are not asked about this form of a tenant's path";
                Err((message, "write the canonical form `/{org}/{app}/…`"))
            }
            Place::Outside => Ok(self.judge(asked, &canonical, &canonical.path, None)),
            Place::Tenant(tenant, path) => Ok(self.judge(asked, &canonical, &path, Some(&tenant))),
        }
    }

    fn judge(
        &self,
        asked: &Asked,
        canonical: &Canonical,
        path: &CanonicalPath,
        tenant: Option<&Tenant>,
    ) -> Outcome {
        let found = self.rules.find(&canonical.method, canonical.authority.host(), path);
        let rest: Vec<&str> = path.segments().skip(2).collect();
        let caller = asked.principal.as_ref();
        let tenant = tenant.map(|tenant| TenantRequest {
            tenant,
            method: &canonical.method,
            rest: &rest,
            subject: caller.and_then(|caller| tenants::subject(&rest, caller)),
            // What is protected is owned.
            protected: false,
        });
        let presented = caller.map_or(Presented::Nothing, Presented::Proven);
        let until = self.now + Duration::from_secs(1); // it is valid at the moment
        let shown = Certificate { names: asked.names.clone(), until };
        let shown = Some(&shown).filter(|shown| !shown.names.is_empty());
        let decision = decide(found.as_ref(), presented, self.now, tenant.as_ref(), shown);
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
                let status = denial.status_told(self.usergrid);
                let refused = Some((status.as_u16(), denial.reason()));
                Outcome { refused, open: None, rule }
            }
        }
    }
}

fn read_asked(cx: &Context, key: &Text, usergrid: bool) -> Option<Asked> {
    if key.has_reference(cx) {
        return None;
    }
    let asked = parse_asked(&key.text, usergrid);
    if let Err((at, message, hint)) = asked {
        cx.mistake(Mistake::at(key.part(cx, at), message, hint));
        return None;
    }
    asked.ok()
}

fn parse_asked(text: &str, usergrid: bool) -> Result<Asked, Fault> {
    const SHAPE: &str = "write `GET /path`, or `GET /path as user eve role=buyer`";
    let (shown, words): (Vec<_>, Vec<_>) =
        words(text)?.into_iter().partition(|(_, word)| word.starts_with("cert="));
    let mut words = words.into_iter();
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
        Some((_, word)) if word == "as" => caller::read(&mut words, end, usergrid)?,
        Some((at, word)) => {
            return Err((at, format!("`{word}` is not expected here"), SHAPE));
        }
    };
    let mut names = Vec::with_capacity(shown.len());
    for (at, word) in shown {
        match word.strip_prefix("cert=").unwrap_or_default() {
            "" => return Err((at, "`cert` is empty".to_owned(), "write `cert=app.example`")),
            name => names.push(CertificateName::read(name)),
        }
    }
    Ok(Asked { method, host: host.to_owned(), target: target.to_owned(), principal, names })
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
            parse_asked("GET a.example/x?y=1 as user 'eve b' role='night shift' scope=s", false)
                .unwrap();
        assert_eq!(asked.method, Method::GET);
        assert_eq!((asked.host.as_str(), asked.target.as_str()), ("a.example", "/x?y=1"));
        let principal = asked.principal.unwrap();
        assert_eq!(principal.id, "eve b");
        assert_eq!(*principal.roles, ["night shift"]);
        assert_eq!(*principal.scopes, ["s"]);
        let shown = parse_asked("GET /x cert=App.example cert=10.0.0.1", false).unwrap().names;
        assert_eq!(shown, ["app.example", "10.0.0.1"].map(CertificateName::read));
        assert!(parse_asked("GET /x as guest", false).unwrap().principal.is_none());
        assert!(parse_asked("GET /x", false).unwrap().principal.is_none());
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
            ("GET /x as user eve cert=",    19..24, "`cert` is empty"),
            ("GET /x as user 'eve",         15..19, "the `'` is never closed"),
        ] {
            let (found, said, _) = parse_asked(text, false).unwrap_err();
            assert_eq!((found, said.as_str()), (at, message), "{text}");
        }
    }
}
