//! Reads what another service recorded for its tokens: JSON, a hash, or plain text. Pure.
//!
//! Invariant: a record that does not fit is [`StoreError::BadRecord`], never a caller with fewer
//! fields than the layout asks for. The error names the place, never the value.

use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::StoreError;
use crate::config::{ExpiresAt, FieldAt, Foreign, KeyPiece, ListAt, TimeUnit};

/// A caller as another service describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignFound {
    /// The caller's id. Never empty.
    pub subject: String,
    /// A name for people.
    pub name: Option<String>,
    /// An e-mail address.
    pub email: Option<String>,
    /// Roles held.
    pub roles: Vec<String>,
    /// Scopes granted.
    pub scopes: Vec<String>,
    /// Milliseconds since the epoch: the earlier of the record's own expiry and the key's.
    pub expires_ms: Option<i64>,
}

/// The fields of a hash: names and values.
pub(super) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A record as the store keeps it, before the layout is applied.
#[derive(Debug)]
pub(super) enum Raw {
    Json(Vec<u8>),
    Hash(Pairs),
    Text(Vec<u8>),
}

/// The key under which the other service keeps `token`. No prefix of ours: the keys are not ours.
pub(crate) fn key(layout: &Foreign, token: &str) -> String {
    let mut key = String::new();
    for piece in &layout.key {
        match piece {
            KeyPiece::Text(text) => key.push_str(text),
            KeyPiece::Token => key.push_str(token),
            KeyPiece::Sha256 => key.push_str(&hex(&Sha256::digest(token))),
        }
    }
    key
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

/// Reads `raw` as `layout` says. `key_expires_ms` is when the store will drop the key, if ever.
pub(super) fn read(
    raw: Raw,
    layout: &Foreign,
    key_expires_ms: Option<i64>,
) -> Result<ForeignFound, StoreError> {
    let fields = Fields::of(raw)?;
    let own = layout.expires.as_ref().map(|at| fields.instant(at)).transpose()?;
    let optional = |at: &Option<FieldAt>| match at {
        Some(at) => fields.text(&at.0),
        None => Ok(None),
    };
    let list = |at: &Option<ListAt>| match at {
        Some(at) => fields.list(at),
        None => Ok(Vec::new()),
    };
    Ok(ForeignFound {
        subject: fields
            .text(&layout.subject.0)?
            .filter(|subject| !subject.is_empty())
            .ok_or_else(|| bad(&layout.subject.0))?,
        name: optional(&layout.name)?,
        email: optional(&layout.email)?,
        roles: list(&layout.roles)?,
        scopes: list(&layout.scopes)?,
        expires_ms: own.into_iter().chain(key_expires_ms).min(),
    })
}

fn bad(at: &str) -> StoreError {
    // A text record has one field, and it has no name.
    StoreError::bad_record(if at.is_empty() { "subject" } else { at })
}

/// A record whose values can be asked for by place.
enum Fields {
    Json(Json),
    Hash(Pairs),
    Text(String),
}

impl Fields {
    fn of(raw: Raw) -> Result<Self, StoreError> {
        let malformed = |what: &str| StoreError::bad_record(what);
        Ok(match raw {
            Raw::Json(bytes) => {
                Self::Json(serde_json::from_slice(&bytes).map_err(|_| malformed("JSON"))?)
            }
            Raw::Hash(pairs) => Self::Hash(pairs),
            Raw::Text(bytes) => {
                Self::Text(String::from_utf8(bytes).map_err(|_| malformed("text"))?)
            }
        })
    }

    /// The value at `at`: `None` when it is not there or is JSON's null.
    fn at(&self, at: &str) -> Result<Option<Json>, StoreError> {
        Ok(match self {
            Self::Json(root) => root.pointer(at).filter(|value| !value.is_null()).cloned(),
            Self::Hash(pairs) => {
                let found = pairs.iter().find(|(name, _)| name == at.as_bytes());
                let text = |value: &Vec<u8>| String::from_utf8(value.clone());
                found
                    .map(|(_, value)| text(value).map_err(|_| bad(at)))
                    .transpose()?
                    .map(Json::from)
            }
            Self::Text(text) => Some(Json::from(text.as_str())),
        })
    }

    /// Text, or a whole number: ids are often numbers, and a whole number has one spelling.
    fn text(&self, at: &str) -> Result<Option<String>, StoreError> {
        match self.at(at)? {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(Json::Number(number)) if !number.is_f64() => Ok(Some(number.to_string())),
            Some(_) => Err(bad(at)),
        }
    }

    /// An array of strings, or with `split` one string. Absent is no role at all, which grants less.
    fn list(&self, list: &ListAt) -> Result<Vec<String>, StoreError> {
        let wrong = || bad(&list.at);
        let Some(value) = self.at(&list.at)? else { return Ok(Vec::new()) };
        let words = match (&list.split, value, self) {
            (Some(split), Json::String(text), _) => {
                text.split(split.as_str()).map(str::to_owned).collect()
            }
            (None, Json::Array(values), _) => strings(values).ok_or_else(wrong)?,
            // A hash holds text only: an array is there as the text of its JSON.
            (None, Json::String(text), Self::Hash(_)) => {
                serde_json::from_str::<Vec<String>>(&text).map_err(|_| wrong())?
            }
            _ => return Err(wrong()),
        };
        Ok(words.into_iter().filter(|word| !word.is_empty()).collect())
    }

    /// The record's own expiry. Absent does not fit: it would be a caller that never leaves.
    fn instant(&self, expires: &ExpiresAt) -> Result<i64, StoreError> {
        let value = self.at(&expires.at)?;
        let at = match expires.unit {
            TimeUnit::Seconds => value.and_then(|value| number(&value, 1_000)),
            TimeUnit::Milliseconds => value.and_then(|value| number(&value, 1)),
            TimeUnit::Rfc3339 => value.as_ref().and_then(Json::as_str).and_then(rfc3339_ms),
        };
        at.ok_or_else(|| bad(&expires.at))
    }
}

fn strings(values: Vec<Json>) -> Option<Vec<String>> {
    let text = |value| if let Json::String(text) = value { Some(text) } else { None };
    values.into_iter().map(text).collect()
}

/// A count of units of `unit_ms` since the epoch, as milliseconds. Fractions (some services write
/// `time.time()`) are cut after the millisecond; what does not fit an `i64` is no instant.
fn number(value: &Json, unit_ms: i64) -> Option<i64> {
    if let Json::String(text) = value {
        return text.parse::<i64>().ok()?.checked_mul(unit_ms);
    }
    if let Some(whole) = value.as_i64() {
        return whole.checked_mul(unit_ms);
    }
    #[expect(clippy::cast_precision_loss, reason = "1 and 1,000 are exact")]
    let ms = (value.as_f64()? * unit_ms as f64).floor();
    // 2^53: beyond it neighbouring doubles are further apart than what they are to tell.
    #[expect(clippy::cast_possible_truncation, reason = "checked on the same line")]
    (ms.abs() < 9_007_199_254_740_992.0).then_some(ms as i64)
}

/// RFC 3339 with an offset, as milliseconds since the epoch.
fn rfc3339_ms(text: &str) -> Option<i64> {
    let parsed: toml::value::Datetime = text.parse().ok()?;
    let (date, time) = (parsed.date?, parsed.time?);
    let offset_minutes = match parsed.offset? {
        toml::value::Offset::Z => 0,
        toml::value::Offset::Custom { minutes } => i64::from(minutes),
    };
    let days = days_since_epoch(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let minutes = days * 1_440 + i64::from(time.hour) * 60 + i64::from(time.minute);
    let seconds = (minutes - offset_minutes) * 60 + i64::from(time.second.unwrap_or(0));
    Some(seconds * 1_000 + i64::from(time.nanosecond.unwrap_or(0) / 1_000_000))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, the year taken to start in March so
/// that the leap day is its last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 153 days in every five months from March; 719,468 days from 0000-03-01 to the epoch.
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
#[path = "foreign_tests.rs"]
mod tests;
