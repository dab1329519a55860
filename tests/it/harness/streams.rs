//! A backend that speaks HTTP/2, records what it gets and answers by script, stream by stream.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Reason, RecvStream, SendStream,
    server::{self, SendResponse},
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{Notify, watch},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::until;

/// What a script does, in order.
#[derive(Clone)]
pub(crate) enum Act {
    /// Reads the request's body to its end.
    Body,
    /// This many interim answers.
    Interim(usize),
    /// The answer's head; `true` ends the stream with it.
    Head(u16, Vec<(&'static str, String)>, bool),
    /// A piece of the body.
    Data(&'static str),
    /// The fields after the body.
    Trailers(Vec<(&'static str, &'static str)>),
    /// Ends the stream so.
    Reset(Reason),
    /// Says that the connection takes no more streams; those that are there go on.
    GoAway,
    /// Waits until the test lets it go on.
    Wait(Gate),
    /// Waits until the gateway ends the stream, and records how.
    Gone,
}

/// Lets scripts go on. Clones are one gate.
#[derive(Clone)]
pub(crate) struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::channel(false).0))
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    async fn wait(&self) {
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Which connection, counted from 0.
    pub(crate) connection: usize,
    /// `POST https://shop.example/orders`, made from the pseudo-fields.
    pub(crate) line: String,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// The body came to its end.
    pub(crate) whole: bool,
    /// How the gateway ended the stream while the script waited for that.
    pub(crate) gone: Option<Reason>,
}

impl Seen {
    /// All fields, sorted.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        let mut lines: Vec<_> = self.fields.iter().map(line).collect();
        lines.sort();
        lines
    }
}

/// What a script is chosen by: how many requests came before, and this one.
type Script = dyn Fn(usize, &Seen) -> Vec<Act> + Send + Sync;

struct Shared {
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    /// Streams that are open, and the most that were at once.
    open: Mutex<(usize, usize)>,
    streams_max: u32,
}

/// A running backend; ends when dropped.
pub(crate) struct Streams {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Streams {
    /// Answers everything with 200 and `hello`.
    pub(crate) fn plain() -> Self {
        Self::scripted(|_, _| vec![Act::Body, Act::Head(200, vec![], false), Act::Data("hello")])
    }

    pub(crate) fn scripted(
        script: impl Fn(usize, &Seen) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        Self::run(100, None, Box::new(script))
    }

    /// Takes at most this many streams of a connection at once.
    pub(crate) fn with_streams(
        max: u32,
        script: impl Fn(usize, &Seen) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        Self::run(max, None, Box::new(script))
    }

    /// The same over TLS.
    pub(crate) fn over_tls(mut config: ServerConfig, alpn: &[&[u8]]) -> Self {
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let script =
            |_: usize, _: &Seen| vec![Act::Body, Act::Head(200, vec![], false), Act::Data("hello")];
        Self::run(100, Some(config), Box::new(script))
    }

    fn run(streams_max: u32, tls: Option<ServerConfig>, script: Box<Script>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script,
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: Mutex::default(),
            streams_max,
        });
        let stop = Arc::new(Notify::new());
        let (serving, stopped) = (Arc::clone(&shared), Arc::clone(&stop));
        let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = stopped.notified() => (),
                    () = accept(listener, acceptor, serving) => (),
                }
            });
            runtime.shutdown_timeout(Duration::ZERO);
        });
        Self { address, shared, stop, thread: Some(thread) }
    }

    /// Everything that came in so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().expect("nothing came in")
    }

    /// Waits for a request of which `is` holds.
    pub(crate) fn wait(&self, what: &str, is: impl Fn(&Seen) -> bool) -> Seen {
        until(what, || self.seen().into_iter().find(&is))
    }

    /// How many connections spoke HTTP/2, the gateway's look at the start included.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    /// The most streams that were open at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.open.lock().unwrap().1
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let mut running = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let _ = stream.set_nodelay(true);
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        running.spawn(async move {
            match acceptor {
                None => serve(stream, shared).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, shared).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let mut builder = server::Builder::new();
    builder.max_concurrent_streams(shared.streams_max);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    let index = shared.connections.fetch_add(1, SeqCst);
    let going = Arc::new(Notify::new());
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            () = going.notified() => connection.graceful_shutdown(),
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                streams.spawn(stream_of(Arc::clone(&shared), index, request, respond, Arc::clone(&going)));
            }
        }
    }
}

