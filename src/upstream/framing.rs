//! How the body of a backend's answer is delimited, read from its fields and never guessed.
//!
//! What could be read in two ways is no answer: the connection that brought it is closed. A length goes
//! on as one plain number. The transfer coding stays for the gateway to remove, with the other fields of
//! this hop.

use http::{
    HeaderValue, StatusCode, Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
    response::Parts,
};

use super::UpstreamError;

/// Lengths from here on are none: what counts in signed 64 bits must be able to hold it.
const LENGTH_END: u64 = 1 << 63;

/// Checks the framing of an answer, and leaves one plain `Content-Length` of it, or none. `to_head`: the
/// request was a HEAD. `body`: how long hyper found the body to be, if that is known.
///
/// # Errors
/// [`UpstreamError::BadResponse`] for a transfer coding that is not exactly one `chunked` (the coding
/// ends here, and what it coded would pass for the content), and for lengths that are no numbers, differ,
/// or are not that of the body.
///
/// # Source
/// RFC 9112 6.1 (transfer codings; none on HTTP/1.0), 6.3 (chunked governs, the length is void);
/// RFC 9110 8.6 (equal lengths are one; none with 204; with HEAD and 304 that of another answer).
pub(super) fn settle(
    head: &mut Parts,
    to_head: bool,
    body: Option<u64>,
) -> Result<(), UpstreamError> {
    let (mut length, mut plain, mut coded) = (None, true, false);
    // One look at each name costs less than a search for ours.
    for (name, value) in &head.headers {
        if *name == CONTENT_LENGTH {
            let said = one_number(value.as_bytes()).ok_or(UpstreamError::BadResponse)?;
            plain = length.is_none() && is_plain(value.as_bytes());
            if length.is_some_and(|length| length != said) {
                return Err(UpstreamError::BadResponse);
            }
            length = Some(said);
        } else if *name == TRANSFER_ENCODING {
            let chunked = value.as_bytes().eq_ignore_ascii_case(b"chunked");
            if coded || !chunked || head.version != Version::HTTP_11 {
                return Err(UpstreamError::BadResponse);
            }
            coded = true;
        }
    }
    let Some(length) = length else { return Ok(()) };
    if coded || head.status == StatusCode::NO_CONTENT {
        head.headers.remove(CONTENT_LENGTH);
        return Ok(());
    }
    let of_another = to_head || head.status == StatusCode::NOT_MODIFIED;
    if !of_another && body != Some(length) {
        return Err(UpstreamError::BadResponse);
    }
    if !plain {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(())
}

/// How long the body of a stream of HTTP/2 is, if that is known: a length that it does not keep is a broken
/// stream (RFC 9113 8.1.1), which is noticed where frames are read.
pub(super) fn length_of_stream(head: &Parts, ended: bool) -> Option<u64> {
    if ended {
        return Some(0);
    }
    one_number(head.headers.get(CONTENT_LENGTH)?.as_bytes())
}

/// The number that every member of this list is.
fn one_number(list: &[u8]) -> Option<u64> {
    let mut members = list.split(|byte| *byte == b',').map(|member| number(member.trim_ascii()));
    let first = members.next()??;
    members.all(|member| member == Some(first)).then_some(first)
}

/// A number of digits only.
fn number(digits: &[u8]) -> Option<u64> {
    let number = digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit).filter(|number| *number < LENGTH_END)
    });
    number.filter(|_| !digits.is_empty())
}

