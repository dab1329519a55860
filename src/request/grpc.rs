//! Which requests are calls of gRPC, and how long a call may take.

use std::time::Duration;

use http::{HeaderName, Method, Version, header::CONTENT_TYPE};

use super::BadRequest;
use crate::wire::Fields;

static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// A call, as its head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// `grpc-timeout`, from the call's first moment.
    pub timeout: Option<Duration>,
}

/// Whether a request is a call: whoever sends it expects `grpc-status` whatever happens.
#[must_use]
pub fn is_call(method: &Method, version: Version, fields: &Fields) -> bool {
    version == Version::HTTP_2 && is_like_call(method, fields)
}

/// Whether a backend of HTTP/2 takes it for a call, by whatever version it came here.
fn is_like_call(method: &Method, fields: &Fields) -> bool {
    if method != Method::POST {
        return false;
    }
    let kind = fields.get(&CONTENT_TYPE).map(|kind| kind.as_bytes()).unwrap_or_default();
    let Some(kind) = kind.split_at_checked(b"application/grpc".len()) else { return false };
    // `application/grpc-web` is another protocol.
    kind.0.eq_ignore_ascii_case(b"application/grpc")
        && matches!(kind.1.first(), None | Some(b'+' | b';' | b' '))
}

/// Reads a call, if it is one, and the timeout of whatever a backend may take for one.
///
/// # Errors
/// [`BadRequest::GrpcTimeout`] for a timeout that is not exactly one of 1 to 8 digits and a unit.
///
/// # Source
/// gRPC over HTTP/2, "Requests": `Timeout`.
pub(super) fn read(
    method: &Method,
    version: Version,
    fields: &Fields,
) -> Result<Option<Call>, BadRequest> {
    if !is_like_call(method, fields) {
        return Ok(None);
    }
    let mut lines = fields.all(&GRPC_TIMEOUT);
    let timeout = match (lines.next(), lines.next()) {
        (None, _) => None,
        (Some(line), None) => Some(timeout(line.as_bytes()).ok_or(BadRequest::GrpcTimeout)?),
        (Some(_), Some(_)) => return Err(BadRequest::GrpcTimeout),
    };
    // By HTTP/1.1 nobody waits for `grpc-status`; and what is sent has one reading all the same.
    Ok((version == Version::HTTP_2).then_some(Call { timeout }))
}

fn timeout(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(number * 3_600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_timeout_is_1_to_8_digits_and_a_unit_and_nothing_else() {
        for (text, nanos) in [
            ("1H",         Some(3_600_000_000_000)),
            ("2M",         Some(120_000_000_000)),
            ("3S",         Some(3_000_000_000)),
            ("4m",         Some(4_000_000)),
            ("5u",         Some(5_000)),
            ("6n",         Some(6)),
            ("0S",         Some(0)),
            ("00000001S",  Some(1_000_000_000)),
            ("99999999H",  Some(359_999_996_400_000_000_000)),
            ("100000000S", None),
            ("S",          None),
            ("1",          None),
            ("",           None),
            ("1s",         None),
            ("1.5S",       None),
            ("+1S",        None),
            ("-1S",        None),
            ("1 S",        None),
            ("1S ",        None),
            ("1SS",        None),
        ] {
            let found = timeout(text.as_bytes()).map(|span| span.as_nanos());
            assert_eq!(found, nanos, "{text}");
        }
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn only_a_post_of_grpc_over_http2_is_a_call() {
        for (kind, call) in [
            ("application/grpc",                 true),
            ("application/grpc+proto",           true),
            ("Application/GRPC;charset=utf-8",   true),
            ("application/grpc-web",             false),
            ("application/grpc-web+proto",       false),
            ("application/grpcx",                false),
            ("application/json",                 false),
            ("",                                 false),
        ] {
            let mut fields = Fields::default();
            fields.set(CONTENT_TYPE, HeaderValue::from_static(kind));
            assert_eq!(is_call(&Method::POST, Version::HTTP_2, &fields), call, "{kind}");
            assert!(!is_call(&Method::POST, Version::HTTP_11, &fields));
            assert!(!is_call(&Method::GET, Version::HTTP_2, &fields));
        }
    }

    #[test]
    fn two_timeouts_are_refused() {
        let mut fields = Fields::default();
        fields.set(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let mut read = |more: Option<&'static str>| {
            if let Some(more) = more {
                fields.append(GRPC_TIMEOUT.clone(), HeaderValue::from_static(more));
            }
            read(&Method::POST, Version::HTTP_2, &fields)
        };
        assert_eq!(read(None), Ok(Some(Call { timeout: None })));
        assert_eq!(read(Some("1S")), Ok(Some(Call { timeout: Some(Duration::from_secs(1)) })));
        assert_eq!(read(Some("1S")), Err(BadRequest::GrpcTimeout));
    }

    #[test]
    fn by_http_1_it_is_no_call_and_its_timeout_has_one_reading_all_the_same() {
        let mut fields = Fields::default();
        fields.set(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        fields.set(GRPC_TIMEOUT.clone(), HeaderValue::from_static("1S"));
        assert_eq!(read(&Method::POST, Version::HTTP_11, &fields), Ok(None));
        fields.set(GRPC_TIMEOUT.clone(), HeaderValue::from_static("soon"));
        let refused = Err(BadRequest::GrpcTimeout);
        assert_eq!(read(&Method::POST, Version::HTTP_11, &fields), refused);
        assert_eq!(read(&Method::GET, Version::HTTP_11, &fields), Ok(None));
    }
}
