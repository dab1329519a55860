//! Requests that are due at their time, whatever the answers take.
//!
//! A latency counts from when its request was due, so that a proxy that makes clients wait is not
//! spared the requests that they could not send meanwhile. A thread for each connection, because a thread
//! wakes up within some microseconds of its time, and a runtime's timer within a millisecond.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    num::NonZeroU64,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use rustix::thread::set_current_timer_slack;

use super::{Asked, Seen, Target, conversation::Head};
use crate::Outcome;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens all connections, calls `start`, and sends the requests, `rate` in a second over all of them.
pub(super) fn run(
    target: &Target,
    rate: u32,
    start: impl FnOnce() -> Outcome<()>,
) -> Outcome<Seen> {
    let connections = u32::try_from(target.connections)?;
    let each = target.requests / u64::from(connections);
    let between = Duration::from_secs(1) / rate;
    let gate = Barrier::new(target.connections + 1);
    thread::scope(|scope| {
        let asking: Vec<_> = (0..connections)
            .map(|index| {
                let gate = &gate;
                scope.spawn(move || {
                    let connected = Client::open(target);
                    gate.wait(); // all are connected
                    gate.wait();
                    let mut client = connected?;
                    let first = Instant::now() + between * index;
                    Ok::<_, io::Error>(client.ask(target, first, between * connections, each))
                })
            })
            .collect();
        gate.wait();
        let started = start();
        gate.wait();
        let mut seen = Seen::default();
        for thread in asking {
            seen.join(thread.join().map_err(|_| "a thread of the client panicked")??);
        }
        started.map(|()| seen)
    })
}

/// A connection that asks and waits.
pub(crate) struct Client {
    stream: TcpStream,
    sent: Vec<u8>,
    read: Vec<u8>,
}

impl Client {
    /// A connection that was answered once.
    pub(crate) fn open(target: &Target) -> io::Result<Self> {
        // As exact as the kernel can be; 50 µs more would be added to every latency.
        set_current_timer_slack(NonZeroU64::new(1))?;
        let stream = TcpStream::connect(("127.0.0.1", target.port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut client = Self { stream, sent: Vec::new(), read: vec![0; 16 * 1024] };
        client.exchange(&target.asked, 0)?;
        Ok(client)
    }

    fn ask(&mut self, target: &Target, first: Instant, between: Duration, requests: u64) -> Seen {
        let (mut seen, mut due) = (Seen::default(), first);
        for number in 0..requests {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            match self.exchange(&target.asked, number) {
                Ok(()) => seen.good(due.elapsed()),
                Err(error) => {
                    // Whatever was still due is lost with the connection.
                    seen.bad(&error);
                    seen.errors += requests - number - 1;
                    break;
                }
            }
            due += between;
        }
        seen
    }

    /// Asks for `number`, and reads all of the answer.
    pub(crate) fn exchange(&mut self, asked: &Asked, number: u64) -> io::Result<()> {
        asked.request(number, &mut self.sent);
        self.stream.write_all(&self.sent)?;
        let (mut got, mut whole) = (0, None);
        while whole.is_none_or(|whole| got < whole) {
            let read = self.stream.read(&mut self.read[got..])?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            got += read;
            let end = self.read[..got].windows(4).position(|end| end == b"\r\n\r\n");
            if let (None, Some(end)) = (whole, end) {
                let head = Head::read(&self.read[..end + 4], asked)?;
                whole = Some(head.bytes + head.length);
            }
        }
        Ok(())
    }
}
