//! Frames: their sizes, their streams, their settings (RFC 9113 4, 5.5, 6).

use super::*;

/// A setting by its number.
fn setting(number: u16, value: u32) -> Vec<u8> {
    [&number.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

fn settings(number: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &setting(number, value))
}

fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

#[test]
#[rustfmt::skip] // a table is read by column
fn frames_of_a_wrong_size_end_the_connection_or_their_stream() {
    let large = vec![0; 16_385];
    check(vec![
        Row("DATA above the frame size",     [begun(1), frame(DATA, 0, 1, &large)].concat(),  "GOAWAY 6, closed"),
        Row("HEADERS above it",              frame(HEADERS, 0x5, 1, &large),                  "GOAWAY 6, closed"),
        Row("SETTINGS above it",             frame(SETTINGS, 0, 0, &large),                   "GOAWAY 6, closed"),
        Row("PRIORITY of four bytes",        frame(PRIORITY, 0, 1, &[0; 4]),                  "GOAWAY 1 (6), closed"),
        Row("RST_STREAM of three bytes",     [begun(1), frame(RST_STREAM, 0, 1, &[0; 3])].concat(), "GOAWAY 1 (6), closed"),
        Row("SETTINGS of three bytes",       frame(SETTINGS, 0, 0, &[0; 3]),                  "GOAWAY 1 (6), closed"),
        Row("an acknowledgement with content", frame(SETTINGS, ACK, 0, &[0; 6]),              "GOAWAY 1 (6), closed"),
        Row("PING of six bytes",             frame(PING, 0, 0, &[0; 6]),                      "GOAWAY 1 (6), closed"),
        Row("WINDOW_UPDATE of three bytes",  frame(WINDOW_UPDATE, 0, 0, &[0; 3]),             "GOAWAY 1 (6), closed"),
        Row("DATA all padding",              [begun(1), frame(DATA, PADDED, 1, &[5, 0])].concat(), "GOAWAY 1, closed"),
        Row("HEADERS all padding",           frame(HEADERS, 0x4 | PADDED, 1, &[200, 0]),      "GOAWAY 1, closed"),
    ]);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn frames_of_a_wrong_stream_end_the_connection() {
    check(vec![
        Row("DATA",          frame(DATA, 0, 0, b"x"),                          "GOAWAY 1, closed"),
        Row("HEADERS",       frame(HEADERS, 0x5, 0, &get(&[])),                "GOAWAY 1, closed"),
        Row("PRIORITY",      frame(PRIORITY, 0, 0, &[0, 0, 0, 3, 1]),          "GOAWAY 1, closed"),
        Row("RST_STREAM",    frame(RST_STREAM, 0, 0, &[0, 0, 0, 8]),           "GOAWAY 1, closed"),
        Row("SETTINGS",      frame(SETTINGS, 0, 1, &setting(3, 10)),           "GOAWAY 1, closed"),
        Row("PING",          frame(PING, 0, 1, &[0; 8]),                       "GOAWAY 1, closed"),
        Row("GOAWAY",        frame(GOAWAY, 0, 1, &[0; 8]),                     "GOAWAY 1, closed"),
        Row("CONTINUATION",  frame(CONTINUATION, 0x4, 0, &[]),                 "GOAWAY 1, closed"),
        Row("PUSH_PROMISE",  [asked(1), frame(PUSH_PROMISE, 0x4, 1, &[0, 0, 0, 2])].concat(), "GOAWAY 1, closed"),
    ]);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn settings_are_checked_and_what_is_unknown_is_ignored() {
    let reserved = |mut frame: Vec<u8>| { frame[5] |= 0x80; frame };
    check(vec![
        Row("settings",                      settings(3, 100),                     "pong, settings taken"),
        Row("an unknown setting",            settings(0xfe, 1),                    "pong, settings taken"),
        Row("push neither on nor off",       settings(2, 2),                       "GOAWAY 1, closed"),
        Row("a window above 2^31-1",         settings(4, 1 << 31),                 "GOAWAY 1 (3), closed"),
        Row("a frame size below 16 KiB",     settings(5, 16_383),                  "GOAWAY 1, closed"),
        Row("a frame size above 16 MiB",     settings(5, 1 << 24),                 "GOAWAY 1, closed"),
        Row("a PING",                        frame(PING, 0, 0, b"01234567"),       "ping answered, pong"),
        Row("a PING nobody has asked for",   frame(PING, ACK, 0, b"01234567"),     "pong"),
        Row("an unknown frame",              frame(0xbb, 0xff, 1, b"whatever"),    "pong"),
        Row("unknown flags",                 frame(PING, 0xfe, 0, b"01234567"),    "ping answered, pong"),
        Row("a reserved bit",                reserved(frame(PING, 0, 0, b"01234567")), "ping answered, pong"),
        Row("a reset for an unknown reason", [begun(1), frame(RST_STREAM, 0, 1, &[0, 0, 0, 0xff])].concat(), "pong"),
        Row("a priority",                    frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1]), "pong"),
        Row("a request with a priority",     frame(HEADERS, 0x5 | PRIORITIZED, 1, &[&[0, 0, 0, 0, 9][..], &get(&[])].concat()), "1: 200, pong"),
        Row("a request that is padded",      frame(HEADERS, 0x5 | PADDED, 1, &[&[2][..], &get(&[]), &[0, 0]].concat()), "1: 200, pong"),
        Row("a stream that waits for itself", frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 9]), "RST 1: 1, pong"),
    ]);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn windows_are_checked() {
    let most = (1 << 31) - 1;
    check(vec![
        Row("the connection's by nothing",    window_update(0, 0),                                 "GOAWAY 1, closed"),
        Row("a stream's by nothing",          [begun(1), window_update(1, 0)].concat(),            "GOAWAY 1, closed"),
        Row("the connection's above 2^31-1",  [window_update(0, most), window_update(0, most)].concat(), "GOAWAY 3, closed"),
        Row("a stream's above 2^31-1",        [begun(1), window_update(1, most), window_update(1, most)].concat(), "RST 1: 3, pong"),
        Row("above it by a setting",          [begun(1), window_update(1, most - 65_535), settings(4, 65_536)].concat(), "GOAWAY 3, closed, settings taken"),
        Row("more than the window",           [begun(1), frame(DATA, 0, 1, &[0; 16_384]).repeat(80)].concat(), "GOAWAY 3, closed"),
    ]);
}
