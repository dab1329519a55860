//! A backend that trusts everyone: it answers every request with what it received.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::server::{Listener, health, local};

/// More of a body is not shown.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Starts it on a free port of loopback, on a thread of its own that ends with the process.
pub(super) fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default())
    };
    thread::Builder::new().name("demo-backend".to_owned()).spawn(move || {
        let (_stays, leaving) = watch::channel(false);
        runtime()?.block_on(local::serve(Listener::Tcp(listener), leaving, answer))
    })?;
    Ok(address)
}

async fn answer(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(_) => "(cut, or larger than 1 MiB)".to_owned(),
    };
    let received = json!({
        "method": head.method.as_str(),
        "path": head.uri.path(),
        "query": head.uri.query(),
        "headers": fields(&head.headers),
        "body": body,
    });
    health::text(StatusCode::OK, "application/json", format!("{received:#}\n"))
}

/// Every field with its value, or with all of its values.
fn fields(fields: &http::HeaderMap) -> Value {
    let mut shown = Map::new();
    for name in fields.keys() {
        let lines = fields.get_all(name).iter();
        let lines = lines.map(|line| Value::from(String::from_utf8_lossy(line.as_bytes())));
        let mut lines: Vec<Value> = lines.collect();
        let value = if lines.len() == 1 { lines.remove(0) } else { Value::from(lines) };
        shown.insert(name.as_str().to_owned(), value);
    }
    Value::Object(shown)
}
