//! An HTTP/2 client with prior knowledge. Driven only while a test waits for it.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
    ext::Protocol,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::TcpStream,
    runtime::Runtime,
    task::JoinHandle,
    time::{self},
};
use tokio_rustls::TlsConnector;

use super::PATIENCE;

type Body = BoxBody<Bytes, std::io::Error>;

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) fields: HeaderMap,
    /// `Err`: the stream was reset before the body's end.
    pub(crate) body: Result<Bytes, String>,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.body.as_ref().unwrap()).unwrap()
    }

    /// `401 token_expired`, or `200`.
    pub(crate) fn verdict(&self) -> String {
        let body = self.body.clone().unwrap_or_default();
        let refusal: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let reason = refusal["reason"].as_str().unwrap_or_default();
        format!("{} {reason}", self.status.as_u16()).trim_end().to_owned()
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// The connection took no more requests before this one was sent.
    NotSent,
    /// It was sent.
    Lost(String),
}

/// A connection.
pub(crate) struct Http2 {
    runtime: Runtime,
    /// Scheme and authority of what is asked for.
    base: String,
    sender: SendRequest<Body>,
    connection: Option<JoinHandle<Result<(), hyper::Error>>>,
}

impl Http2 {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("nobody listens")
    }

    /// A connection, unless nobody listens.
    pub(crate) fn try_connect(address: SocketAddr) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (sender, connection) = runtime.block_on(async {
            let stream = TcpStream::connect(address).await.ok()?;
            let io = TokioIo::new(stream);
            Some(http2::handshake::<_, _, Body>(TokioExecutor::new(), io).await.unwrap())
        })?;
        let connection = Some(runtime.spawn(connection));
        Some(Self { runtime, base: "http://shop.example".to_owned(), sender, connection })
    }

    /// The same over TLS, for `name`, in whose handshake HTTP/2 must be agreed.
    pub(crate) fn connect_tls(address: SocketAddr, config: ClientConfig, name: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (sender, connection) = runtime.block_on(async {
            let stream = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from(name.to_owned()).unwrap();
            let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
            let stream = connecting.await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            let io = TokioIo::new(stream);
            http2::handshake::<_, _, Body>(TokioExecutor::new(), io).await.unwrap()
        });
        let connection = Some(runtime.spawn(connection));
        Self { runtime, base: format!("https://{name}"), sender, connection }
    }

    /// Asks another host from now on.
    pub(crate) fn ask_host(&mut self, host: &str) {
        self.base = format!("https://{host}");
    }

    /// A GET that tells whether it was sent when it has no answer.
    pub(crate) fn answered(&mut self, target: &str) -> Result<Answer, Unanswered> {
        let request = request(&self.base, "GET", target, &[], "");
        let sender = &mut self.sender;
        let exchanged = async {
            sender.ready().await.map_err(|_| Unanswered::NotSent)?;
            let answer = sender.try_send_request(request).await.map_err(|mut refused| {
                let kept = refused.take_message().is_some();
                let error = format!("{:?}", refused.into_error());
                // RFC 9113 6.8: a stream that a GOAWAY leaves out was not processed.
                let left_out = error.contains("GoAway") && error.contains("NO_ERROR");
                if kept || left_out { Unanswered::NotSent } else { Unanswered::Lost(error) }
            })?;
            Ok(collect(answer).await)
        };
        let answered = async { time::timeout(PATIENCE, exchanged).await };
        self.runtime.block_on(answered).expect("no answer over HTTP/2")
    }

    /// One request with a body that is there at once.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        self.try_ask(method, target, fields, body).unwrap()
    }

    pub(crate) fn get(&mut self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.ask("GET", target, fields, "")
    }

    /// The same; `Err` when the stream ends without an answer.
    pub(crate) fn try_ask(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, String> {
        let request = request(&self.base, method, target, fields, body);
        let sender = &mut self.sender;
        self.runtime.block_on(async {
            time::timeout(PATIENCE, exchange(sender, request)).await.expect("no answer over HTTP/2")
        })
    }

    /// Asks to switch to `protocol` on a stream (RFC 8441); what is answered instead.
    pub(crate) fn extended(
        &mut self,
        target: &str,
        protocol: &'static str,
        fields: &[(&str, &str)],
    ) -> Result<Answer, String> {
        let mut request = request(&self.base, "CONNECT", target, fields, "");
        request.extensions_mut().insert(Protocol::from_static(protocol));
        let sender = &mut self.sender;
        self.runtime.block_on(async {
            time::timeout(PATIENCE, exchange(sender, request)).await.expect("no answer over HTTP/2")
        })
    }

    /// Begins a request and resets its stream once `until` has returned.
    pub(crate) fn begin_and_leave(&mut self, target: &str, until: impl FnOnce()) {
        let request = request(&self.base, "GET", target, &[], "");
        let mut sender = self.sender.clone();
        let asking = self.runtime.spawn(async move { exchange(&mut sender, request).await });
        // Its head has to go out before anybody can wait for it.
        for _ in 0..50 {
            self.runtime.block_on(tokio::task::yield_now());
        }
        until();
        asking.abort();
        let _ = self.runtime.block_on(asking);
        for _ in 0..50 {
            self.runtime.block_on(tokio::task::yield_now());
        }
    }

    /// Several requests at once.
    pub(crate) fn ask_all(&mut self, targets: &[(&str, Vec<(&str, &str)>)]) -> Vec<Answer> {
        let mut running = Vec::new();
        for (target, fields) in targets {
            let request = request(&self.base, "GET", target, fields, "");
            let mut sender = self.sender.clone();
            running.push(
                self.runtime.spawn(async move { exchange(&mut sender, request).await.unwrap() }),
            );
        }
        self.runtime.block_on(async {
            let mut answers = Vec::new();
            for answer in running {
                answers.push(time::timeout(PATIENCE, answer).await.unwrap().unwrap());
            }
            answers
        })
    }

    /// Waits until the gateway has ended the connection.
    pub(crate) fn ended(&mut self) {
        let connection = self.connection.take().unwrap();
        let ended = self.runtime.block_on(async { time::timeout(PATIENCE, connection).await });
        let _ = ended.expect("the gateway keeps the connection");
    }
}

fn request(
    base: &str,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> Request<Body> {
    let uri = format!("{base}{target}");
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    request.body(body.map_err(|never| match never {}).boxed()).unwrap()
}

async fn exchange(
    sender: &mut SendRequest<Body>,
    request: Request<Body>,
) -> Result<Answer, String> {
    sender.ready().await.map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    Ok(collect(answer).await)
}

async fn collect(answer: Response<Incoming>) -> Answer {
    let (head, body) = answer.into_parts();
    let (body, trailers) = match body.collect().await {
        Ok(collected) => {
            let trailers = collected.trailers().cloned();
            (Ok(collected.to_bytes()), trailers)
        }
        Err(error) => (Err(error.to_string()), None),
    };
    Answer { status: head.status, fields: head.headers, body, trailers }
}
