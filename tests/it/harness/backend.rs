//! A backend that records every byte it gets and answers by script: it closes early, cuts, waits,
//! lies, as a test wants.

use std::{
    io::Write,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::{
    PATIENCE, until,
    wire::{Head, Reader, Wire},
};

/// What a script does, in order. A script that ends leaves the connection open for the next request.
pub(crate) enum Step {
    /// Reads the request's body.
    Body,
    /// Reads this many bytes of a body and keeps none, counting them.
    Drink(usize, Arc<AtomicUsize>),
    /// Sends bytes.
    Write(Vec<u8>),
    /// Sends this many bytes, counting those that the kernel took.
    Flood(usize, Arc<AtomicUsize>),
    /// Sends an answer made from what came in.
    Reply(fn(&Received) -> Vec<u8>),
    /// Waits until the test lets it go on.
    Wait(Latch),
    /// Gives back what comes, and records it as the body, until the gateway ends the connection.
    Echo,
    /// Waits until the gateway ends the connection, and records that it did.
    Gone,
    /// Ends the connection.
    Close,
    /// Ends it with a reset.
    Reset,
}

/// How the request's body came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// Not read (yet).
    Unread,
    /// With its clean end.
    Whole,
    /// The connection ended before it.
    Cut,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Which connection, counted from 0.
    pub(crate) connection: usize,
    pub(crate) head: Head,
    pub(crate) raw_head: String,
    pub(crate) raw_body: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    pub(crate) came: Came,
    /// The gateway ended the connection while the script waited for that.
    pub(crate) gone: bool,
}

impl Received {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.field(name)
    }

    /// `GET /orders`.
    pub(crate) fn line(&self) -> &str {
        self.head.first.strip_suffix(" HTTP/1.1").expect("the gateway speaks HTTP/1.1")
    }

    /// Names of all fields in lower case, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.head.fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort();
        names
    }
}

type Script = dyn Fn(&Head) -> Vec<Step> + Send + Sync;

struct Shared {
    script: Box<Script>,
    received: Mutex<Vec<Received>>,
    open: Mutex<Vec<Wire>>,
    accepted: AtomicUsize,
    stopped: AtomicBool,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    fn accept(&self) -> Option<Wire> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().ok()?;
                stream.set_nodelay(true).ok()?;
                Some(Wire::Tcp(stream))
            }
            Self::Unix(listener) => listener.accept().ok().map(|(stream, _)| Wire::Unix(stream)),
        }
    }
}

enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A running backend; ends when dropped.
pub(crate) struct Backend {
    shared: Arc<Shared>,
    place: Place,
    thread: Option<JoinHandle<()>>,
}

impl Backend {
    /// Answers everything with 200 and `hello`.
    pub(crate) fn plain() -> Self {
        Self::scripted(|_| vec![Step::Body, Step::Write(ok("hello"))])
    }

    /// Answers as `script` says for each head.
    pub(crate) fn scripted(script: impl Fn(&Head) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::on_port(0, script)
    }

