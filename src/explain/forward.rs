//! What the backend would receive, told as what is removed and what is set.

use http::{
    HeaderMap, HeaderName,
    header::{AUTHORIZATION, COOKIE, HOST},
};

use super::{Forwarded, Removed};
use crate::{
    auth::credential::Sources,
    config::{Backend, Config, Server},
    gateway::{Refusal, rehearse},
    policy::Permit,
    request::{
        Canonical,
        fields::{Fence, is_forwarding, is_removed, joined_cookies},
        query::pairs,
    },
};

/// Builds the outbound head as the gateway would, and compares it with what came.
pub(super) fn rehearse(
    canonical: Canonical,
    came: &HeaderMap,
    sources: &Sources,
    permit: &Permit<'_>,
    config: &Config,
) -> Result<Forwarded, Refusal> {
    let backend = &config.backends[permit.rule().backend];
    let query = canonical.query.as_str().map(str::to_owned);
    let sent = rehearse::outbound(canonical, sources, permit, config)?;
    let mut removed = fields_removed(came, &sent.headers, config);
    removed.extend(query.iter().flat_map(|query| parameters_removed(query, sent.uri.query())));
    // Values of the client's own fields are not shown: a cookie may be somebody's key to the backend.
    let is_set = |name: &HeaderName| {
        !came.contains_key(name)
            || is_ours(name, config)
            || is_forwarding(name)
            || (*name == HOST && came.get(HOST) != sent.headers.get(HOST))
    };
    let mut set: Vec<(String, String)> = sent
        .headers
        .iter()
        .filter(|(name, _)| is_set(name))
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    // Who is calling first: that is what one looks for.
    set.sort_by_key(|(name, _)| !is_ours_by_name(name, config));
    Ok(Forwarded {
        to: format!("{}, {}", backend.name, servers(backend)),
        request: format!("{} {}", sent.method, sent.uri),
        removed,
        set,
    })
}

/// Says of identity fields only that they are set, where nobody knows to what.
pub(super) fn veil(forwarded: &mut Forwarded, config: &Config) {
    forwarded
        .set
        .retain(|(name, _)| !config.identity.iter().any(|field| field.name.as_str() == name));
    let veiled = config.identity.iter().map(|field| {
        (field.name.as_str().to_owned(), "(what the store says of the caller)".to_owned())
    });
    forwarded.set.splice(..0, veiled);
}

fn servers(backend: &Backend) -> String {
    let servers = backend.servers.iter().map(Server::to_string);
    servers.collect::<Vec<_>>().join(", ")
}

fn is_ours(name: &HeaderName, config: &Config) -> bool {
    is_ours_by_name(name.as_str(), config)
}

fn is_ours_by_name(name: &str, config: &Config) -> bool {
    config.identity.iter().any(|field| field.name.as_str() == name)
}

fn fields_removed(came: &HeaderMap, sent: &HeaderMap, config: &Config) -> Vec<Removed> {
    let owned: Vec<_> = config.identity.iter().map(|field| field.name.clone()).collect();
    let fence = Fence::new(&owned);
    let why = |name: &HeaderName| {
        if fence.covers(name) {
            Some("only the gateway says who is calling")
        } else if *name == COOKIE
            && sent.get(COOKIE) != joined_cookies(came.get_all(COOKIE).iter()).as_ref()
        {
            Some("the credential's own pair; the others stay")
        } else if sent.contains_key(name) {
            None
        } else if *name == AUTHORIZATION {
            Some("credential")
        } else if is_forwarding(name) {
            Some("rebuilt by the gateway")
        } else if is_removed(name) {
            Some("never forwarded")
        } else {
            Some("credential-shaped")
        }
    };
    let removed = |name: &HeaderName| {
        why(name).map(|why| Removed { name: name.as_str().to_owned(), why: why.to_owned() })
    };
    came.keys().filter_map(removed).collect()
}

/// Parameters that were cut. Names only: the values are credentials.
fn parameters_removed(came: &str, sent: Option<&str>) -> Vec<Removed> {
    let mut kept: Vec<&str> =
        sent.map(|sent| pairs(sent).map(|pair| pair.raw()).collect()).unwrap_or_default();
    kept.reverse();
    let mut removed = Vec::new();
    for pair in pairs(came) {
        if kept.last() == Some(&pair.raw()) {
            kept.pop();
        } else {
            let name = format!("?{}", pair.raw_name());
            removed.push(Removed { name, why: "credential in the query".to_owned() });
        }
    }
    removed
}
