use super::*;
use crate::config::ForeignRecord;

fn at(place: &str) -> FieldAt {
    FieldAt(place.to_owned())
}

fn list(place: &str, split: Option<&str>) -> Option<ListAt> {
    Some(ListAt { at: place.to_owned(), split: split.map(str::to_owned) })
}

fn expires(place: &str, unit: TimeUnit) -> Option<ExpiresAt> {
    Some(ExpiresAt { at: place.to_owned(), unit })
}

/// A layout with a subject and nothing else.
fn layout(record: ForeignRecord, subject: &str) -> Foreign {
    Foreign {
        key: vec![KeyPiece::Text("session:".to_owned()), KeyPiece::Token],
        record,
        subject: at(subject),
        name: None,
        email: None,
        roles: None,
        scopes: None,
        expires: None,
    }
}

fn json(text: &str) -> Raw {
    Raw::Json(text.as_bytes().to_vec())
}

fn hash(pairs: &[(&str, &str)]) -> Raw {
    let bytes = |text: &str| text.as_bytes().to_vec();
    Raw::Hash(pairs.iter().map(|(name, value)| (bytes(name), bytes(value))).collect())
}

fn bad_at<T>(place: &str) -> Result<T, StoreError> {
    Err(StoreError::bad_record(place))
}

#[test]
fn a_key_is_built_from_its_pieces() {
    let mut layout = layout(ForeignRecord::Text, "");
    assert_eq!(key(&layout, "abc"), "session:abc");
    layout.key =
        vec![KeyPiece::Text("s:".to_owned()), KeyPiece::Sha256, KeyPiece::Text(":v1".to_owned())];
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(key(&layout, "abc"), format!("s:{digest}:v1"));
}

#[test]
fn a_json_record_is_read_by_pointers() {
    let layout = Foreign {
        name: Some(at("/user/login")),
        email: Some(at("/user/mail")),
        roles: list("/roles", None),
        scopes: list("/scope", Some(" ")),
        expires: expires("/exp", TimeUnit::Seconds),
        ..layout(ForeignRecord::Json, "/user/id")
    };
    let text = r#"{"user":{"id":"u1","login":"ann"},"roles":["buyer","seller"],"scope":"read  write","exp":1790000000}"#;
    let expected = ForeignFound {
        subject: "u1".to_owned(),
        name: Some("ann".to_owned()),
        email: None,
        roles: vec!["buyer".to_owned(), "seller".to_owned()],
        scopes: vec!["read".to_owned(), "write".to_owned()],
        expires_ms: Some(1_790_000_000_000),
    };
    assert_eq!(read(json(text), &layout, None), Ok(expected));
}

