//! Which slot of a cluster a command's key is in, and which node has which slots. Pure.

use redis::{Arg, Cmd, ServerError, Value};

use super::reply;
use crate::config::RedisNode;

pub(super) const SLOTS: usize = 16_384;

/// CRC-16/XMODEM of each byte.
const CRC: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// The slot of a key: of what stands between its first `{` and the next `}`, unless that is nothing.
pub(super) fn of_key(key: &[u8]) -> usize {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|byte| *byte == b'}').filter(|close| *close > 0)?;
        Some(&rest[..close])
    });
    let crc = tag
        .unwrap_or(key)
        .iter()
        .fold(0, |crc: u16, byte| crc << 8 ^ CRC[usize::from(crc >> 8 ^ u16::from(*byte))]);
    usize::from(crc) % SLOTS
}

/// The slot of a command's (first) key, which stands behind its name, or behind a script and the
/// number of its keys.
pub(super) fn of_command(command: &Cmd) -> usize {
    // No command of ours has a cursor.
    let mut words =
        command.args_iter().map(|word| if let Arg::Simple(text) = word { text } else { &[] });
    let behind = if words.next() == Some(b"EVAL") { 2 } else { 0 };
    words.nth(behind).map_or(0, of_key)
}

/// Where a redirection points: the slot's new node (`MOVED`), or where to ask this once (`ASK`). A node
/// that does not know its own name means the host that was asked.
pub(super) fn redirected(error: &ServerError, asked: &RedisNode) -> Option<RedisNode> {
    let (_, address) = error.details()?.split_once(' ')?;
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let host = if host.is_empty() || host == "?" { &asked.host } else { host };
    Some(RedisNode { host: host.to_owned(), port })
}

/// Slots from the first to the last, and their master.
pub(super) type Range = (usize, usize, RedisNode);

/// Reads `CLUSTER SLOTS`, as `asked` answered it; `None` unless somebody has a slot.
pub(super) fn ranges(answer: &Value, asked: &RedisNode) -> Option<Vec<Range>> {
    let Value::Array(rows) = answer else { return None };
    let ranges = rows.iter().map(|row| range(row, asked)).collect::<Option<Vec<_>>>()?;
    (!ranges.is_empty()).then_some(ranges)
}

fn range(row: &Value, asked: &RedisNode) -> Option<Range> {
    let Value::Array(row) = row else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = &row[..] else {
        return None;
    };
    let [host, Value::Int(port), ..] = &master[..] else { return None };
    let (first, last) = (usize::try_from(*first).ok()?, usize::try_from(*last).ok()?);
    let port = u16::try_from(*port).ok().filter(|port| *port != 0)?;
    let host = reply::text(host).filter(|host| !matches!(*host, "" | "?")).unwrap_or(&asked.host);
    let node = RedisNode { host: host.to_owned(), port };
    (first <= last && last < SLOTS).then_some((first, last, node))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str, port: u16) -> RedisNode {
        RedisNode { host: host.to_owned(), port }
    }

    /// As `CLUSTER KEYSLOT` of Redis 7.0.15 says.
    #[test]
    fn keys_are_in_the_slots_that_redis_puts_them_in() {
        #[rustfmt::skip] // a table is read by column
        let rows: [(&str, usize); 8] = [
            ("123456789",              12_739),
            ("",                            0),
            ("tg:{dir}org:1",           of_key(b"dir")),
            ("tg:{}x",                  of_key(b"tg:{}x")),
            ("{a}{b}",                  of_key(b"a")),
            ("a{b",                     of_key(b"a{b")),
            ("foo",                    12_182),
            ("{user1000}.following",    3_443),
        ];
        for (key, slot) in rows {
            assert_eq!(of_key(key.as_bytes()), slot, "{key}");
        }
        assert_ne!(of_key(b"tg:{}x"), of_key(b""));
    }

    #[test]
    fn a_command_is_where_its_key_is() {
        let command = |words: &[&str]| {
            let mut command = Cmd::new();
            words.iter().for_each(|word| {
                command.arg(word);
            });
            of_command(&command)
        };
        assert_eq!(command(&["GET", "foo"]), 12_182);
        assert_eq!(command(&["EVAL", "return 1", "2", "foo", "bar", "x"]), 12_182);
        assert_eq!(command(&["PING"]), 0);
    }

    #[test]
    fn the_map_names_masters_and_a_node_without_a_name_is_the_one_that_was_asked() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let row = |first, last, host| {
            let master = Value::Array(vec![host, Value::Int(7001), bulk("id")]);
            Value::Array(vec![Value::Int(first), Value::Int(last), master, Value::Nil])
        };
        let read = |rows| ranges(&Value::Array(rows), &node("asked", 1));
        let good = vec![row(0, 5, bulk("::1")), row(6, 16_383, Value::Nil)];
        let expected = vec![(0, 5, node("::1", 7001)), (6, 16_383, node("asked", 7001))];
        assert_eq!(read(good), Some(expected));
        for bad in
            [row(0, 16_384, bulk("a")), row(5, 4, bulk("a")), row(-1, 4, bulk("a")), Value::Nil]
        {
            assert_eq!(read(vec![bad]), None);
        }
        assert_eq!(read(vec![]), None, "nobody has a slot");
    }
}
