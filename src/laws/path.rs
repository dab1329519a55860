//! Path and query: one reading, which is that of whoever reads what we send.

use http::uri::PathAndQuery;

use super::decoded_once;
use crate::request::{
    path::{CanonicalPath, Case, EmptySegments, EncodedSlash, PathPolicy, Punctuation},
    query::Query,
};

/// `/path?query`, as text.
///
/// - What is sent is canonical: reading it again changes nothing, under every policy.
/// - Policies differ in what they refuse, and never in what they read.
/// - Whoever splits what is sent on `/` and decodes each piece once has the segments that were judged, and
///   no number of decodings makes `.` or `..` of a piece.
/// - A prefix that leads a path can be cut, and what is left is the rest of its segments.
/// - A query is sent in the very bytes that were read, and its pairs are what stands between `&`.
///
/// # Panics
/// When one of these does not hold.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    let mut read: Option<CanonicalPath> = None;
    for policy in policies() {
        let Ok(path) = CanonicalPath::parse(path, &policy) else { continue };
        path_is_canonical(&path, &policy);
        assert_eq!(*read.get_or_insert_with(|| path.clone()), path, "policies read {text:?} apart");
    }
    query_is_itself(query);
    if let (Some(path), Ok(query)) = (&read, Query::parse(query)) {
        whole_target_is_two_parts(path, &query);
    }
}

fn policies() -> impl Iterator<Item = PathPolicy> {
    use {EmptySegments as Empty, EncodedSlash as Slash};
    [Empty::Refuse, Empty::Merge].into_iter().flat_map(|empty_segments| {
        [Slash::Refuse, Slash::Opaque].into_iter().flat_map(move |encoded_slash| {
            [Punctuation::Refuse, Punctuation::Plain].map(|punctuation| PathPolicy {
                empty_segments,
                encoded_slash,
                punctuation,
                case: Case::Exact,
                segments_max: 128,
            })
        })
    })
}

fn path_is_canonical(path: &CanonicalPath, policy: &PathPolicy) {
    let sent = path.as_str();
    assert_eq!(CanonicalPath::parse(sent, policy).as_ref(), Ok(path), "read again");
    assert!(sent.starts_with('/') && sent.bytes().all(|byte| byte.is_ascii_graphic()), "{sent}");
    let pieces: Vec<&str> = sent.split('/').filter(|piece| !piece.is_empty()).collect();
    let others = pieces.iter().map(|piece| decoded_once(piece.as_bytes()));
    assert!(path.segments().map(|it| it.as_bytes().to_vec()).eq(others), "another reads {sent}");
    for piece in &pieces {
        no_decoding_makes_a_dot_segment(piece);
    }
    let mut lead = String::new();
    for (cut, piece) in pieces.iter().enumerate().take(4) {
        if let Ok(prefix) = CanonicalPath::parse(if cut == 0 { "/" } else { &lead }, policy) {
            let rest = path.strip_prefix(&prefix, policy);
            let Some(Ok(rest)) = rest else { panic!("{sent} without {lead}: {rest:?}") };
            assert!(rest.segments().eq(path.segments().skip(cut)), "{sent} without {lead}");
            assert_eq!(CanonicalPath::parse(rest.as_str(), policy).as_ref(), Ok(&rest));
        }
        lead.push('/');
        lead.push_str(piece);
    }
}

fn no_decoding_makes_a_dot_segment(piece: &str) {
    let mut bytes = piece.as_bytes().to_vec();
    loop {
        let hidden = bytes.split(|byte| matches!(byte, b'/' | b'\\')).any(|piece| {
            let cut = piece.iter().position(|byte| *byte == b';').unwrap_or(piece.len());
            matches!(&piece[..cut], b"." | b"..")
        });
        assert!(!hidden, "{piece}");
        let next = decoded_once(&bytes);
        if next == bytes {
            return;
        }
        bytes = next;
    }
}

fn query_is_itself(raw: Option<&str>) {
    let Ok(query) = Query::parse(raw) else { return };
    assert_eq!(query.as_str(), raw, "a query is never written anew");
    assert_eq!(Query::parse(query.as_str()).as_ref(), Ok(&query), "read again");
    let pairs: Vec<_> = query.pairs().collect();
    if let Some(raw) = raw {
        assert_eq!(pairs.iter().map(|pair| pair.raw()).collect::<Vec<_>>().join("&"), raw);
    }
    for pair in pairs {
        let Some(name) = pair.name() else { panic!("no name in {:?}", pair.raw()) };
        assert_eq!(name.as_bytes(), decoded_once(pair.raw_name().as_bytes()));
        assert!(!name.bytes().any(|byte| byte.is_ascii_control()), "{name:?}");
        let whole = [pair.raw_name(), pair.raw_value()].join("=");
        assert!(pair.raw() == whole || pair.raw() == pair.raw_name(), "{:?}", pair.raw());
    }
    let mut cut = query.clone();
    cut.retain(|pair| pair.raw_value().is_empty());
    let once = cut.clone();
    cut.retain(|pair| pair.raw_value().is_empty());
    assert_eq!(cut, once, "cutting twice");
    assert_eq!(Query::parse(once.as_str()).as_ref(), Ok(&once), "what is left of a cut");
}

/// The crate that writes the target finds both parts where we have put them.
fn whole_target_is_two_parts(path: &CanonicalPath, query: &Query) {
    let whole = match query.as_str() {
        None => path.as_str().to_owned(),
        Some(query) => [path.as_str(), query].join("?"),
    };
    // `http` refuses a few bytes that a query may hold here: such a request never gets so far.
    let Ok(read) = PathAndQuery::try_from(whole.as_str()) else { return };
    if !whole.contains('#') {
        assert_eq!((read.path(), read.query()), (path.as_str(), query.as_str()), "{whole}");
    }
}