async fn stream_of(
    shared: Arc<Shared>,
    connection: usize,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    going: Arc<Notify>,
) {
    let (head, body) = request.into_parts();
    let seen = Seen {
        connection,
        line: format!("{} {}", head.method, head.uri),
        fields: head.headers,
        body: Vec::new(),
        whole: body.is_end_stream(),
        gone: None,
    };
    let (index, acts) = {
        let mut all = shared.seen.lock().unwrap();
        let acts = (shared.script)(all.len(), &seen);
        all.push(seen);
        (all.len() - 1, acts)
    };
    {
        let mut open = shared.open.lock().unwrap();
        open.0 += 1;
        open.1 = open.1.max(open.0);
    }
    let mut talk = Talk { shared: Arc::clone(&shared), index, body, respond, sending: None, going };
    for act in acts {
        if talk.take(act).await.is_none() {
            break;
        }
    }
    if let Some(sending) = &mut talk.sending {
        let _ = sending.send_data(Bytes::new(), true);
    }
    shared.open.lock().unwrap().0 -= 1;
}

struct Talk {
    shared: Arc<Shared>,
    index: usize,
    body: RecvStream,
    respond: SendResponse<Bytes>,
    sending: Option<SendStream<Bytes>>,
    going: Arc<Notify>,
}

impl Talk {
    /// `None` ends the script.
    async fn take(&mut self, act: Act) -> Option<()> {
        match act {
            Act::Body => self.read().await?,
            Act::Interim(count) => {
                for _ in 0..count {
                    let interim = Response::builder().status(103).body(()).unwrap();
                    self.respond.send_informational(interim).ok()?;
                    tokio::task::yield_now().await;
                }
            }
            Act::Head(status, fields, end) => {
                let mut head = Response::builder().status(status);
                for (name, value) in fields {
                    head = head.header(name, value);
                }
                let sending = self.respond.send_response(head.body(()).unwrap(), end).ok()?;
                self.sending = Some(sending).filter(|_| !end);
            }
            Act::Data(text) => self.sending.as_mut()?.send_data(text.into(), false).ok()?,
            Act::Trailers(lines) => {
                let mut fields = HeaderMap::new();
                for (name, value) in lines {
                    fields.append(name, HeaderValue::from_static(value));
                }
                self.sending.take()?.send_trailers(fields).ok()?;
            }
            Act::Reset(reason) => {
                self.respond.send_reset(reason);
                self.sending = None;
                return None;
            }
            Act::GoAway => self.going.notify_one(),
            Act::Wait(gate) => gate.wait().await,
            Act::Gone => {
                let ended = match &mut self.sending {
                    Some(sending) => std::future::poll_fn(|cx| sending.poll_reset(cx)).await,
                    None => std::future::poll_fn(|cx| self.respond.poll_reset(cx)).await,
                };
                let reason = ended.unwrap_or(Reason::INTERNAL_ERROR);
                self.shared.seen.lock().unwrap()[self.index].gone = Some(reason);
                self.sending = None;
                return None;
            }
        }
        Some(())
    }

    /// Records the request's body; `None` when it was cut.
    async fn read(&mut self) -> Option<()> {
        while let Some(piece) = self.body.data().await {
            let piece = piece.ok()?;
            let _ = self.body.flow_control().release_capacity(piece.len());
            self.shared.seen.lock().unwrap()[self.index].body.extend_from_slice(&piece);
        }
        self.shared.seen.lock().unwrap()[self.index].whole = true;
        Some(())
    }
}
