//! The least that a proxy made of hyper can cost: a thread per core with its own socket and its own
//! connections to the backend. It checks nothing, changes no field and has no limits.

use std::{
    cell::RefCell,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    thread,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    task::spawn_local,
};

use crate::Outcome;

/// Connections to the backend that wait for a request.
type Pool = Rc<RefCell<Vec<SendRequest<Incoming>>>>;

/// Serves until it is killed.
pub(crate) fn serve(port: &str, backend: &str) -> Outcome<()> {
    let address = SocketAddr::from(([127, 0, 0, 1], port.parse()?));
    let backend = SocketAddr::from(([127, 0, 0, 1], backend.parse()?));
    let workers = thread::available_parallelism()?.get();
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(move || {
                if let Err(error) = work(address, backend) {
                    eprintln!("passthrough: {error}");
                }
            });
        }
    });
    Ok(())
}

fn work(address: SocketAddr, backend: SocketAddr) -> Outcome<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())?;
    runtime.block_on(async move {
        let listener = TcpListener::from_std(socket.into())?;
        let pool = Pool::default();
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let pool = Rc::clone(&pool);
            let service = service_fn(move |request| pass(Rc::clone(&pool), backend, request));
            spawn_local(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    })
}

async fn pass(
    pool: Pool,
    backend: SocketAddr,
    request: Request<Incoming>,
) -> Outcome<Response<Returning>> {
    let known = std::iter::from_fn(|| pool.borrow_mut().pop()).find(|known| !known.is_closed());
    let mut sender = match known {
        Some(sender) => sender,
        None => {
            let stream = TcpStream::connect(backend).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            spawn_local(connection);
            sender
        }
    };
    sender.ready().await?;
    let answer = sender.send_request(request).await?;
    Ok(answer.map(|body| Returning { body, lease: Some((sender, pool)) }))
}

/// A body that gives its connection back when it has ended.
struct Returning {
    body: Incoming,
    lease: Option<(SendRequest<Incoming>, Pool)>,
}

impl Body for Returning {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        if self.body.is_end_stream()
            && let Some((sender, pool)) = self.lease.take()
        {
            pool.borrow_mut().push(sender);
        }
    }
}