    pub(crate) fn on_port(
        port: u16,
        script: impl Fn(&Head) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], port)), script)
    }

    /// At this address, once it is free.
    pub(crate) fn at(
        address: SocketAddr,
        script: impl Fn(&Head) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = until("the backend's port", || TcpListener::bind(address).ok());
        let place = Place::Tcp(listener.local_addr().unwrap());
        Self::run(Listener::Tcp(listener), place, Box::new(script))
    }

    pub(crate) fn on_socket(path: &Path) -> Self {
        let listener = Listener::Unix(UnixListener::bind(path).unwrap());
        let script = |_: &Head| vec![Step::Body, Step::Write(ok("hello"))];
        Self::run(listener, Place::Unix(path.to_owned()), Box::new(script))
    }

    fn run(listener: Listener, place: Place, script: Box<Script>) -> Self {
        let shared = Arc::new(Shared {
            script,
            received: Mutex::default(),
            open: Mutex::default(),
            accepted: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            while let Some(wire) = listener.accept() {
                if accepting.stopped.load(SeqCst) {
                    return;
                }
                let connection = accepting.accepted.fetch_add(1, SeqCst);
                accepting.open.lock().unwrap().push(wire.twin());
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || serve(&shared, connection, wire));
            }
        });
        Self { shared, place, thread: Some(thread) }
    }

    /// What stands after `backend =` in the configuration.
    pub(crate) fn url(&self) -> String {
        match &self.place {
            Place::Tcp(address) => format!("http://{address}"),
            Place::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match &self.place {
            Place::Tcp(address) => *address,
            Place::Unix(path) => panic!("{} is no TCP address", path.display()),
        }
    }

    /// Everything that came in so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// The last request, which must have come in.
    pub(crate) fn last(&self) -> Received {
        self.received().pop().expect("nothing came in")
    }

    /// Waits for a request of which `is` holds.
    pub(crate) fn wait(&self, what: &str, is: impl Fn(&Received) -> bool) -> Received {
        until(what, || self.received().into_iter().find(&is))
    }

    /// How many connections the gateway has opened, its look at the start included.
    pub(crate) fn connections(&self) -> usize {
        self.shared.accepted.load(SeqCst)
    }

    /// Ends every connection and keeps listening.
    pub(crate) fn drop_connections(&self) {
        for wire in self.shared.open.lock().unwrap().drain(..) {
            wire.shut(Shutdown::Both);
        }
    }

    /// Ends; whoever connects now is refused.
    pub(crate) fn stop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.shared.stopped.store(true, SeqCst);
        let woken = match &self.place {
            Place::Tcp(address) => TcpStream::connect(address).is_ok(),
            Place::Unix(path) => UnixStream::connect(path).is_ok(),
        };
        if woken {
            thread.join().unwrap();
        }
        self.drop_connections();
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(shared: &Shared, connection: usize, wire: Wire) {
    let mut reader = Reader::new(wire);
    while let Some(head) = reader.head() {
        let raw_head = String::from_utf8_lossy(&reader.take_raw()).into_owned();
        let steps = (shared.script)(&head);
        let index = {
            let mut received = shared.received.lock().unwrap();
            received.push(Received {
                connection,
                head,
                raw_head,
                raw_body: Vec::new(),
                body: Vec::new(),
                trailers: Vec::new(),
                came: Came::Unread,
                gone: false,
            });
            received.len() - 1
        };
        for step in steps {
            if !take(shared, index, &mut reader, step) {
                return;
            }
        }
        if !read_body(shared, index, &mut reader) {
            return;
        }
    }
}

/// `false` ends the connection.
fn take(shared: &Shared, index: usize, reader: &mut Reader, step: Step) -> bool {
    match step {
        Step::Body => read_body(shared, index, reader),
        Step::Drink(bytes, drunk) => {
            let whole = reader.drink(bytes, &drunk);
            shared.received.lock().unwrap()[index].came =
                if whole { Came::Whole } else { Came::Cut };
            whole
        }
        Step::Write(bytes) => reader.wire.write_all(&bytes).is_ok(),
        Step::Flood(bytes, sent) => {
            let piece = [b'x'; 64 * 1024];
            (0..bytes / piece.len()).all(|_| {
                let taken = reader.wire.write_all(&piece).is_ok();
                sent.fetch_add(piece.len(), SeqCst);
                taken
            })
        }
        Step::Reply(make) => {
            let received = shared.received.lock().unwrap()[index].clone();
            reader.wire.write_all(&make(&received)).is_ok()
        }
        Step::Wait(latch) => {
            latch.wait();
            true
        }
        Step::Gone => {
            reader.rest();
            shared.received.lock().unwrap()[index].gone = true;
            false
        }
        Step::Echo => {
            while let Some(bytes) = reader.some() {
                shared.received.lock().unwrap()[index].body.extend_from_slice(&bytes);
                if reader.wire.write_all(&bytes).is_err() {
                    break;
                }
            }
            reader.wire.shut(Shutdown::Both);
            shared.received.lock().unwrap()[index].gone = true;
            false
        }
        Step::Close => {
            reader.wire.shut(Shutdown::Both);
            false
        }
        Step::Reset => {
            // The other handle would keep the socket open.
            shared.open.lock().unwrap().clear();
            reader.wire.reset_on_close();
            false
        }
    }
}

fn read_body(shared: &Shared, index: usize, reader: &mut Reader) -> bool {
    let head = {
        let received = &shared.received.lock().unwrap()[index];
        if received.came != Came::Unread {
            return true;
        }
        received.head.clone()
    };
    let (mut body, mut trailers) = (Vec::new(), Vec::new());
    let whole = if head.is_chunked() {
        let read = reader.chunked(&mut body);
        let whole = read.is_some();
        trailers = read.unwrap_or_default();
        whole
    } else {
        reader.exactly(head.length().unwrap_or(0), &mut body)
    };
    let mut received = shared.received.lock().unwrap();
    let entry = &mut received[index];
    entry.raw_body = reader.take_raw();
    entry.body = body;
    entry.trailers = trailers;
    entry.came = if whole { Came::Whole } else { Came::Cut };
    whole
}

/// Lets a script go on when the test says so. Clones are one latch.
#[derive(Clone, Default)]
pub(crate) struct Latch(Arc<(Mutex<bool>, Condvar)>);

impl Latch {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let closed = self.0.0.lock().unwrap();
        let _open = self.0.1.wait_timeout_while(closed, PATIENCE, |open| !*open).unwrap();
    }
}

/// A 200 with a length.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    answer("200 OK", "", body)
}

/// An answer with a length and more fields, each ended by CR LF.
pub(crate) fn answer(status: &str, fields: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{fields}\r\n{body}").into_bytes()
}

/// A server that answers no connection, for as long as this is held.
pub(crate) struct Deaf {
    pub(crate) address: SocketAddr,
    _held: (socket2::Socket, Vec<TcpStream>),
}

impl Deaf {
    /// With its queue full, the kernel drops what else comes.
    pub(crate) fn start() -> Self {
        let (domain, kind) = (socket2::Domain::IPV4, socket2::Type::STREAM);
        let socket = socket2::Socket::new(domain, kind, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let knock = || TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok();
        let queue = std::iter::from_fn(knock).collect();
        Self { address, _held: (socket, queue) }
    }
}
