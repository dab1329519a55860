//! Requests to a backend over HTTP/1.1: a connection carries one at a time, and is used again only after
//! a clean end of both the request and its answer.
//!
//! Nothing of it runs by itself: whoever waits for the answer, and then reads its body, drives the
//! connection, so an answer needs no task, no channel and no second waking. Only where an answer comes
//! before its request has gone out, a task goes on with both (`relay`).

mod connection;
mod download;
mod head;
mod relay;
mod upload;

use std::{
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Method, StatusCode};

pub(super) use self::{
    connection::Connection,
    download::{Broken, Download},
    head::HEAD_BYTES,
    relay::Relayed,
};
use self::{
    head::{Answer, Awaited},
    upload::{Stuck, Upload},
};
use super::{
    Answered, BodyFault, Outgoing, RequestBody, ResponseBody, Switched, Upstream, UpstreamError,
    again::{self, Again},
    framing,
    request_body::{self, GivenUp},
};
use crate::{tick, wire::Reply};

/// Why there is no answer.
enum Failed {
    /// The connection has not taken a byte of the request.
    Unsent,
    For(UpstreamError),
}

/// Sends `request` and waits for the head of its answer, as [`Upstream::send`] says. It is written at once: what
/// waits holds the text of its head, and not the head as well.
pub(super) fn send(
    upstream: &Rc<Upstream>,
    request: Outgoing,
    first_byte: Duration,
) -> impl Future<Output = Result<Reply<ResponseBody>, UpstreamError>> {
    let to_head = request.method == Method::HEAD;
    let progress = request.body.progress();
    let text = head::written(&request);
    let mut again = Again::of(upstream, &request.method, &request.body);
    if let Some(again) = again.as_mut().filter(|again| again.is_safe()) {
        again.head = Some(text.clone());
    }
    let mut upload = Upload::new(text, request.body);
    async move {
        let mut limit = first_byte;
        loop {
            let tried = again.as_deref().map_or(&[][..], |again| &again.tried);
            let (mut connection, reused) = upstream.checkout(tried).await?;
            let mut awaited = Awaited::new(false);
            let answer =
                std::future::poll_fn(|cx| poll(&mut connection, &mut upload, &mut awaited, cx));
            let pressed = || upstream.is_pressed();
            let failed =
                match request_body::within(limit, progress.as_deref(), pressed, answer).await {
                    Err(GivenUp::Backend) => Failed::For(UpstreamError::TimedOut),
                    Err(GivenUp::Client) => return Err(UpstreamError::Body(BodyFault::TooSlow)),
                    // An idle connection that the backend had closed meanwhile.
                    Ok(Err(Failed::Unsent)) if reused => continue,
                    Ok(Err(failed)) => failed,
                    Ok(Ok(Answer { status, version, mut fields, keeps })) => {
                        connection.answered();
                        let content = framing::settle((version, status), &mut fields, to_head)?;
                        let download = Download::new(connection, content, keeps);
                        let upstream = Rc::clone(upstream);
                        let body = match progress.filter(|_| !upload.is_done()) {
                            None => ResponseBody::direct(download, upstream),
                            Some(progress) => {
                                let both = (upload, progress);
                                ResponseBody::relayed(
                                    Relayed::start(Rc::clone(&upstream), download, both),
                                    upstream,
                                )
                            }
                        };
                        return Ok(Reply { status, fields, body });
                    }
                };
            let silent = awaited.is_silent(&connection);
            if let Some(head) =
                fail(upstream, again.as_deref_mut(), &mut connection, failed, silent)?
            {
                upload = Upload::new(head, RequestBody::Empty);
                limit = again.as_ref().map_or(limit, |again| again.left(first_byte));
            }
        }
    }
}

/// Takes note of a failure. `Ok` when another server is to be asked, with the head to be sent once more where
/// some of it had gone.
fn fail(
    upstream: &Upstream,
    again: Option<&mut Again>,
    connection: &mut Connection,
    failed: Failed,
    silent: bool,
) -> Result<Option<Vec<u8>>, UpstreamError> {
    let (untouched, error) = match failed {
        Failed::Unsent => (true, UpstreamError::Closed),
        Failed::For(error) => (false, error),
    };
    let Some(seat) = connection.seat.take() else { return Err(error) };
    let member = Rc::clone(seat.member());
    again::failed(upstream, &member, &error);
    let Some(again) = again else { return Err(error) };
    let closed = silent && matches!(error, UpstreamError::Closed);
    let once_more = untouched || (closed && again.take_safe());
    if once_more && again.leaves(upstream, member) {
        return Ok(again.head.take().filter(|_| !untouched));
    }
    Err(error)
}

/// Sends `request`, which asks to switch protocols, as [`Upstream::switch`] says.
pub(super) async fn switch(
    upstream: &Rc<Upstream>,
    mut connection: Box<Connection>,
    request: Outgoing,
    first_byte: Duration,
) -> Result<Answered, UpstreamError> {
    let mut upload = Upload::new(head::written(&request), request.body);
    let mut awaited = Awaited::new(true);
    let answer = std::future::poll_fn(|cx| poll(&mut connection, &mut upload, &mut awaited, cx));
    let failed = match tick::timeout(first_byte, answer).await {
        None => Failed::For(UpstreamError::TimedOut),
        Some(Err(failed)) => failed,
        Some(Ok(answer)) => return switched(upstream, connection, answer),
    };
    Err(match fail(upstream, None, &mut connection, failed, false) {
        Err(error) => error,
        Ok(_) => UpstreamError::Closed,
    })
}

/// What came of a request to switch protocols.
fn switched(
    upstream: &Rc<Upstream>,
    connection: Box<Connection>,
    answer: Answer,
) -> Result<Answered, UpstreamError> {
    connection.answered();
    let Answer { status, version, mut fields, .. } = answer;
    if status == StatusCode::SWITCHING_PROTOCOLS {
        let (stream, ahead, seat) = connection.into_parts();
        let switched = Switched { stream: Box::new(stream), ahead: ahead.freeze(), _seat: seat };
        return Ok(Answered::Switched(fields, switched));
    }
    let content = framing::settle((version, status), &mut fields, false)?;
    let body = ResponseBody::direct(Download::new(connection, content, false), Rc::clone(upstream));
    Ok(Answered::Plain(Box::new(Reply { status, fields, body })))
}

/// Sends what there is to send, and reads the answer's head, which may come before all has been sent.
fn poll(
    connection: &mut Connection,
    upload: &mut Upload,
    awaited: &mut Awaited,
    cx: &mut Context<'_>,
) -> Poll<Result<Answer, Failed>> {
    if let Poll::Ready(Err(stuck)) = upload.poll(connection, cx) {
        match stuck {
            Stuck::Body(fault) => return Poll::Ready(Err(Failed::For(UpstreamError::Body(fault)))),
            Stuck::Stream if upload.is_untouched() => return Poll::Ready(Err(Failed::Unsent)),
            // Whoever refuses a body early says so before it closes.
            Stuck::Stream => (),
        }
    }
    awaited.poll(connection, cx).map_err(Failed::For)
}
