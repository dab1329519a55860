//! A request that asks to switch protocols: on a connection of its own, which is never used for another
//! request. It is no part of the pool's share either: it lasts for hours, and would starve the others.

use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, response::Parts};
use http_body::Body as _;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Connection, OpenGuard, RequestBody, ResponseBody, Upstream, UpstreamError, failure, framing,
};
use crate::tick;

/// Any stream of bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Duplex for S {}

/// What is left of a connection that has switched.
pub struct Switched {
    /// The bytes in both directions, no longer HTTP.
    pub stream: Box<dyn Duplex>,
    /// What the backend sent right behind its answer.
    pub ahead: Bytes,
}

/// What came of the request.
pub enum Answered {
    /// 101, and what follows it. Nobody has looked at its fields yet.
    Switched(Box<Parts>, Switched),
    /// An answer like any other.
    Plain(Box<Response<ResponseBody>>),
}

impl Upstream {
    /// Sends `request`, which asks to switch protocols, and waits for the head of its answer, at most
    /// `first_byte`. It is sent once: to be sent again it would have to be unsent for certain.
    ///
    /// # Errors
    /// [`UpstreamError`]; dropping the future closes the connection that it used.
    pub async fn switch(
        self: &Rc<Self>,
        request: Request<RequestBody>,
        first_byte: Duration,
    ) -> Result<Answered, UpstreamError> {
        let open = OpenGuard::new(&self.open);
        let (sender, task, meter) = self.connect().await?;
        meter.may_switch();
        let mut connection = Connection { sender, task, meter, pooled: false, _open: open };
        let answer = connection.sender.try_send_request(request);
        let response = match tick::timeout(first_byte, answer).await {
            None => return Err(UpstreamError::TimedOut),
            Some(Err(_)) if connection.meter.is_spent() => return Err(UpstreamError::BadResponse),
            Some(Err(error)) => return Err(failure(&error.into_error(), None)),
            Some(Ok(response)) => response,
        };
        connection.meter.head_came();
        let (mut head, body) = response.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            // The connection's task ends with the head; it only has to run once more.
            return match tick::timeout(first_byte, &mut connection.task).await {
                Some(Ok(Some(switched))) => Ok(Answered::Switched(Box::new(head), switched)),
                Some(Ok(None) | Err(_)) | None => Err(UpstreamError::Closed),
            };
        }
        framing::settle(&mut head, false, body.size_hint().exact())?;
        let body = ResponseBody::new(body, connection, Rc::clone(self));
        Ok(Answered::Plain(Box::new(Response::from_parts(head, body))))
    }
}
