//! Connections that ask all the time: as holders of good tokens, of ended ones, as editors, as guests. As behind
//! a balancer, who finds nobody at one gateway asks the next.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::Duration,
};

use crate::{
    harness::client::{Client, bearer, get},
    model::{Expected, Model},
};

/// Connections whose first choice is the same gateway.
const CONNECTIONS: usize = 3;
/// Between two requests of one connection.
const PACE: Duration = Duration::from_millis(5);

/// A walk with a seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// Where the gateways are.
pub(crate) type Addresses = Arc<Mutex<Vec<SocketAddr>>>;

pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(model: &Arc<Model>, addresses: &Addresses, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let gateways = addresses.lock().unwrap().len();
        let threads = (0..gateways * CONNECTIONS).map(|number| {
            let (model, addresses) = (Arc::clone(model), Arc::clone(addresses));
            let (stop, dice) = (Arc::clone(&stop), Dice::new(seed + 1 + number as u64));
            std::thread::spawn(move || walk(&stop, &model, &addresses, number % gateways, dice))
        });
        let threads = threads.collect();
        Self { stop, threads }
    }

    pub(crate) fn end(self) {
        self.stop.store(true, SeqCst);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

fn walk(stop: &AtomicBool, model: &Model, addresses: &Addresses, first: usize, mut dice: Dice) {
    let mut open = None;
    while !stop.load(SeqCst) {
        std::thread::sleep(PACE);
        let tokens = model.tokens();
        let token = &tokens[dice.below(tokens.len())];
        let editor = &model.editors[token.user];
        let (target, fields) = match dice.below(10) {
            0 => ("/acme/shop/news", String::new()),
            1..4 => ("/acme/shop/drafts", bearer(&token.text)),
            _ => ("/acme/shop/cats", bearer(&token.text)),
        };
        let rights: &[_] = match target {
            "/acme/shop/news" => &[],
            "/acme/shop/drafts" => &[&token.right, editor],
            _ => &[&token.right],
        };
        let request = get(target, &fields);
        let count = addresses.lock().unwrap().len();
        let asked = (0..count).find_map(|step| {
            let gateway = (first + step) % count;
            if step > 0 {
                open = None;
            }
            // What has to be is known before it is asked.
            let expected = rights.iter().map(|right| right.expected(gateway, model.now()));
            let expected = expected.fold(Expected::LetIn, |all, one| match (all, one) {
                (Expected::Refused, _) | (_, Expected::Refused) => Expected::Refused,
                (Expected::Either, _) | (_, Expected::Either) => Expected::Either,
                (Expected::LetIn, Expected::LetIn) => Expected::LetIn,
            });
            let address = addresses.lock().unwrap()[gateway];
            ask(&mut open, address, &request).map(|verdict| (expected, verdict))
        });
        let (expected, verdict) = asked.unwrap_or((Expected::LetIn, "no gateway".to_owned()));
        model.judge(expected, &verdict, rights.iter().all(|right| right.is_live()));
    }
}

/// What is told over the connection there is, or a new one; a connection that was closed meanwhile is no answer.
pub(crate) fn ask(
    open: &mut Option<(SocketAddr, Client)>,
    address: SocketAddr,
    request: &str,
) -> Option<String> {
    for _ in 0..2 {
        let kept = open.take().filter(|(known, _)| *known == address);
        let was_kept = kept.is_some();
        let mut client = match kept {
            Some((_, client)) => client,
            None => Client::try_connect(address)?,
        };
        if let Some(answer) = client.send(request).try_answer(false) {
            let reason = answer.field("proxy-status").and_then(|line| line.split('"').nth(1));
            let verdict = format!("{} {}", answer.status, reason.unwrap_or_default());
            let closes = answer.field("connection").is_some_and(|value| value == "close");
            *open = Some((address, client)).filter(|_| !closes);
            return Some(verdict.trim_end().to_owned());
        }
        if !was_kept {
            return None;
        }
    }
    None
}
