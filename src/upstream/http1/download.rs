//! An answer's body on its way in, delimited as its head says.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;

use super::connection::Connection;
use crate::wire::{Content, Delimited, Next};

/// The server cut it, or broke its framing.
#[derive(Debug)]
pub(in crate::upstream) struct Broken;

/// A body that is still to be read from its connection.
pub(in crate::upstream) struct Download {
    connection: Option<Box<Connection>>,
    left: Delimited,
    keeps: bool,
}

impl Download {
    /// `keeps`: the connection may carry another request afterwards.
    pub(super) fn new(connection: Box<Connection>, content: Content, keeps: bool) -> Self {
        let left = Delimited::from(content);
        let keeps = keeps && !matches!(left, Delimited::UntilClose);
        Self { connection: Some(connection), left, keeps }
    }

    /// Whether all of it has been read.
    pub(in crate::upstream) fn is_over(&self) -> bool {
        self.left.is_over()
    }

    /// How many bytes are still to come, if that is known.
    pub(in crate::upstream) fn left(&self) -> Option<u64> {
        self.left.left()
    }

    /// The connection, if the answer has ended on it and it can carry another request.
    pub(in crate::upstream) fn into_reusable(mut self) -> Option<Box<Connection>> {
        let clean = self.keeps && self.is_over();
        self.connection.take().filter(|connection| clean && connection.input.bytes.is_empty())
    }

    pub(super) fn connection(&mut self) -> Option<&mut Connection> {
        self.connection.as_deref_mut()
    }

    pub(in crate::upstream) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Some(connection) = self.connection.as_deref_mut() else { return Poll::Ready(None) };
        loop {
            let Ok(next) = self.left.next(&mut connection.input.bytes) else {
                return Poll::Ready(Some(Err(Broken)));
            };
            match next {
                Next::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Next::Trailers(fields) => return Poll::Ready(Some(Ok(Frame::trailers(fields)))),
                Next::End => return Poll::Ready(None),
                Next::More => match ready!(connection.poll_fill(cx)) {
                    Ok(0) if self.left.ends() => return Poll::Ready(None),
                    Ok(0) | Err(_) => return Poll::Ready(Some(Err(Broken))),
                    Ok(_) => (),
                },
            }
        }
    }
}
