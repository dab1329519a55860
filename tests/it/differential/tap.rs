//! A place between the gateway and a server where every byte that is sent can be read afterwards: what
//! arrived is known of requests that the server itself refuses, too.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::JoinHandle,
};

use crate::harness::wire::Head;

/// The bytes that one connection of the gateway's sent.
type Sent = Arc<Mutex<Vec<u8>>>;

/// Passes everything on, both ways; ends when dropped.
pub(crate) struct Tap {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<Sent>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tap {
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let (known, end) = (Arc::clone(&connections), Arc::clone(&stopped));
        let thread = std::thread::spawn(move || {
            while let Ok((gateway, _)) = listener.accept() {
                if end.load(SeqCst) {
                    return;
                }
                let sent = Sent::default();
                known.lock().unwrap().push(Arc::clone(&sent));
                // A server that is not there ends the gateway's connection too.
                if let Ok(server) = TcpStream::connect(server) {
                    pass(&server, &gateway, None);
                    pass(&gateway, &server, Some(sent));
                }
            }
        });
        Self { address, connections, stopped, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads that were sent, by the case that they belong to. All cases are without a body.
    pub(crate) fn heads(&self) -> HashMap<usize, Head> {
        let connections = self.connections.lock().unwrap();
        let mut heads = HashMap::new();
        for sent in &*connections {
            let sent = sent.lock().unwrap();
            let mut start = 0;
            while let Some(length) = sent[start..].windows(4).position(|four| four == b"\r\n\r\n") {
                let head = Head::parse(&sent[start..start + length + 4]);
                let case =
                    head.field("x-case").expect("every case says which it is").parse().unwrap();
                let before = heads.insert(case, head);
                assert!(before.is_none(), "case {case} was sent twice");
                start += length + 4;
            }
            assert_eq!(sent.len(), start, "something else than heads was sent");
        }
        heads
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.stopped.store(true, SeqCst);
        if TcpStream::connect(self.address).is_ok() {
            let _ = self.thread.take().map(JoinHandle::join);
        }
    }
}

/// Copies until one side ends, then ends the other.
fn pass(from: &TcpStream, to: &TcpStream, record: Option<Sent>) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    to.set_nodelay(true).unwrap();
    std::thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if let Some(record) = &record {
                record.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
