//! Removing: nothing credential-shaped reaches the backend, or a log, unjudged.

use http::{
    HeaderName, HeaderValue,
    header::{AUTHORIZATION, COOKIE},
};

use super::{CookiePair, Sources, cookie_pairs};
use crate::{
    request::{
        fold::folds_to,
        percent,
        query::{Pair, Query, pairs},
    },
    wire::Fields,
};

/// What stands in a log where a credential stood.
const REDACTED: &str = "•••";

impl Sources {
    /// Removes every configured source, its look-alikes in the query and every other credential-shaped field.
    pub fn strip(&self, fields: &mut Fields, query: &mut Query) {
        let is_shaped = |name: &HeaderName| {
            let name = name.as_str().as_bytes();
            self.fields.iter().any(|folded| folds_to(name, folded))
        };
        fields.remove(&AUTHORIZATION);
        fields.retain(|name| !is_shaped(name));
        if !self.cookies.is_empty() {
            self.strip_cookies(fields);
        }
        if !self.parameters.is_empty() {
            query.retain(|pair| !self.holds_credential(pair));
        }
    }

    /// `query` with `•••` in place of every value that is, or looks like, a credential. Takes any text,
    /// so that a request that was refused can be logged as well.
    #[must_use]
    pub fn redact_query(&self, query: &str) -> String {
        let mut redacted = String::with_capacity(query.len());
        for (index, pair) in pairs(query).enumerate() {
            if index > 0 {
                redacted.push('&');
            }
            let hidden = self.holds_credential(pair) || holds(pair, &self.unlogged);
            if hidden && pair.raw_name().len() < pair.raw().len() {
                redacted.push_str(pair.raw_name());
                redacted.push('=');
                redacted.push_str(REDACTED);
            } else {
                redacted.push_str(pair.raw());
            }
        }
        redacted
    }

    /// Whether a server that takes `;` for a separator would find a credential's name in this pair.
    pub(super) fn semicolon_makes_credential(&self, pair: Pair<'_>) -> bool {
        semicolon_makes(pair, &self.parameters)
    }

    fn holds_credential(&self, pair: Pair<'_>) -> bool {
        holds(pair, &self.parameters)
    }

    /// Cuts our cookies, keeps the bytes of all others.
    fn strip_cookies(&self, fields: &mut Fields) {
        // Some readers split cookies on commas as well: a pair that hides one of ours goes whole.
        let named = |name: &[u8]| self.cookies.iter().any(|cookie| cookie.as_bytes() == name);
        let ours = |pair: &CookiePair<'_>| {
            named(pair.name)
                || pair.raw.split(|byte| *byte == b',').skip(1).any(|part| {
                    let part = part.trim_ascii_start();
                    let end = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
                    named(part[..end].trim_ascii_end())
                })
        };
        let mut anything = false;
        for line in fields.all_mut(&COOKIE) {
            if cookie_pairs(line.as_bytes()).any(|pair| ours(&pair)) {
                let rest = cookie_pairs(line.as_bytes()).filter(|pair| !ours(pair));
                let rest = rest.map(|pair| pair.raw).collect::<Vec<_>>().join(&b"; "[..]);
                // Pieces of a valid value make a valid one; an empty line goes with the others below.
                *line = HeaderValue::from_bytes(&rest).unwrap_or(HeaderValue::from_static(""));
            }
            anything |= !line.is_empty();
        }
        if !anything {
            fields.remove(&COOKIE);
        }
    }
}

/// Whether somebody would find one of the `folded` names in this pair.
fn holds(pair: Pair<'_>, folded: &[String]) -> bool {
    is_one_of(pair.raw_name(), folded) || semicolon_makes(pair, folded)
}

fn semicolon_makes(pair: Pair<'_>, folded: &[String]) -> bool {
    if !pair.raw().as_bytes().contains(&b';') {
        return false; // nearly every pair
    }
    let mut parts = pair.raw().split(';');
    let first = parts.next().unwrap_or_default();
    // Before the first `;` stands the pair's own name, unless its `=` comes only later.
    let cut_short = !first.contains('=') && is_one_of(first, folded);
    cut_short
        || parts.any(|part| is_one_of(part.split_once('=').map_or(part, |(name, _)| name), folded))
}

/// Whether a parameter of this raw name is one of the `folded` to somebody: without case or
/// punctuation, decoded once or however often it was encoded, or as the array that `name[…]` is to
/// some frameworks.
fn is_one_of(raw_name: &str, folded: &[String]) -> bool {
    if folded.is_empty() {
        return false;
    }
    let resembles = |name: &[u8]| {
        let array = name.iter().position(|byte| *byte == b'[').unwrap_or(name.len());
        folded.iter().any(|folded| folds_to(name, folded) || folds_to(&name[..array], folded))
    };
    // `%25access_token` begins with a percent sign to all who decode once, with `%ac` to others.
    resembles(&percent::decode_to_the_end(raw_name))
        || (raw_name.contains('%')
            && percent::decode(raw_name).is_some_and(|name| resembles(name.as_bytes())))
}
