//! The small HTTP/1.1 server of the health and admin listeners: few clients, all of them the operator's.

use std::{convert::Infallible, io, rc::Rc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    task::spawn_local,
};

use super::bind::Listener;

/// Longest wait for a head, and longest silence of a kept-alive connection. Probes come every few
/// seconds, scrapes every minute at most.
const HEAD_TIME: Duration = Duration::from_secs(60);

/// Serves `listener` until the task is dropped.
///
/// # Errors
/// When the socket cannot be used at all; a failed accept is tried again.
pub async fn serve<F, A>(listener: Listener, answer: F) -> io::Result<()>
where
    F: Fn(Request<Incoming>) -> A + 'static,
    A: Future<Output = Response<Full<Bytes>>> + 'static,
{
    let answer = Rc::new(answer);
    match listener {
        Listener::Tcp(listener) => {
            let listener = TcpListener::from_std(listener)?;
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => drop(spawn_local(connection(stream, Rc::clone(&answer)))),
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        }
        Listener::Unix(listener) => {
            let listener = UnixListener::from_std(listener)?;
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => drop(spawn_local(connection(stream, Rc::clone(&answer)))),
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        }
    }
}

async fn connection<F, A>(stream: impl AsyncRead + AsyncWrite + Unpin, answer: Rc<F>)
where
    F: Fn(Request<Incoming>) -> A,
    A: Future<Output = Response<Full<Bytes>>>,
{
    let service = service_fn(|request| {
        let answered = answer(request);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
