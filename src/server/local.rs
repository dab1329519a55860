//! The small HTTP/1.1 server of the health and admin listeners: few clients, all of them the operator's.

use std::{
    convert::Infallible,
    future::poll_fn,
    io, iter,
    pin::pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::watch,
    task::spawn_local,
};

use super::bind::Listener;
use crate::wire::Duplex;

/// Longest wait for a head, and longest silence of a kept-alive connection. Probes come every few
/// seconds, scrapes every minute at most.
const HEAD_TIME: Duration = Duration::from_secs(60);

/// Serves `listener` until it is told to leave, and then whoever has connected in time. Everybody who is
/// served holds `leaving`: nobody is left when its sender is alone.
///
/// # Errors
/// When the socket cannot be used at all; a failed accept is tried again.
pub async fn serve<F, A>(
    listener: Listener,
    leaving: watch::Receiver<bool>,
    answer: F,
) -> io::Result<()>
where
    F: Fn(Request<Incoming>) -> A + 'static,
    A: Future<Output = Response<Full<Bytes>>> + 'static,
{
    let (answer, door) = (Rc::new(answer), Door::try_from(listener)?);
    let enters = |stream| {
        drop(spawn_local(connection(stream, leaving.clone(), Rc::clone(&answer))));
    };
    let mut told = leaving.clone();
    loop {
        let stream = tokio::select! {
            stream = poll_fn(|cx| door.poll_accept(cx)) => stream,
            _ = told.wait_for(|leaves| *leaves) => break,
        };
        match stream {
            Ok(stream) => enters(stream),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    door.waiting().into_iter().for_each(enters);
    Ok(())
}

enum Door {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl TryFrom<Listener> for Door {
    type Error = io::Error;

    fn try_from(listener: Listener) -> io::Result<Self> {
        Ok(match listener {
            Listener::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?),
            Listener::Unix(listener) => Self::Unix(UnixListener::from_std(listener)?),
        })
    }
}

impl Door {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Box<dyn Duplex>>> {
        match self {
            Self::Tcp(door) => door.poll_accept(cx).map_ok(|(stream, _)| Box::new(stream) as _),
            Self::Unix(door) => door.poll_accept(cx).map_ok(|(stream, _)| Box::new(stream) as _),
        }
    }

    /// Closes the socket; what the kernel had accepted on it comes out first. The kernel is asked itself: the
    /// runtime knows only of those whom it has been told of.
    fn waiting(self) -> Vec<Box<dyn Duplex>> {
        match self {
            Self::Tcp(door) => {
                let Ok(door) = door.into_std() else { return Vec::new() };
                let streams = iter::from_fn(|| door.accept().ok());
                let ready = streams.filter_map(|(stream, _)| {
                    stream.set_nonblocking(true).ok()?;
                    TcpStream::from_std(stream).ok()
                });
                ready.map(|stream| Box::new(stream) as _).collect()
            }
            Self::Unix(door) => {
                let Ok(door) = door.into_std() else { return Vec::new() };
                let streams = iter::from_fn(|| door.accept().ok());
                let ready = streams.filter_map(|(stream, _)| {
                    stream.set_nonblocking(true).ok()?;
                    UnixStream::from_std(stream).ok()
                });
                ready.map(|stream| Box::new(stream) as _).collect()
            }
        }
    }
}

async fn connection<F, A>(
    stream: Box<dyn Duplex>,
    mut leaving: watch::Receiver<bool>,
    answer: Rc<F>,
) where
    F: Fn(Request<Incoming>) -> A,
    A: Future<Output = Response<Full<Bytes>>>,
{
    let service = service_fn(|request| {
        let answered = answer(request);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .serve_connection(TokioIo::new(stream), service)
    );
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = leaving.wait_for(|leaves| *leaves) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
