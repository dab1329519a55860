//! Connections that ask for tokens over and over, and note what they are told.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    thread::JoinHandle,
    time::Duration,
};

use super::super::harness::{
    client::{Client, bearer, get},
    tokens::Token,
    until,
};

/// Connections to each gateway.
const CONNECTIONS: usize = 8;

struct Shared {
    stop: AtomicBool,
    addresses: Vec<Mutex<SocketAddr>>,
    /// Verdicts, and how often.
    seen: Mutex<BTreeMap<String, usize>>,
}

/// One connection and its round.
struct Walker {
    rounds: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

pub(super) struct Load {
    shared: Arc<Shared>,
    walkers: Vec<Walker>,
}

impl Load {
    /// A share of `tokens` for each gateway, over some connections.
    pub(super) fn start(addresses: &[SocketAddr], tokens: &[Token]) -> Self {
        Self::over(addresses, tokens, addresses.len() * CONNECTIONS)
    }

    /// A connection for each of `tokens`.
    pub(super) fn of_all(addresses: &[SocketAddr], tokens: &[Token]) -> Self {
        Self::over(addresses, tokens, tokens.len())
    }

    fn over(addresses: &[SocketAddr], tokens: &[Token], connections: usize) -> Self {
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            addresses: addresses.iter().copied().map(Mutex::new).collect(),
            seen: Mutex::default(),
        });
        let shares = tokens.chunks(tokens.len().div_ceil(connections)).enumerate();
        let walkers = shares.map(|(number, share)| {
            let (shared, rounds) = (Arc::clone(&shared), Arc::new(AtomicUsize::new(0)));
            let requests: Vec<String> =
                share.iter().map(|token| get("/orders/1", &bearer(&token.text))).collect();
            let done = Arc::clone(&rounds);
            let thread = std::thread::spawn(move || walk(&shared, number, &requests, &done));
            Walker { rounds, thread }
        });
        let walkers = walkers.collect();
        Self { shared, walkers }
    }

    /// A gateway is somewhere else from now on.
    pub(super) fn moved(&self, gateway: usize, address: SocketAddr) {
        *self.shared.addresses[gateway].lock().unwrap() = address;
    }

    /// Waits until every token was asked for, and told of, after now.
    pub(super) fn whole_round(&self) {
        // The rounds that run now have begun before.
        let ends: Vec<usize> =
            self.walkers.iter().map(|walker| walker.rounds.load(SeqCst) + 2).collect();
        for (Walker { rounds, .. }, end) in self.walkers.iter().zip(ends) {
            // A whole round may take long on a busy machine; half of one does not.
            until("half a round", || (rounds.load(SeqCst) + 1 >= end).then_some(()));
            until("a round", || (rounds.load(SeqCst) >= end).then_some(()));
        }
    }

    pub(super) fn forget(&self) {
        self.shared.seen.lock().unwrap().clear();
    }

    /// Nothing else was told since this was asked last.
    #[track_caller]
    pub(super) fn only(&self, may: &[&str], when: &str) {
        let seen = std::mem::take(&mut *self.shared.seen.lock().unwrap());
        assert!(seen.contains_key(may[0]), "{when}: {seen:?}");
        assert!(seen.keys().all(|verdict| may.contains(&&**verdict)), "{when}: {seen:?}");
    }

    pub(super) fn end(self) {
        self.shared.stop.store(true, SeqCst);
        self.walkers.into_iter().for_each(|walker| walker.thread.join().unwrap());
    }
}

fn walk(shared: &Shared, number: usize, requests: &[String], rounds: &AtomicUsize) {
    let place = &shared.addresses[number % shared.addresses.len()];
    let (mut client, mut next) = (None, 0);
    while !shared.stop.load(Relaxed) {
        let address = *place.lock().unwrap();
        let verdict = ask(&mut client, address, &requests[next]);
        let verdict = verdict.unwrap_or_else(|| "gone".to_owned());
        // Whoever is told to come again does.
        let is_told = !verdict.starts_with("503") && verdict != "gone";
        *shared.seen.lock().unwrap().entry(verdict).or_default() += 1;
        if is_told {
            next = (next + 1) % requests.len();
            rounds.fetch_add(usize::from(next == 0), SeqCst);
        } else {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// What is told, over the connection there is or a new one.
fn ask(client: &mut Option<Client>, address: SocketAddr, request: &str) -> Option<String> {
    let mut open = client.take().or_else(|| Client::try_connect(address))?;
    let answer = open.send(request).try_answer(false)?;
    *client = Some(open);
    Some(answer.verdict())
}
