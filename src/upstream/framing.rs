//! How the body of a backend's answer is delimited, read from its fields and never guessed.
//!
//! What could be read in two ways is no answer: the connection that brought it is closed.

use http::{Version, header::TRANSFER_ENCODING, response::Parts};

use super::UpstreamError;

/// Checks the framing of an answer whose fields came as `head`.
///
/// # Errors
/// [`UpstreamError::BadResponse`] for a transfer coding that is not exactly one `chunked`: the coding
/// ends here, and what it coded would pass for the content.
///
/// # Source
/// RFC 9112 6.1 (transfer codings; none on HTTP/1.0).
pub(super) fn settle(head: &mut Parts) -> Result<(), UpstreamError> {
    let mut coded = false;
    // One look at each name costs less than a search for ours.
    for (name, value) in &head.headers {
        if *name == TRANSFER_ENCODING {
            let chunked = value.as_bytes().eq_ignore_ascii_case(b"chunked");
            if coded || !chunked || head.version != Version::HTTP_11 {
                return Err(UpstreamError::BadResponse);
            }
            coded = true;
        }
    }
    Ok(())
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
            let found = settle(&mut head(version, &lines));
            assert_eq!(found.is_ok(), good, "{version:?} {codings:?}");
        }
    }
}
