//! Streams: what may come in which state, in which order, how many (RFC 9113 3.4, 5.1, 6.10).

use super::{
    super::harness::{client::Client, frames::Frames, until},
    *,
};

#[test]
#[rustfmt::skip] // a table is read by column
fn what_no_stream_expects_ends_the_connection_or_the_stream() {
    let reset = |stream| frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
    check(vec![
        Row("DATA on an idle stream",          frame(DATA, 0x1, 1, b"x"),                           "GOAWAY 1, closed"),
        Row("RST_STREAM on one",               reset(1),                                            "GOAWAY 1, closed"),
        Row("WINDOW_UPDATE on one",            frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]),           "GOAWAY 1, closed"),
        Row("CONTINUATION on one",             frame(CONTINUATION, 0x4, 1, &get(&[])),              "GOAWAY 1, closed"),
        Row("DATA after the client's end",     [asked(1), frame(DATA, 0x1, 1, b"x")].concat(),      "GOAWAY 1 (5), closed"),
        Row("HEADERS after it",                [asked(1), asked(1)].concat(),                       "GOAWAY 1 (5), closed"),
        Row("CONTINUATION after it",           [asked(1), frame(CONTINUATION, 0x4, 1, &[])].concat(), "GOAWAY 1, closed"),
        Row("DATA after a reset",              [begun(1), reset(1), frame(DATA, 0x1, 1, b"x")].concat(), "RST 1: 5, pong"),
        Row("HEADERS after a reset",           [begun(1), reset(1), asked(1)].concat(),             "GOAWAY 1 (5), closed"),
        Row("a stream of the server's",        asked(2),                                            "GOAWAY 1, closed"),
        Row("a stream below the last one",     [asked(5), asked(3)].concat(),                       "GOAWAY 1, closed"),
        Row("HEADERS that wait for themselves", frame(HEADERS, 0x25, 1, &[&[0, 0, 0, 1, 9][..], &get(&[])].concat()), "RST 1: 1, pong"),
        Row("trailers that do not end",        [begun(1), frame(HEADERS, 0x4, 1, &block(&[("x-a", "1")]))].concat(), "RST 1: 1, pong"),
    ]);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_block_of_fields_is_one_row_of_frames() {
    let fields = get(&[]);
    let (first, rest) = fields.split_at(10);
    let (second, third) = rest.split_at(10);
    let head = || frame(HEADERS, END_STREAM, 1, first);
    let between = |other: Vec<u8>| [head(), other, frame(CONTINUATION, 0x4, 1, rest)].concat();
    check(vec![
        Row("in three frames",        [head(), frame(CONTINUATION, 0, 1, second), frame(CONTINUATION, 0x4, 1, third)].concat(), "1: 200, pong"),
        Row("DATA between them",      between(frame(DATA, 0, 1, b"x")),                     "GOAWAY 1, closed"),
        Row("PRIORITY between them",  between(frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])),     "GOAWAY 1, closed"),
        Row("PING between them",      between(frame(PING, 0, 0, &[0; 8])),                  "GOAWAY 1, closed"),
        Row("an unknown one",         between(frame(0xbb, 0, 1, b"x")),                     "GOAWAY 1, closed"),
        Row("HEADERS of another",     between(asked(3)),                                    "GOAWAY 1, closed"),
        Row("another's CONTINUATION", [head(), frame(CONTINUATION, 0x4, 3, rest)].concat(), "GOAWAY 1, closed"),
    ]);
}

#[test]
fn a_preface_that_is_none_is_not_served() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    for preface in ["PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"] {
        let mut client = Client::connect(gate.address);
        client.send(preface).send(frame(SETTINGS, 0, 0, &[])).send(asked(1));
        let told = client.rest();
        assert!(told.is_empty() || told.starts_with(b"HTTP/1.1 4"), "{told:?}");
    }
    // A request, or anything else, before SETTINGS: no frame of an answer.
    for first in [asked(1), frame(PING, 0, 0, &LAST)] {
        let mut client = Client::connect(gate.address);
        client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").send(first).send(asked(1));
        let told = client.rest();
        let settings = told.get(..9).is_none_or(|head| head[3] == SETTINGS);
        assert!(settings && told.len() < 100, "{told:?}");
    }
    assert!(backend.received().is_empty());
}

#[test]
fn streams_above_the_limit_are_refused_and_the_others_answered() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    let mut client = Frames::connect(gate.address, 65_535);
    (0..5).for_each(|number| {
        client.client.send(begun(1 + 2 * number));
    });
    let mut refused = None;
    until("the fifth to be refused", || {
        let (kind, _, stream, payload) = client.next().unwrap();
        refused = (kind == RST_STREAM).then(|| (stream, payload[3]));
        refused
    });
    assert_eq!(refused, Some((9, 7)), "REFUSED_STREAM");
    (0..4).for_each(|number| {
        client.client.send(frame(DATA, END_STREAM, 1 + 2 * number, b""));
    });
    let mut answered = 0;
    while answered < 4 {
        let (kind, _, _, payload) = client.next().unwrap();
        if kind == HEADERS {
            assert_eq!(status(&payload), "200");
            answered += 1;
        }
    }
}
