//! The query: pairs split on `&`, names decoded once for looking up credentials, bytes and order kept.
//!
//! Never decodes a value, never reorders, and takes no other separator than `&`.

use std::borrow::Cow;

use super::{BadRequest, percent};

/// The query as it came, known to be printable ASCII with names that decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    text: Option<String>,
}

/// What stands between two `&`. May be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    raw: &'a str,
}

impl Query {
    /// Reads what stands after `?`; `None` when there is no `?`.
    ///
    /// # Errors
    /// [`BadRequest`] for a byte outside 0x21 to 0x7E, or a name that does not decode.
    pub fn parse(raw: Option<&str>) -> Result<Self, BadRequest> {
        let Some(raw) = raw else { return Ok(Self { text: None }) };
        if let Some(byte) = raw.bytes().find(|byte| !byte.is_ascii_graphic()) {
            let ascii = byte.is_ascii();
            return Err(if ascii { BadRequest::QueryControl } else { BadRequest::QueryNonAscii });
        }
        if raw.contains('%') && !pairs(raw).all(|pair| pair.name().is_some()) {
            return Err(BadRequest::QueryBadName);
        }
        Ok(Self { text: Some(raw.to_owned()) })
    }

    /// What is sent: `None` when there is no `?`.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The pairs in their order, empty ones included.
    pub fn pairs(&self) -> impl Iterator<Item = Pair<'_>> {
        self.text.as_deref().into_iter().flat_map(pairs)
    }

    /// Keeps the pairs for which `keep` holds, with all their bytes; cuts each other one together with
    /// one `&`, and the `?` when nothing is left.
    pub fn retain(&mut self, keep: impl Fn(Pair<'_>) -> bool) {
        let Some(text) = self.text.as_deref() else { return };
        if pairs(text).all(&keep) {
            return;
        }
        let mut kept = String::with_capacity(text.len());
        let mut first = true;
        for pair in pairs(text).filter(|pair| keep(*pair)) {
            if !std::mem::take(&mut first) {
                kept.push('&');
            }
            kept.push_str(pair.raw);
        }
        self.text = (!kept.is_empty()).then_some(kept);
    }
}

/// The pairs of any text, whether or not it is a well-formed query.
pub(crate) fn pairs(text: &str) -> impl Iterator<Item = Pair<'_>> {
    text.split('&').map(|raw| Pair { raw })
}

impl<'a> Pair<'a> {
    /// The pair as it came.
    #[must_use]
    pub fn raw(self) -> &'a str {
        self.raw
    }

    /// The name as it came: what stands before the first `=`.
    #[must_use]
    pub fn raw_name(self) -> &'a str {
        self.raw.split_once('=').map_or(self.raw, |(name, _)| name)
    }

    /// The value as it came, empty without a `=`.
    #[must_use]
    pub fn raw_value(self) -> &'a str {
        self.raw.split_once('=').map_or("", |(_, value)| value)
    }

    /// Whether its decoded name is this one, which is plain.
    #[must_use]
    pub fn is_named(self, name: &str) -> bool {
        let raw = self.raw_name();
        raw == name || raw.contains('%') && self.name().as_deref() == Some(name)
    }

    /// The decoded name; `None`, which a [`Query`] never holds, when it does not decode to text
    /// without control characters.
    #[must_use]
    pub fn name(self) -> Option<Cow<'a, str>> {
        percent::decode(self.raw_name()).filter(|name| !name.bytes().any(|b| b.is_ascii_control()))
    }
}
