//! An HTTP/2 client with prior knowledge. Driven only while a test waits for it.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    runtime::Runtime,
    task::JoinHandle,
    time::{self},
};

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

/// A connection.
pub(crate) struct Http2 {
    runtime: Runtime,
    sender: SendRequest<Body>,
    connection: Option<JoinHandle<Result<(), hyper::Error>>>,
}

impl Http2 {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (sender, connection) = runtime.block_on(async {
            let stream = TcpStream::connect(address).await.unwrap();
            let io = TokioIo::new(stream);
            http2::handshake::<_, _, Body>(TokioExecutor::new(), io).await.unwrap()
        });
        let connection = Some(runtime.spawn(connection));
        Self { runtime, sender, connection }
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
        let request = request(method, target, fields, body);
        let sender = &mut self.sender;
        self.runtime.block_on(async {
            time::timeout(PATIENCE, exchange(sender, request)).await.expect("no answer over HTTP/2")
        })
    }

    /// Several requests at once.
    pub(crate) fn ask_all(&mut self, targets: &[(&str, Vec<(&str, &str)>)]) -> Vec<Answer> {
        let mut running = Vec::new();
        for (target, fields) in targets {
            let (mut sender, request) = (self.sender.clone(), request("GET", target, fields, ""));
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

fn request(method: &str, target: &str, fields: &[(&str, &str)], body: &str) -> Request<Body> {
    let uri = format!("http://shop.example{target}");
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
    let (head, body) = answer.into_parts();
    let (body, trailers) = match body.collect().await {
        Ok(collected) => {
            let trailers = collected.trailers().cloned();
            (Ok(collected.to_bytes()), trailers)
        }
        Err(error) => (Err(error.to_string()), None),
    };
    Ok(Answer { status: head.status, fields: head.headers, body, trailers })
}
