//! A road to Redis that can swallow everything: nothing arrives, and nothing is closed.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
};

pub(crate) struct Hole {
    port: u16,
    is_open: Arc<AtomicBool>,
}

impl Hole {
    /// In front of the Redis at `address`, passing all on.
    pub(crate) fn before(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (is_open, address) = (Arc::new(AtomicBool::new(false)), address.to_owned());
        let swallows = Arc::clone(&is_open);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(redis)) = (client, TcpStream::connect(&address)) else {
                    continue;
                };
                // What it measures must not be its own waiting for acknowledgements.
                client.set_nodelay(true).and_then(|()| redis.set_nodelay(true)).unwrap();
                for (from, to) in [(&client, &redis), (&redis, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let swallows = Arc::clone(&swallows);
                    thread::spawn(move || pass(from, to, &swallows));
                }
            }
        });
        Self { port, is_open }
    }

    pub(crate) fn store(&self) -> String {
        format!("\"redis://127.0.0.1:{}/0\"", self.port)
    }

    /// Swallows from now on, or passes on again.
    pub(crate) fn opens(&self, is_open: bool) {
        self.is_open.store(is_open, SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, swallows: &AtomicBool) {
    let mut piece = [0; 16 * 1024];
    let mut is_whole = true;
    while let Ok(length @ 1..) = from.read(&mut piece) {
        // A stream of which a part is gone is none any more.
        is_whole &= !swallows.load(SeqCst);
        if is_whole && to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
