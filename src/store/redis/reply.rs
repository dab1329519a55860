//! From Redis' answers to values and errors of ours. Pure.
//!
//! Invariant: an error of the server is worded by us from its code alone. Its own text may quote the
//! command, and the command may hold a password or a token.

use std::time::{Duration, SystemTime};

use redis::{ErrorKind, RedisError, ServerError, Value};

use crate::{
    store::{StoreError, documents::Tally, foreign::Pairs},
    token::{record::PrincipalState, ttl::unix_ms},
};

/// Records with more than this left are kept without expiry: 1,000 years, and far from the sums at
/// which Redis refuses an expiry.
const LIFETIME_MAX_MS: i64 = 1_000 * 366 * 86_400_000;

/// What the server's error code means for an operator.
pub(super) fn words(code: &str) -> String {
    let meaning = match code {
        "NOAUTH" => "it asks for a password",
        "WRONGPASS" => "it refuses the user name or the password",
        "NOPERM" => "its access list denies us a command or a key",
        "READONLY" => "it is a read-only replica",
        "LOADING" => "it is still loading its data",
        "MASTERDOWN" => "it is a replica without its master",
        "MISCONF" => "it cannot write to its disk and takes no writes",
        "OOM" => "its memory is full and it takes no writes",
        "NOREPLICAS" => "it has too few replicas and takes no writes",
        "MOVED" | "ASK" => "it is a node of a cluster, and one server was configured",
        "CLUSTERDOWN" => "its cluster is down, or has slots that no node holds",
        "TRYAGAIN" => "the slot is being moved to another node",
        "CROSSSLOT" => "it is a cluster, and these keys are not of one slot",
        "BUSY" => "it is busy with a script",
        _ => "it answered with an error",
    };
    format!("{meaning} ({code})")
}

/// An error that the server gave as its answer. A value of another type is a record that does not
/// fit; everything else is the server's trouble.
pub(super) fn server_error(store: &str, error: &ServerError) -> StoreError {
    if error.code() == "WRONGTYPE" {
        return wrong_type();
    }
    StoreError::Failed { store: store.to_owned(), cause: words(error.code()) }
}

/// Why there is no (or no longer a) connection, without a word the server chose.
pub(super) fn link_error(error: &RedisError) -> String {
    if let Some(code) = error.code() {
        return words(code);
    }
    let kind = error.kind();
    if kind == ErrorKind::AuthenticationFailed {
        return words("WRONGPASS");
    }
    let known = if kind == ErrorKind::RESP3NotSupported {
        "it does not speak RESP3 (Redis 6 or later is needed)"
    } else if kind == ErrorKind::Parse {
        "it does not speak the protocol of Redis"
    } else if error.is_connection_dropped() {
        "it closed the connection"
    } else {
        "the connection failed"
    };
    known.to_owned()
}

fn wrong_type() -> StoreError {
    StoreError::bad_record("value of the right type")
}

/// What a status, a string or a verbatim text says.
pub(super) fn text(value: &Value) -> Option<&str> {
    if let Value::BulkString(bytes) = value {
        return std::str::from_utf8(bytes).ok();
    }
    if let Value::SimpleString(text) | Value::VerbatimString { text, .. } = value {
        return Some(text);
    }
    None
}

/// A string, or nothing.
pub(super) fn bytes(value: Value) -> Result<Option<Vec<u8>>, StoreError> {
    if let Value::BulkString(bytes) = value {
        return Ok(Some(bytes));
    }
    if value == Value::Nil { Ok(None) } else { Err(wrong_type()) }
}

/// A hash; an empty one is no key at all.
pub(super) fn pairs(value: Value) -> Result<Option<Pairs>, StoreError> {
    let Value::Map(pairs) = value else { return Err(wrong_type()) };
    let mut read = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        if let (Some(name), Some(value)) = (bytes(name)?, bytes(value)?) {
            read.push((name, value));
        }
    }
    Ok(if read.is_empty() { None } else { Some(read) })
}

/// `PTTL`: `None` when the key is gone, `Some(None)` when it has no expiry.
pub(super) fn time_left(value: &Value) -> Result<Option<Option<i64>>, StoreError> {
    let Value::Int(left) = *value else { return Err(StoreError::bad_record("expiry")) };
    Ok(match left {
        -2 => None,
        -1 => Some(None),
        left => Some(Some(left)),
    })
}

/// `HMGET generation active`: both or neither.
pub(super) fn principal(value: Value) -> Result<Option<PrincipalState>, StoreError> {
    let Value::Array(values) = value else {
        return Err(StoreError::bad_record("principal"));
    };
    let mut values = values.into_iter().map(bytes);
    let generation = values.next().transpose()?.flatten();
    let active = values.next().transpose()?.flatten();
    if generation.is_none() && active.is_none() {
        return Ok(None);
    }
    let generation = generation
        .and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok())
        .ok_or_else(|| StoreError::bad_record("generation"))?;
    let active = match active.as_deref() {
        Some(b"1") => true,
        Some(b"0") => false,
        _ => return Err(StoreError::bad_record("active")),
    };
    Ok(Some(PrincipalState { generation, active }))
}

