//! Fields: which a request has, how they are written, how they are compressed (RFC 9113 8, RFC 7541).

use super::*;

/// A request whose fields stand just so.
fn plain(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(fields))
}

fn with(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, 1, &get(fields))
}

#[test]
#[rustfmt::skip] // a table is read by column
fn malformed_requests_end_their_stream_or_their_connection() {
    let (method, scheme) = ((":method", "GET"), (":scheme", "http"));
    let (authority, path) = ((":authority", "shop.example"), (":path", "/open/1"));
    let trailers = |fields| [begun(1), frame(HEADERS, 0x5, 1, &block(fields))].concat();
    let body = |length, parts: &[&[u8]]| {
        let mut bytes = frame(HEADERS, END_HEADERS, 1, &post(&[("content-length", length)]));
        for (at, part) in parts.iter().enumerate() {
            bytes.extend(frame(DATA, u8::from(at + 1 == parts.len()), 1, part));
        }
        bytes
    };
    check(vec![
        Row("a name with a capital",      with(&[("X-Capital", "1")]),                    "GOAWAY 1, closed"),
        Row("an unknown pseudo-field",    with(&[(":unknown", "1")]),                     "GOAWAY 1, closed"),
        Row("one of answers",             plain(&[method, scheme, authority, path, (":status", "200")]), "RST 1: 1, pong"),
        // The library leaves it out. No trailer goes on to a backend.
        Row("one in trailers",            trailers(&[(":method", "GET")]),                "1: 200, pong"),
        Row("one after a field",          plain(&[method, scheme, authority, ("x-a", "1"), path]), "RST 1: 1, pong"),
        Row("Connection",                 with(&[("connection", "keep-alive")]),          "RST 1: 1, pong"),
        Row("Keep-Alive",                 with(&[("keep-alive", "1")]),                   "RST 1: 1, pong"),
        Row("Proxy-Connection",           with(&[("proxy-connection", "1")]),             "RST 1: 1, pong"),
        Row("Transfer-Encoding",          with(&[("transfer-encoding", "chunked")]),      "RST 1: 1, pong"),
        Row("Upgrade",                    with(&[("upgrade", "websocket")]),              "RST 1: 1, pong"),
        Row("TE that is not trailers",    with(&[("te", "gzip")]),                        "RST 1: 1, pong"),
        Row("TE: trailers",               with(&[("te", "trailers")]),                    "1: 200, pong"),
        Row("an empty path",              plain(&[method, scheme, authority, (":path", "")]), "RST 1: 1, pong"),
        Row("no method",                  plain(&[scheme, authority, path]),              "RST 1: 1, pong"),
        Row("no scheme",                  plain(&[method, authority, path]),              "RST 1: 1, pong"),
        Row("no path",                    plain(&[method, scheme, authority]),            "RST 1: 1, pong"),
        Row("two methods",                plain(&[method, method, scheme, authority, path]), "RST 1: 1, pong"),
        Row("two schemes",                plain(&[method, scheme, scheme, authority, path]), "RST 1: 1, pong"),
        Row("two paths",                  plain(&[method, scheme, authority, path, path]), "RST 1: 1, pong"),
        Row("two authorities",            plain(&[method, scheme, authority, authority, path]), "RST 1: 1, pong"),
        Row("less than its length",       body("2", &[b"x"]),                             "RST 1: 1, pong"),
        Row("more than its length",       body("2", &[b"xx", b"x"]),                      "RST 1: 1, pong"),
        Row("as long as it says",         body("2", &[b"x", b"x"]),                       "1: 200, pong"),
        Row("a line end in a value",      with(&[("x-a", "1\r\nx-b: 2")]),                "GOAWAY 1, closed"),
        Row("a NUL in a value",           with(&[("x-a", "1\0")]),                        "GOAWAY 1, closed"),
        Row("a blank in a name",          with(&[("x a", "1")]),                          "GOAWAY 1, closed"),
        Row("a blank before a value",     with(&[("x-a", " 1")]),                         "1: 400, pong"),
        Row("trailers",                   trailers(&[("x-sum", "1")]),                    "1: 200, pong"),
    ]);
}

/// As it must: the tables of the two sides are no longer the same (RFC 9113 4.3).
#[test]
#[rustfmt::skip] // a table is read by column
fn fields_that_cannot_be_decompressed_end_the_connection() {
    let after = |bytes: &[u8]| frame(HEADERS, 0x5, 1, &[&get(&[]), bytes].concat());
    let before = |bytes: &[u8]| frame(HEADERS, 0x5, 1, &[bytes, &get(&[])].concat());
    check(vec![
        Row("a fragment that ends early",      frame(HEADERS, 0x5, 1, &[0, 10, b'x']),          "GOAWAY 1 (9), closed"),
        Row("index 0",                         before(&[0x80]),                                 "GOAWAY 1 (9), closed"),
        Row("an index above both tables",      before(&[0xff, 0x80, 0x01]),                     "GOAWAY 1 (9), closed"),
        Row("a literal with such an index",    before(&[0x7f, 0x80, 0x01, 1, b'x']),            "GOAWAY 1 (9), closed"),
        Row("a table above the setting",       before(&[0x3f, 0xe2, 0x1f]),                     "GOAWAY 1 (9), closed"),
        Row("a table's size after the fields", after(&[0x20]),                                  "GOAWAY 1 (9), closed"),
        Row("padding of more than seven bits", after(&[0, 1, b'x', 0x82, 0xff, 0xff]),          "GOAWAY 1 (9), closed"),
        Row("padding of zeros",                after(&[0, 1, b'x', 0x81, 0x00]),                "GOAWAY 1 (9), closed"),
        Row("the end symbol in a text",        after(&[0, 1, b'x', 0x84, 0xff, 0xff, 0xff, 0xff]), "GOAWAY 1 (9), closed"),
        Row("a number without an end",         after(&[&[0x7f][..], &[0xff; 12]].concat()),     "GOAWAY 1 (9), closed"),
    ]);
}
