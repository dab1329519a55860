//! `[tokens]`: where credentials are looked for, and how long what is known of them counts.

use std::time::Duration;

use http::HeaderName;

use super::{
    IdentityField, Tokens, defaults, foreign, quantity,
    reader::{Table, Text},
    report::Mistake,
};
use crate::{auth::credential::Source, request::fold::fold};

/// A year: whoever wants more says `never`.
const TTL_MAX: Duration = Duration::from_secs(366 * 86_400);

pub(super) fn read(table: Table, identity: &[IdentityField], usergrid: bool) -> Tokens {
    let sources = if usergrid { defaults::sources_of_usergrid } else { defaults::sources };
    let from = table.get("from").and_then(|value| value.texts()).map(|texts| {
        let sources = read_sources(&table, &texts);
        check_against_identity(&table, &sources, identity);
        sources.into_iter().map(|(_, source)| source).collect()
    });
    let near = table.table("near-cache");
    let entries = near.get("entries").and_then(|value| value.integer(1..=100_000_000));
    let day = Duration::from_secs(86_400);
    let ttl_value = near.get("ttl");
    let near_ttl = ttl_value.as_ref().and_then(|value| value.duration(Duration::ZERO..=day));
    let without_push_value = near.get("ttl-without-push");
    let without_push =
        without_push_value.as_ref().and_then(|value| value.duration(Duration::ZERO..=day));
    let longest = near_ttl.unwrap_or(defaults::NEAR_TTL);
    if let (Some(value), Some(ttl)) = (&without_push_value, without_push)
        && ttl > longest
    {
        let ttl = quantity::show_duration(longest);
        let message = "without push a record cannot count longer than with it";
        value.bad(message, format!("at most `ttl`, which is {ttl}"));
    }
    near.done();
    let grace = table.get("grace").and_then(|value| value.duration(Duration::ZERO..=day));
    let ttl = match table.get("ttl") {
        Some(value) if value.says("never") => None,
        Some(value) => value.duration(Duration::from_secs(1)..=TTL_MAX),
        None => Some(defaults::TOKEN_TTL),
    };
    let foreign = foreign::read(&table);
    table.done();
    // Where `ttl` is shorter than the default without push, it bounds that too.
    let near_ttl_without_push =
        without_push.unwrap_or(defaults::NEAR_TTL_WITHOUT_PUSH.min(longest));
    Tokens {
        from: from.unwrap_or_else(sources),
        near_entries: entries.unwrap_or(defaults::NEAR_ENTRIES),
        near_ttl: longest,
        near_ttl_without_push,
        grace: grace.unwrap_or(defaults::GRACE),
        ttl,
        foreign,
    }
}

fn read_sources(table: &Table, texts: &[Text]) -> Vec<(Text, Source)> {
    let mut sources: Vec<(Text, Source)> = Vec::new();
    for text in texts {
        match source(&text.text) {
            Err(hint) => {
                text.bad(table.cx, format!("{} is no place for a credential", text.quoted()), hint);
            }
            Ok(source) => match sources.iter().find(|(_, known)| *known == source) {
                Some((first, _)) => table.cx.mistake(
                    Mistake::at(text.place.clone(), "the same place twice", "remove one")
                        .and(first.place.clone(), "first here"),
                ),
                None => sources.push((text.clone(), source)),
            },
        }
    }
    sources
}

fn source(text: &str) -> Result<Source, String> {
    const EXPECTED: &str =
        "expected `header`, `basic`, `client-params`, `query:NAME`, `header:NAME` or `cookie:NAME`";
    let (kind, name) = text.split_once(':').unwrap_or((text, ""));
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    match (kind, name) {
        ("header", "") if !text.contains(':') => Ok(Source::Header),
        ("basic", "") if !text.contains(':') => Ok(Source::Basic),
        ("client-params", "") if !text.contains(':') => Ok(Source::ClientParams),
        ("query" | "cookie" | "header", "") => Err(format!("name it: `{kind}:NAME`")),
        ("query" | "cookie", name) if !name.chars().all(is_name) => {
            Err("a name has letters, digits and `_ - .`".to_owned())
        }
        ("query", name) => Ok(Source::Query(name.to_owned())),
        ("cookie", name) => Ok(Source::Cookie(name.to_owned())),
        ("header", name) => field(name),
        _ => Err(EXPECTED.to_owned()),
    }
}

fn field(name: &str) -> Result<Source, String> {
    let name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| "a field's name has letters, digits and `-`".to_owned())?;
    match fold(name.as_str()).as_str() {
        "authorization" => Err("write `header` for `Authorization: Bearer`".to_owned()),
        "cookie" => Err("write `cookie:NAME`".to_owned()),
        "host" | "connection" | "contentlength" | "transferencoding" | "te" | "trailer"
        | "upgrade" | "expect" | "keepalive" | "proxyauthorization" | "proxyconnection" | "" => {
            Err("this field means something else on every connection".to_owned())
        }
        _ => Ok(Source::Field(name)),
    }
}

/// An identity field is removed from every request before credentials are looked for.
fn check_against_identity(table: &Table, sources: &[(Text, Source)], identity: &[IdentityField]) {
    for (text, source) in sources {
        let Source::Field(name) = source else { continue };
        if identity.iter().any(|field| fold(field.name.as_str()) == fold(name.as_str())) {
            let message =
                format!("{} is an identity field too: clients may not send it", text.quoted());
            text.bad(table.cx, message, "use another field, or rename it in `[identity]`");
        }
    }
}