/// Whether a number is written as we would write it: no list, and no zeros before it.
fn is_plain(number: &[u8]) -> bool {
    (number.len() == 1 || number.first() != Some(&b'0')) && number.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Response};

    use super::*;

    fn head(version: Version, lines: &[(&'static str, &'static str)]) -> Parts {
        let (mut head, ()) = Response::new(()).into_parts();
        head.version = version;
        for (name, value) in lines {
            head.headers.append(*name, HeaderValue::from_static(value));
        }
        head
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_transfer_coding_is_one_chunked_or_the_answer_is_none() {
        for (version, codings, good) in [
            (Version::HTTP_11, &[][..],                         true),
            (Version::HTTP_10, &[],                             true),
            (Version::HTTP_11, &["chunked"],                    true),
            (Version::HTTP_11, &["Chunked"],                    true),
            (Version::HTTP_10, &["chunked"],                    false),
            (Version::HTTP_11, &["gzip"],                       false),
            (Version::HTTP_11, &["gzip, chunked"],              false),
            (Version::HTTP_11, &["gzip", "chunked"],            false),
            (Version::HTTP_11, &["chunked", "gzip"],            false),
            (Version::HTTP_11, &["chunked", "chunked"],         false),
            (Version::HTTP_11, &["chunked, chunked"],           false),
            (Version::HTTP_11, &["chunked;a=b"],                false),
            (Version::HTTP_11, &["identity"],                   false),
            (Version::HTTP_11, &["xchunked"],                   false),
            (Version::HTTP_11, &["\"chunked\""],                false),
            (Version::HTTP_11, &[""],                           false),
        ] {
            let lines: Vec<_> = codings.iter().map(|coding| ("transfer-encoding", *coding)).collect();
            let found = settle(&mut head(version, &lines), false, None);
            assert_eq!(found.is_ok(), good, "{version:?} {codings:?}");
        }
    }

    /// What becomes of these lengths; `None`: the answer is a bad one.
    fn left(
        status: u16,
        to_head: bool,
        body: Option<u64>,
        lines: &[(&'static str, &'static str)],
    ) -> Option<String> {
        let mut head = head(Version::HTTP_11, lines);
        head.status = StatusCode::from_u16(status).unwrap();
        settle(&mut head, to_head, body).ok()?;
        let lengths = head.headers.get_all(CONTENT_LENGTH).iter();
        Some(lengths.map(|length| length.to_str().unwrap()).collect::<Vec<_>>().join(" | "))
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_length_is_one_plain_number_or_none_or_the_answer_is_bad() {
        for (lengths, becomes) in [
            (&["2"][..],                        Some("2")),
            (&["0"],                            Some("0")),
            (&["2, 2"],                         Some("2")),
            (&["2,2 ,\t2"],                     Some("2")),
            (&["2", "2"],                       Some("2")),
            (&["2", "2", "2"],                  Some("2")),
            (&["2, 2", "2"],                    Some("2")),
            (&["002"],                          Some("2")),
            (&["00"],                           Some("0")),
            (&["2", "02"],                      Some("2")),
            (&["9223372036854775807"],          Some("9223372036854775807")),
            (&["9223372036854775808"],          None),
            (&["18446744073709551618"],         None),
            (&["2, 3"],                         None),
            (&["2", "3"],                       None),
            (&["2", "3", "2"],                  None),
            (&["2,"],                           None),
            (&[",2"],                           None),
            (&[""],                             None),
            (&["2", ""],                        None),
            (&["+2"],                           None),
            (&["-2"],                           None),
            (&["0x2"],                          None),
            (&["2 2"],                          None),
            (&["2;q=1"],                        None),
            (&["two"],                          None),
        ] {
            let lines: Vec<_> = lengths.iter().map(|length| ("content-length", *length)).collect();
            let first = lengths[0].split(',').next().unwrap().trim();
            let body = first.parse().ok();
            for (status, to_head, body) in [(200, false, body), (200, true, Some(0)), (304, false, Some(0))] {
                let found = left(status, to_head, body, &lines);
                assert_eq!(found.as_deref(), becomes, "{status} {lengths:?}");
            }
        }
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_length_goes_on_only_where_it_is_the_answers() {
        const TWO: &[(&str, &str)] = &[("content-length", "2")];
        const CODED: &[(&str, &str)] = &[("content-length", "2"), ("transfer-encoding", "chunked")];
        for (status, to_head, body, lines, becomes) in [
            (200, false, Some(2), TWO,   Some("2")),
            (200, false, Some(3), TWO,   None),
            (200, false, Some(0), TWO,   None),
            (200, false, None,    TWO,   None),
            (200, true,  Some(0), TWO,   Some("2")),
            (304, false, Some(0), TWO,   Some("2")),
            (204, false, Some(0), TWO,   Some("")),
            (204, true,  Some(0), TWO,   Some("")),
            (200, false, None,    CODED, Some("")),
            (200, true,  Some(0), CODED, Some("")),
            (200, false, None,    &[],   Some("")),
            (200, false, Some(0), &[],   Some("")),
        ] {
            let found = left(status, to_head, body, lines);
            assert_eq!(found.as_deref(), becomes, "{status} {to_head} {body:?} {lines:?}");
        }
    }
}
