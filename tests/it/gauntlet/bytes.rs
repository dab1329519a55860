//! From what stands in a file to the bytes that are sent.
//!
//! `\r \n \t \0 \\ \xNN` are bytes, `<<9000*ab>>` is `ab` 9,000 times, `<<ann>>` is a word's text (a token
//! mostly), and line breaks of the file are nothing.

use std::collections::HashMap;

use super::data::Case;

/// Words and what they stand for.
pub(crate) type Words = HashMap<String, String>;

/// The bytes of a text.
pub(crate) fn of(text: &str, words: &Words) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(inside) = rest.strip_prefix("<<") {
            let (word, after) = inside.split_once(">>").expect("<< is closed by >>");
            bytes.extend_from_slice(&meaning(word, words));
            rest = after;
            continue;
        }
        let after = &rest[first.len_utf8()..];
        rest = match first {
            '\n' => after,
            '\\' => escape(after, &mut bytes),
            _ => {
                bytes.extend_from_slice(&rest.as_bytes()[..first.len_utf8()]);
                after
            }
        };
    }
    bytes
}

/// A text without odd bytes.
pub(crate) fn text(text: &str, words: &Words) -> String {
    String::from_utf8(of(text, words)).unwrap()
}

fn meaning(word: &str, words: &Words) -> Vec<u8> {
    if let Some((count, what)) = word.split_once('*') {
        return of(what, words).repeat(count.parse().unwrap());
    }
    words.get(word).unwrap_or_else(|| panic!("nobody knows <<{word}>>")).clone().into_bytes()
}

fn escape<'a>(after: &'a str, into: &mut Vec<u8>) -> &'a str {
    let (kind, rest) = after.split_at(1);
    into.push(match kind {
        "r" => b'\r',
        "n" => b'\n',
        "t" => b'\t',
        "0" => 0,
        "\\" => b'\\',
        "x" => {
            into.push(u8::from_str_radix(&rest[..2], 16).unwrap());
            return &rest[2..];
        }
        _ => panic!("\\{kind} is no escape"),
    });
    rest
}

/// A request of HTTP/1.1.
pub(crate) fn http1(case: &Case, words: &Words) -> Vec<u8> {
    if let Some(h1) = &case.h1 {
        return of(h1, words);
    }
    let method = case.method.as_deref().unwrap_or("GET");
    let host = case.host.as_deref().unwrap_or("shop.example");
    let target = case.target.as_deref().unwrap();
    let mut bytes = of(&format!("{method} {target} HTTP/1.1\\r\\nHost: {host}\\r\\n"), words);
    for field in case.fields.iter().cloned().chain(authorization(case)) {
        bytes.extend(of(&field, words));
        bytes.extend(b"\r\n");
    }
    let body = case.body.as_deref().map(|body| of(body, words));
    if let Some(body) = &body {
        bytes.extend(format!("Content-Length: {}\r\n", body.len()).bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body.unwrap_or_default());
    bytes
}

/// A field and its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// The fields of a request of HTTP/2.
pub(crate) fn http2(case: &Case, words: &Words) -> Vec<Pair> {
    if let Some(h2) = &case.h2 {
        return pairs(h2, words);
    }
    let method = case.method.as_deref().unwrap_or("GET");
    let host = case.host.as_deref().unwrap_or("shop.example");
    let target = case.target.as_deref().unwrap();
    let head = [(":method", method), (":scheme", "http"), (":authority", host), (":path", target)];
    let head = head.map(|(name, value)| (name.as_bytes().to_vec(), of(value, words)));
    let fields: Vec<String> = case.fields.iter().cloned().chain(authorization(case)).collect();
    let fields =
        pairs(&fields, words).into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
    head.into_iter().chain(fields).collect()
}

/// The least that is a request of HTTP/2.
pub(crate) fn head(method: &str, target: &str) -> Vec<Pair> {
    let head = [
        (":method", method),
        (":scheme", "http"),
        (":authority", "shop.example"),
        (":path", target),
    ];
    head.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).to_vec()
}

/// `name: value`, where a name may begin with a colon. Only the blank after it belongs to neither.
pub(crate) fn pairs(lines: &[String], words: &Words) -> Vec<Pair> {
    let split = |line: &String| {
        let colon = line.char_indices().skip(1).find(|(_, letter)| *letter == ':');
        let (name, value) =
            colon.map_or((line.as_str(), ""), |(at, _)| (&line[..at], &line[at + 1..]));
        (of(name, words), of(value.strip_prefix(' ').unwrap_or(value), words))
    };
    lines.iter().map(split).collect()
}

fn authorization(case: &Case) -> Option<String> {
    case.caller.as_ref().map(|who| format!("Authorization: Bearer <<{who}>>"))
}

#[test]
fn texts_become_bytes() {
    let words = Words::from([("ann".to_owned(), "token".to_owned())]);
    assert_eq!(of("a\\x00\\xfF\\r\\n\nb\\\\", &words), b"a\x00\xff\r\nb\\");
    assert_eq!(of("<<ann>>-<<3*\\t>>", &words), b"token-\t\t\t");
    let pairs = pairs(&[":path: /a: b".to_owned(), "x:y".to_owned(), "odd".to_owned()], &words);
    let shown: Vec<_> = pairs.iter().map(|(name, value)| (&name[..], &value[..])).collect();
    assert_eq!(shown, [(&b":path"[..], &b"/a: b"[..]), (b"x", b"y"), (b"odd", b"")]);
}