#[test]
fn a_hash_is_read_by_names_and_a_text_is_the_subject() {
    let layout_of_hash = Foreign {
        roles: list("roles", Some(",")),
        scopes: list("scopes", None),
        expires: expires("exp", TimeUnit::Milliseconds),
        ..layout(ForeignRecord::Hash, "uid")
    };
    let record =
        hash(&[("uid", "7"), ("roles", "a,b"), ("scopes", r#"["x"]"#), ("exp", "1790000000123")]);
    let found = read(record, &layout_of_hash, None).unwrap();
    assert_eq!((found.subject.as_str(), found.expires_ms), ("7", Some(1_790_000_000_123)));
    assert_eq!(
        (found.roles, found.scopes),
        (vec!["a".to_owned(), "b".to_owned()], vec!["x".to_owned()])
    );

    let text = Raw::Text("ann ä".as_bytes().to_vec());
    assert_eq!(read(text, &layout(ForeignRecord::Text, ""), None).unwrap().subject, "ann ä");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_subject_is_text_or_a_whole_number_and_never_empty() {
    let cases = [
        (r#"{"id":"ann"}"#,        Ok("ann")),
        (r#"{"id":4711}"#,         Ok("4711")),
        (r#"{"id":-1}"#,           Ok("-1")),
        (r#"{"id":""}"#,           bad_at("/id")),
        (r#"{"id":null}"#,         bad_at("/id")),
        (r#"{}"#,                  bad_at("/id")),
        (r#"{"id":1.5}"#,          bad_at("/id")),
        (r#"{"id":1e3}"#,          bad_at("/id")),
        (r#"{"id":true}"#,         bad_at("/id")),
        (r#"{"id":["ann"]}"#,      bad_at("/id")),
        (r#"{"id":{"id":"ann"}}"#, bad_at("/id")),
        (r#"["ann"]"#,             bad_at("/id")),
        (r#""ann""#,               bad_at("/id")),
        (r#"{"id":"ann""#,         bad_at("JSON")),
        (r#"{"id":"ann"} x"#,      bad_at("JSON")),
        ("",                       bad_at("JSON")),
    ];
    for (text, expected) in cases {
        let found = read(json(text), &layout(ForeignRecord::Json, "/id"), None);
        assert_eq!(found.map(|found| found.subject), expected.map(str::to_owned), "{text}");
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn roles_are_an_array_of_strings_or_one_string_to_split() {
    let words = |words: &[&str]| Ok(words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
    let cases = [
        (r#"["a","b"]"#,      None,      words(&["a", "b"])),
        (r#"[]"#,             None,      words(&[])),
        (r#"["a",""]"#,       None,      words(&["a"])),
        ("null",              None,      words(&[])),
        (r#""a b""#,          None,      bad_at("/r")),
        (r#"["a",1]"#,        None,      bad_at("/r")),
        (r#"["a",["b"]]"#,    None,      bad_at("/r")),
        (r#"{"a":true}"#,     None,      bad_at("/r")),
        ("7",                 None,      bad_at("/r")),
        (r#""a b""#,          Some(" "), words(&["a", "b"])),
        (r#""a, b""#,         Some(", "), words(&["a", "b"])),
        (r#"" a  b ""#,       Some(" "), words(&["a", "b"])),
        (r#""""#,             Some(" "), words(&[])),
        (r#"["a","b"]"#,      Some(" "), bad_at("/r")),
    ];
    for (roles, split, expected) in cases {
        let layout = Foreign { roles: list("/r", split), ..layout(ForeignRecord::Json, "/id") };
        let found = read(json(&format!(r#"{{"id":"x","r":{roles}}}"#)), &layout, None);
        assert_eq!(found.map(|found| found.roles), expected, "{roles} split by {split:?}");
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn an_expiry_is_read_in_its_unit_and_has_to_be_there() {
    use TimeUnit::{Milliseconds, Rfc3339, Seconds};
    let cases = [
        ("1790000000",                    Seconds,      Ok(1_790_000_000_000)),
        ("1790000000.9",                  Seconds,      Ok(1_790_000_000_900)),
        (r#""1790000000""#,               Seconds,      Ok(1_790_000_000_000)),
        ("0",                             Seconds,      Ok(0)),
        ("-1",                            Seconds,      Ok(-1_000)),
        ("9223372036854775807",           Seconds,      bad_at("/exp")),
        ("1e300",                         Seconds,      bad_at("/exp")),
        (r#""soon""#,                     Seconds,      bad_at("/exp")),
        (r#""1e9""#,                      Seconds,      bad_at("/exp")),
        ("1790000000123",                 Milliseconds, Ok(1_790_000_000_123)),
        (r#""2026-09-21T14:13:20Z""#,     Rfc3339,      Ok(1_790_000_000_000)),
        (r#""2026-09-21T14:13:20.5Z""#,   Rfc3339,      Ok(1_790_000_000_500)),
        (r#""2026-09-21T16:13:20+02:00""#, Rfc3339,     Ok(1_790_000_000_000)),
        (r#""1969-12-31T23:59:59Z""#,     Rfc3339,      Ok(-1_000)),
        (r#""2000-02-29T00:00:00Z""#,     Rfc3339,      Ok(951_782_400_000)),
        (r#""2026-09-21T14:13:20""#,      Rfc3339,      bad_at("/exp")),
        (r#""2026-09-21""#,               Rfc3339,      bad_at("/exp")),
        (r#""2026-02-30T00:00:00Z""#,     Rfc3339,      bad_at("/exp")),
        ("1790000000",                    Rfc3339,      bad_at("/exp")),
        ("null",                          Seconds,      bad_at("/exp")),
        ("true",                          Seconds,      bad_at("/exp")),
    ];
    for (text, unit, expected) in cases {
        let layout = Foreign { expires: expires("/exp", unit), ..layout(ForeignRecord::Json, "/id") };
        let found = read(json(&format!(r#"{{"id":"x","exp":{text}}}"#)), &layout, None);
        assert_eq!(found.map(|found| found.expires_ms), expected.map(Some), "{text} in {unit:?}");
    }
}

#[test]
fn the_earlier_of_the_records_expiry_and_the_keys_counts() {
    let timed = Foreign {
        expires: expires("/exp", TimeUnit::Seconds),
        ..layout(ForeignRecord::Json, "/id")
    };
    let untimed = layout(ForeignRecord::Json, "/id");
    let record = || json(r#"{"id":"x","exp":100}"#);
    let expiry = |layout, key| read(record(), layout, key).unwrap().expires_ms;
    assert_eq!(expiry(&timed, Some(99_999)), Some(99_999));
    assert_eq!(expiry(&timed, Some(100_001)), Some(100_000));
    assert_eq!(expiry(&timed, None), Some(100_000));
    assert_eq!(expiry(&untimed, Some(5)), Some(5));
    assert_eq!(expiry(&untimed, None), None);
}

#[test]
fn bytes_that_are_no_text_do_not_fit() {
    let text = Raw::Text(vec![b'a', 0xff]);
    assert_eq!(read(text, &layout(ForeignRecord::Text, ""), None), bad_at("text"));
    let pairs = Raw::Hash(vec![(b"uid".to_vec(), vec![0xff]), (vec![0xff], b"other".to_vec())]);
    assert_eq!(read(pairs, &layout(ForeignRecord::Hash, "uid"), None), bad_at("uid"));
    let empty = Raw::Text(Vec::new());
    assert_eq!(read(empty, &layout(ForeignRecord::Text, ""), None), bad_at("subject"));
}
