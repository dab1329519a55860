//! A road to Redis that lets so many writes through and holds the next one.

use std::{
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

/// Commands that change something, as far as a gateway sends them.
const WRITES: [&str; 4] = ["EVAL", "SET", "DEL", "HSET"];

/// Stands in front of one Redis for as long as the test lives.
pub(crate) struct Dam {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    gate: Mutex<Gate>,
    changed: Condvar,
}

#[derive(Default)]
struct Gate {
    /// Writes that may still pass; all of them while it is open.
    left: Option<usize>,
    /// Whether one is held.
    holds: bool,
    /// How often it was opened: what was held before is dropped.
    opened: usize,
}

impl Dam {
    /// Open, in front of the Redis at `address`.
    pub(crate) fn before(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (shared, address) = (Arc::<Shared>::default(), address.to_owned());
        let all = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(redis)) = (client, TcpStream::connect(&address)) else {
                    continue;
                };
                let all = Arc::clone(&all);
                // Either end that goes takes the other along.
                thread::spawn(move || _ = relay(client, redis, &all));
            }
        });
        Self { port, shared }
    }

    /// As `store = …` wants it.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Holds the write that comes after `writes` more.
    pub(crate) fn let_through(&self, writes: usize) {
        let mut gate = self.shared.gate.lock().unwrap();
        (gate.left, gate.holds) = (Some(writes), false);
    }

    /// Whether a write is being held.
    pub(crate) fn holds(&self) -> bool {
        self.shared.gate.lock().unwrap().holds
    }

    /// Lets all through again. What it holds never arrives.
    pub(crate) fn open(&self) {
        let mut gate = self.shared.gate.lock().unwrap();
        (gate.left, gate.holds, gate.opened) = (None, false, gate.opened + 1);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// Whether a write may pass; it may not once it was held.
    fn passes(&self) -> bool {
        let mut gate = self.gate.lock().unwrap();
        let opened = gate.opened;
        match &mut gate.left {
            None => true,
            Some(0) => {
                gate.holds = true;
                drop(self.changed.wait_while(gate, |gate| gate.opened == opened));
                false
            }
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

/// Passes on commands one by one, and answers as they come.
fn relay(mut client: TcpStream, mut redis: TcpStream, shared: &Shared) -> io::Result<()> {
    let (mut answers, mut to) = (redis.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut answers, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
    let (mut came, mut piece) = (Vec::new(), [0; 16 * 1024]);
    loop {
        while let Some((length, word)) = command(&came) {
            if WRITES.contains(&word.as_str()) && !shared.passes() {
                return redis.shutdown(std::net::Shutdown::Both);
            }
            redis.write_all(&came[..length])?;
            came.drain(..length);
        }
        match client.read(&mut piece)? {
            0 => return redis.shutdown(std::net::Shutdown::Both),
            length => came.extend_from_slice(&piece[..length]),
        }
    }
}

/// The length of the first command, once all of it is there, and its first word.
fn command(bytes: &[u8]) -> Option<(usize, String)> {
    let mut at = 0;
    let mut line = |mark: u8| {
        let rest = &bytes[at..];
        let end = rest.windows(2).position(|end| end == b"\r\n")?;
        assert_eq!(rest[0], mark, "commands are arrays of strings");
        let number: usize = std::str::from_utf8(&rest[1..end]).unwrap().parse().unwrap();
        at += end + 2;
        // A string follows its length.
        let from = at;
        if mark == b'$' {
            at += number + 2;
        }
        Some((number, from))
    };
    let (words, _) = line(b'*')?;
    let mut first = None;
    for _ in 0..words {
        let (length, from) =
            line(b'$').filter(|(length, from)| from + length + 2 <= bytes.len())?;
        first.get_or_insert(from..from + length);
    }
    let word = String::from_utf8_lossy(&bytes[first?]).to_uppercase();
    Some((at, word))
}