/// A count of keys, of which there was one or none.
pub(super) fn was_there(value: &Value) -> Result<bool, StoreError> {
    let Value::Int(count) = *value else { return Err(StoreError::bad_record("count")) };
    Ok(count > 0)
}

/// How many, of what there may be more of than one.
pub(super) fn count(value: &Value) -> Result<usize, StoreError> {
    let Value::Int(count) = *value else { return Err(StoreError::bad_record("count")) };
    usize::try_from(count).map_err(|_| StoreError::bad_record("count"))
}

/// Members of a set.
pub(super) fn texts(value: Value) -> Result<Vec<String>, StoreError> {
    let Value::Array(values) = value else { return Err(wrong_type()) };
    let text = |value| {
        let bytes = bytes(value)?.ok_or_else(wrong_type)?;
        String::from_utf8(bytes).map_err(|_| StoreError::bad_record("member"))
    };
    values.into_iter().map(text).collect()
}

/// A count and the milliseconds that are left of its window.
pub(super) fn tally(value: &Value) -> Result<Tally, StoreError> {
    let bad = || StoreError::bad_record("count");
    let Value::Array(values) = value else { return Err(bad()) };
    let [Value::Int(count), Value::Int(left)] = values[..] else { return Err(bad()) };
    let left = Duration::from_millis(u64::try_from(left).map_err(|_| bad())?);
    Ok(Tally { count: u32::try_from(count).unwrap_or(u32::MAX), left })
}

/// The milliseconds of a window that begins, at least one: with an expiry of zero it would be over
/// before it began.
pub(super) fn window(window: Duration) -> i64 {
    i64::try_from(window.as_millis()).unwrap_or(LIFETIME_MAX_MS).clamp(1, LIFETIME_MAX_MS)
}

/// Milliseconds until `expires_ms`, at least one: Redis refuses an expiry of zero. `None` is never.
pub(super) fn lifetime(expires_ms: Option<i64>) -> Option<i64> {
    let left = expires_ms?.saturating_sub(unix_ms(SystemTime::now())).max(1);
    (left < LIFETIME_MAX_MS).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_principal_is_read_whole_or_not_at_all() {
        let state = |generation, active| Ok(Some(PrincipalState { generation, active }));
        let bad = |field: &str| Err(StoreError::bad_record(field));
        let cases = [
            (vec![Value::Nil, Value::Nil],       Ok(None)),
            (vec![bulk("7"), bulk("1")],         state(7, true)),
            (vec![bulk("7"), bulk("0")],         state(7, false)),
            (vec![bulk("7"), Value::Nil],        bad("active")),
            (vec![bulk("7"), bulk("yes")],       bad("active")),
            (vec![Value::Nil, bulk("1")],        bad("generation")),
            (vec![bulk("-1"), bulk("1")],        bad("generation")),
            (vec![bulk("seven"), bulk("1")],     bad("generation")),
        ];
        for (values, expected) in cases {
            assert_eq!(principal(Value::Array(values.clone())), expected, "{values:?}");
        }
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_missing_key_and_a_key_without_expiry_differ() {
        assert_eq!(time_left(&Value::Int(-2)),  Ok(None));
        assert_eq!(time_left(&Value::Int(-1)),  Ok(Some(None)));
        assert_eq!(time_left(&Value::Int(0)),   Ok(Some(Some(0))));
        assert_eq!(time_left(&Value::Int(250)), Ok(Some(Some(250))));
        assert_eq!(time_left(&Value::Nil),      Err(StoreError::bad_record("expiry")));
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_tally_is_two_numbers() {
        let tally_of = |values: &[Value]| tally(&Value::Array(values.to_vec()));
        let (bad, second) = (Err(StoreError::bad_record("count")), Duration::from_secs(1));
        assert_eq!(tally_of(&[Value::Int(3), Value::Int(1_000)]), Ok(Tally { count: 3, left: second }));
        assert_eq!(tally_of(&[Value::Int(1 << 40), Value::Int(0)]).map(|tally| tally.count), Ok(u32::MAX));
        assert_eq!(tally_of(&[Value::Int(3), Value::Int(-1)]), bad);
        assert_eq!(tally_of(&[Value::Int(3)]), bad);
        assert_eq!(tally(&Value::Nil), bad);
        assert_eq!(window(Duration::ZERO), 1);
        assert_eq!(window(Duration::MAX), LIFETIME_MAX_MS);
    }

    #[test]
    fn a_record_that_is_already_over_is_kept_for_a_moment_and_an_endless_one_for_ever() {
        assert_eq!(lifetime(Some(5)), Some(1));
        assert_eq!(lifetime(Some(i64::MIN)), Some(1));
        assert_eq!(lifetime(None), None);
        assert_eq!(lifetime(Some(i64::MAX)), None);
    }
}
