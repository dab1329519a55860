//! How the body of a backend's answer is delimited, read from its fields and never guessed.
//!
//! What could be read in two ways is no answer: the connection that brought it is closed. A length goes
//! on as one plain number. The transfer coding stays for the gateway to remove, with the other fields of
//! this hop.

use http::{
    HeaderValue, StatusCode, Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};

use super::UpstreamError;
use crate::wire::{Content, Fields};

/// Lengths from here on are none: what counts in signed 64 bits must be able to hold it.
const LENGTH_END: u64 = 1 << 63;

/// Checks the framing of an answer, and leaves one plain `Content-Length` of it, or none. `to_head`: the
/// request was a HEAD.
///
/// # Errors
/// [`UpstreamError::BadResponse`] for a transfer coding that is not exactly one `chunked` (the coding
/// ends here, and what it coded would pass for the content), and for lengths that are no numbers or differ.
///
/// # Source
/// RFC 9112 6.1 (transfer codings; none on HTTP/1.0), 6.3 (chunked governs, the length is void);
/// RFC 9110 8.6 (equal lengths are one; none with 204; with HEAD and 304 that of another answer).
pub(super) fn settle(
    (version, status): (Version, StatusCode),
    fields: &mut Fields,
    to_head: bool,
) -> Result<Content, UpstreamError> {
    let (mut length, mut plain, mut coded) = (None, true, false);
    // One look at each name costs less than a search for ours.
    for (name, value) in fields.iter() {
        if *name == CONTENT_LENGTH {
            let said = one_number(value.as_bytes()).ok_or(UpstreamError::BadResponse)?;
            plain = length.is_none() && is_plain(value.as_bytes());
            if length.is_some_and(|length| length != said) {
                return Err(UpstreamError::BadResponse);
            }
            length = Some(said);
        } else if *name == TRANSFER_ENCODING {
            let chunked = value.as_bytes().eq_ignore_ascii_case(b"chunked");
            if coded || !chunked || version != Version::HTTP_11 {
                return Err(UpstreamError::BadResponse);
            }
            coded = true;
        }
    }
    let without = status == StatusCode::NO_CONTENT;
    let nothing = without || to_head || status == StatusCode::NOT_MODIFIED;
    if length.is_some() && (coded || without) {
        fields.remove(&CONTENT_LENGTH);
    } else if let Some(length) = length.filter(|_| !plain) {
        fields.set(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(match length {
        _ if nothing => Content::Nothing,
        _ if coded => Content::Chunked,
        Some(length) => Content::Length(length),
        None => Content::UntilClose,
    })
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
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> Fields {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
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
            let found = settle((version, StatusCode::OK), &mut fields(&lines), false);
            assert_eq!(found.is_ok(), good, "{version:?} {codings:?}");
        }
    }

    /// What becomes of these lengths; `None`: the answer is a bad one.
    fn left(
        status: u16,
        to_head: bool,
        lines: &[(&'static str, &'static str)],
    ) -> Option<(String, Content)> {
        let (mut fields, status) = (fields(lines), StatusCode::from_u16(status).unwrap());
        let content = settle((Version::HTTP_11, status), &mut fields, to_head).ok()?;
        let lengths = fields.all(&CONTENT_LENGTH);
        let lengths: Vec<_> = lengths.map(|length| length.to_str().unwrap()).collect();
        Some((lengths.join(" | "), content))
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
            for (status, to_head) in [(200, false), (200, true), (304, false)] {
                let found = left(status, to_head, &lines).map(|(length, _)| length);
                assert_eq!(found.as_deref(), becomes, "{status} {lengths:?}");
            }
        }
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_length_goes_on_where_it_is_the_answers_and_delimits_what_has_content() {
        const TWO: &[(&str, &str)] = &[("content-length", "2")];
        const CODED: &[(&str, &str)] = &[("content-length", "2"), ("transfer-encoding", "chunked")];
        for (status, to_head, lines, becomes, content) in [
            (200, false, TWO,   "2", Content::Length(2)),
            (200, true,  TWO,   "2", Content::Nothing),
            (304, false, TWO,   "2", Content::Nothing),
            (204, false, TWO,   "",  Content::Nothing),
            (204, true,  TWO,   "",  Content::Nothing),
            (200, false, CODED, "",  Content::Chunked),
            (200, true,  CODED, "",  Content::Nothing),
            (304, false, CODED, "",  Content::Nothing),
            (200, false, &[],   "",  Content::UntilClose),
            (200, true,  &[],   "",  Content::Nothing),
            (204, false, &[],   "",  Content::Nothing),
        ] {
            let found = left(status, to_head, lines);
            assert_eq!(found, Some((becomes.to_owned(), content)), "{status} {to_head} {lines:?}");
        }
    }
}
