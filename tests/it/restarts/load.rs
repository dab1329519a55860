//! Clients that never pause: over connections that they keep, over one for each request, over HTTP/2. Each
//! tells of every request that it began and that was not answered.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::super::harness::{
    client::{Client, get},
    http2::{Http2, Unanswered},
    until,
};

/// Half of the time for which a gateway that leaves tells before it closes. A client that was not run for so
/// long (the machine is shared) finds its connection closed as any idle one may be, and asks again.
const LATE: Duration = Duration::from_millis(250);

/// What clients may meet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// Somebody listens all the time; connections may be told to end.
    Answers,
    /// The same, and no connection ends.
    Unnoticed,
    /// The gateway ends: then, and only then, nobody listens.
    End,
}

struct Shared {
    address: SocketAddr,
    expect: Expect,
    stop: AtomicBool,
    answered: AtomicUsize,
}

/// A running load.
pub(super) struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Eleven clients of three kinds.
    pub(super) fn start(address: SocketAddr, expect: Expect) -> Self {
        let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
        let shared = Arc::new(Shared { address, expect, stop, answered });
        let kinds = [
            (Shared::keeps as fn(&Shared), 6),
            (Shared::comes_and_goes, 3),
            (Shared::multiplexes, 2),
        ];
        let kinds = kinds.into_iter().flat_map(|(kind, count)| std::iter::repeat_n(kind, count));
        let clients = kinds.map(|kind| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || kind(&shared))
        });
        Self { clients: clients.collect(), shared }
    }

    /// Waits for `count` more answers.
    pub(super) fn answers(&self, count: usize) {
        let enough = self.shared.answered.load(SeqCst) + count;
        until("more answers", || {
            let failed = self.clients.iter().any(JoinHandle::is_finished);
            assert!(!failed || self.shared.expect == Expect::End, "a client has failed");
            (self.shared.answered.load(SeqCst) >= enough).then_some(())
        });
    }

    /// Ends it; a client that lost a request has said so.
    pub(super) fn ends_well(self) {
        self.shared.stop.store(true, SeqCst);
        let failed = self.clients.into_iter().filter_map(|client| client.join().err()).count();
        assert_eq!(failed, 0, "clients lost requests");
    }
}

impl Shared {
    fn goes_on(&self) -> bool {
        !self.stop.load(SeqCst)
    }

    /// `None`: nobody listens, and that is as expected.
    fn connect(&self) -> Option<Client> {
        let client = Client::try_connect(self.address);
        assert!(client.is_some() || self.expect == Expect::End, "a connection was refused");
        client
    }

    fn keeps(&self) {
        while self.goes_on() {
            let Some(mut client) = self.connect() else { return };
            let mut since = Instant::now();
            while self.goes_on() {
                let answer = client.send(get("/kept", "")).try_answer(false);
                let Some(answer) = answer else {
                    self.is_excused(since, "a kept connection");
                    break;
                };
                assert_eq!(answer.text(), "hello");
                self.answered.fetch_add(1, SeqCst);
                since = Instant::now();
                if answer.field("connection") == Some("close") {
                    assert!(self.expect != Expect::Unnoticed, "a connection was ended");
                    break;
                }
            }
        }
    }

    fn comes_and_goes(&self) {
        while self.goes_on() {
            let Some(mut client) = self.connect() else { return };
            let since = Instant::now();
            match client.send(get("/new", "Connection: close\r\n")).try_answer(false) {
                None => self.is_excused(since, "a new connection"),
                Some(answer) => {
                    assert_eq!(answer.text(), "hello");
                    self.answered.fetch_add(1, SeqCst);
                }
            }
        }
    }

    fn multiplexes(&self) {
        while self.goes_on() {
            let Some(mut client) = Http2::try_connect(self.address) else {
                assert!(self.expect == Expect::End, "a connection was refused");
                return;
            };
            while self.goes_on() {
                match client.answered("/multiplexed") {
                    Ok(answer) => {
                        assert_eq!(answer.text(), "hello");
                        self.answered.fetch_add(1, SeqCst);
                    }
                    // The gateway said that it takes no more before the request was sent.
                    Err(Unanswered::NotSent) => {
                        assert!(self.expect != Expect::Unnoticed, "a connection was ended");
                        break;
                    }
                    Err(Unanswered::Lost(error)) => panic!("lost over HTTP/2: {error}"),
                }
            }
        }
    }

    /// No request was lost if its client was late.
    fn is_excused(&self, since: Instant, what: &str) {
        let late = since.elapsed() > LATE && self.expect != Expect::Unnoticed;
        assert!(late, "a request was lost on {what}");
    }
}
