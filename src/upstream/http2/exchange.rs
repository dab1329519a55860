//! One request on one stream: its body pumped beside the wait for the head, so that both directions of a
//! call flow at once.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client::ResponseFuture};
use http::{Request, Response, Uri, request::Parts};
use http_body::Body as _;
use tokio::task::AbortHandle;

use super::line::{Line, Stream};
use crate::upstream::{BodyFault, OpenGuard, Progress, RequestBody, UpstreamError};

/// Most interim answers (1xx) before the answer itself.
const INTERIM_MAX: usize = 100;

/// What is kept of a body until the answer's head is there, bytes: what most calls send in all. Larger
/// ones are not told again.
const KEPT_MAX: usize = 64 * 1024;

/// Why there is no answer.
pub(super) enum Failed {
    /// The peer did not look at the request, and says so, or never got it.
    Unseen(UpstreamError),
    /// It may have.
    Seen(UpstreamError),
}

/// A stream in use. Dropping it ends the stream: the peer is told unless both sides have finished.
pub(crate) struct Ride {
    stream: Stream,
    pump: Option<AbortHandle>,
    permit: Option<OpenGuard>,
}

impl Ride {
    pub(super) fn under(mut self, permit: OpenGuard) -> Self {
        self.permit = Some(permit);
        self
    }

    /// Something of the answer came.
    pub(in crate::upstream) fn heard(&self) {
        self.stream.line().heard();
    }
}

impl Drop for Ride {
    fn drop(&mut self) {
        if let Some(pump) = &self.pump {
            pump.abort();
        }
    }
}

/// Sends a request on a stream of `line`, and waits for the head of its answer.
pub(super) async fn ask(
    line: &Rc<Line>,
    head: Parts,
    upload: &Rc<Upload>,
) -> Result<(Response<RecvStream>, Ride), Failed> {
    let stream = Stream::new(line);
    let unsent = |_| {
        line.retire();
        Failed::Unseen(UpstreamError::Closed)
    };
    let mut sender = line.sender();
    std::future::poll_fn(|cx| sender.poll_ready(cx)).await.map_err(unsent)?;
    let request = Request::from_parts(schemed(head, line), ());
    let (answer, body) = sender.send_request(request, upload.is_empty()).map_err(unsent)?;
    let pump = (!upload.is_empty()).then(|| {
        let pump = pump(Rc::clone(upload), upload.again(), body, Rc::clone(line));
        tokio::task::spawn_local(pump).abort_handle()
    });
    let ride = Ride { stream, pump, permit: None };
    let answer = head_of(answer).await.map_err(|error| match error {
        None => Failed::Seen(UpstreamError::BadResponse),
        Some(error) => classify(&error, line),
    })?;
    ride.heard();
    Ok((answer, ride))
}

/// The head with the `:scheme` of the server that gets it.
fn schemed(mut head: Parts, line: &Line) -> Parts {
    let mut uri = std::mem::take(&mut head.uri).into_parts();
    uri.scheme = Some(line.scheme.clone());
    head.uri = Uri::from_parts(uri).unwrap_or_default();
    head
}

/// The answer's head, interim answers left out; an error of `None` after too many of them.
async fn head_of(mut answer: ResponseFuture) -> Result<Response<RecvStream>, Option<h2::Error>> {
    let mut interim = 0;
    std::future::poll_fn(|cx| {
        while let Poll::Ready(Some(skipped)) = answer.poll_informational(cx) {
            skipped.map_err(Some)?;
            interim += 1;
            if interim > INTERIM_MAX {
                return Poll::Ready(Err(None));
            }
        }
        Pin::new(&mut answer).poll(cx).map_err(Some)
    })
    .await
}

fn classify(error: &h2::Error, line: &Line) -> Failed {
    let refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
    if error.is_remote() && (error.is_go_away() || refused) {
        if error.is_go_away() {
            line.retire();
        }
        return Failed::Unseen(UpstreamError::Closed);
    }
    if error.is_library() {
        return Failed::Seen(UpstreamError::BadResponse);
    }
    Failed::Seen(UpstreamError::Closed)
}

/// A request's body, which can be told again while little of it has gone and no answer has come.
pub(super) struct Upload {
    body: RefCell<RequestBody>,
    /// `None` when there is no body at all.
    progress: Option<Rc<Progress>>,
    kept: RefCell<Vec<Bytes>>,
    bytes: Cell<usize>,
    /// The answer has come, or too much has gone: nothing is kept any more.
    gone: Cell<bool>,
}

impl Upload {
    pub(super) fn new(body: RequestBody) -> Rc<Self> {
        Rc::new(Self {
            progress: body.progress(),
            body: RefCell::new(body),
            kept: RefCell::default(),
            bytes: Cell::new(0),
            gone: Cell::new(false),
        })
    }

    fn is_empty(&self) -> bool {
        self.progress.is_none()
    }

    /// Why the client's part ended early, if it did.
    pub(super) fn fault(&self) -> Option<BodyFault> {
        self.progress.as_deref().and_then(Progress::fault)
    }

    pub(super) fn can_be_told_again(&self) -> bool {
        !self.gone.get()
    }

    /// The peer has answered: nothing will be told again.
    pub(super) fn is_taken(&self) {
        self.gone.set(true);
        self.kept.take();
    }

    /// What has gone before, to be told again.
    fn again(&self) -> VecDeque<Bytes> {
        self.kept.borrow().iter().cloned().collect()
    }

    /// The next piece from the client; `None` at the body's end.
    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyFault>>> {
        let mut body = self.body.borrow_mut();
        let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else { return Poll::Pending };
        // Trailers never come: see `request_body`.
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default())))
    }

    fn keep(&self, piece: &Bytes) {
        if self.gone.get() {
            return;
        }
        self.bytes.set(self.bytes.get() + piece.len());
        if self.bytes.get() > KEPT_MAX {
            self.is_taken();
        } else {
            self.kept.borrow_mut().push(piece.clone());
        }
    }
}

/// Sends the body as fast as the peer takes it. What goes wrong is told by the answer, or the body's fault.
async fn pump(
    upload: Rc<Upload>,
    mut again: VecDeque<Bytes>,
    mut to: SendStream<Bytes>,
    line: Rc<Line>,
) {
    loop {
        let piece = match again.pop_front() {
            Some(piece) => Some(Ok(piece)),
            None => std::future::poll_fn(|cx| upload.poll_next(cx))
                .await
                .map(|piece| piece.inspect(|piece| upload.keep(piece))),
        };
        match piece {
            Some(Ok(piece)) => {
                if !give(&mut to, piece, &line).await {
                    return;
                }
                if let Some(progress) = &upload.progress {
                    progress.went_on();
                }
            }
            Some(Err(_)) => return to.send_reset(Reason::CANCEL),
            None => return drop(to.send_data(Bytes::new(), true)),
        }
    }
}

/// Sends one piece; `false` when the stream has ended.
async fn give(to: &mut SendStream<Bytes>, mut piece: Bytes, line: &Line) -> bool {
    while !piece.is_empty() {
        to.reserve_capacity(piece.len());
        let room = match std::future::poll_fn(|cx| to.poll_capacity(cx)).await {
            Some(Ok(room)) => room.min(piece.len()),
            Some(Err(_)) | None => return false,
        };
        if room > 0 && to.send_data(piece.split_to(room), false).is_err() {
            return false;
        }
        line.heard();
    }
    true
}
