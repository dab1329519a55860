//! An answer's body on its way in, delimited as its head says.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;

use super::{
    chunked::{Chunked, Next},
    connection::Connection,
};
use crate::upstream::framing::Content;

/// The server cut it, or broke its framing.
#[derive(Debug)]
pub(in crate::upstream) struct Broken;

/// A body that is still to be read from its connection.
pub(in crate::upstream) struct Download {
    connection: Option<Box<Connection>>,
    left: Left,
    keeps: bool,
}

/// What is left of a body.
enum Left {
    Bytes(u64),
    Chunked(Chunked),
    UntilClose,
    Nothing,
}

impl Download {
    /// `keeps`: the connection may carry another request afterwards.
    pub(super) fn new(connection: Box<Connection>, content: Content, keeps: bool) -> Self {
        let left = match content {
            Content::Nothing | Content::Length(0) => Left::Nothing,
            Content::Length(length) => Left::Bytes(length),
            Content::Chunked => Left::Chunked(Chunked::new()),
            Content::UntilClose => Left::UntilClose,
        };
        let keeps = keeps && !matches!(left, Left::UntilClose);
        Self { connection: Some(connection), left, keeps }
    }

    /// Whether all of it has been read.
    pub(in crate::upstream) fn is_over(&self) -> bool {
        match &self.left {
            Left::Nothing => true,
            Left::Chunked(chunked) => chunked.is_over(),
            Left::Bytes(_) | Left::UntilClose => false,
        }
    }

    /// How many bytes are still to come, if that is known.
    pub(in crate::upstream) fn left(&self) -> Option<u64> {
        match &self.left {
            Left::Nothing => Some(0),
            Left::Bytes(left) => Some(*left),
            Left::Chunked(_) | Left::UntilClose => None,
        }
    }

    /// The connection, if the answer has ended on it and it can carry another request.
    pub(in crate::upstream) fn into_reusable(mut self) -> Option<Box<Connection>> {
        let clean = self.keeps && self.is_over();
        self.connection.take().filter(|connection| clean && connection.input.is_empty())
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
            let next = match &mut self.left {
                Left::Nothing => return Poll::Ready(None),
                Left::Chunked(chunked) => match chunked.next(&mut connection.input) {
                    Ok(next) => next,
                    Err(_) => return Poll::Ready(Some(Err(Broken))),
                },
                Left::Bytes(_) | Left::UntilClose if connection.input.is_empty() => Next::More,
                Left::Bytes(left) => {
                    let there = connection.input.len();
                    let here = usize::try_from(*left).map_or(there, |left| left.min(there));
                    *left -= here as u64;
                    if *left == 0 {
                        self.left = Left::Nothing;
                    }
                    Next::Data(connection.input.split_to(here).freeze())
                }
                Left::UntilClose => Next::Data(connection.input.split().freeze()),
            };
            match next {
                Next::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Next::Trailers(fields) => return Poll::Ready(Some(Ok(Frame::trailers(fields)))),
                Next::End => return Poll::Ready(None),
                Next::More => match ready!(connection.poll_fill(cx)) {
                    Ok(0) if matches!(self.left, Left::UntilClose) => {
                        self.left = Left::Nothing;
                        return Poll::Ready(None);
                    }
                    Ok(0) | Err(_) => return Poll::Ready(Some(Err(Broken))),
                    Ok(_) => (),
                },
            }
        }
    }
}
