//! A client's stream with an ear on it: the [`Watch`] hears of bytes that come and bytes that cannot go, and
//! the [`Ledger`] of the frames of HTTP/2.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    ahead::Ahead,
    ledger::{Allowance, Ledger},
    watch::Watch,
};

/// What a client with prior knowledge of HTTP/2 says first (RFC 9113 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A tapped stream.
pub(super) struct Tap<S> {
    stream: Ahead<S>,
    watch: Rc<Watch>,
    /// Boxed: HTTP/1.1 has none.
    ledger: Option<Box<Ledger>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Tap<S> {
    pub(super) fn new(stream: Ahead<S>, watch: Rc<Watch>) -> Self {
        Self { stream, watch, ledger: None }
    }

    /// What comes, its preface first, is HTTP/2, and may cost us no more than this.
    pub(super) fn counts_frames(&mut self, allowance: Allowance) {
        self.ledger = Some(Box::new(Ledger::new(allowance, PREFACE.len())));
    }

    /// Takes back what somebody read and did not use.
    pub(super) fn unread(&mut self, bytes: &[u8]) {
        self.stream.unread(bytes);
    }

    /// Gives the stream back. What was read ahead and not given is the other half.
    pub(super) fn into_parts(self) -> (S, Vec<u8>) {
        self.stream.into_parts()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if buf.filled().len() == before {
            return polled;
        }
        this.watch.bytes_read();
        if let Some(ledger) = &mut this.ledger {
            ledger.moved(this.watch.take_moved());
            if ledger.read(&buf.filled()[before..]).is_err() {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> Tap<S> {
    fn heard<T>(&self, polled: Poll<T>) -> Poll<T> {
        self.watch.write_blocked(polled.is_pending());
        polled
    }

    fn wrote(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let (Some(ledger), Poll::Ready(Ok(bytes))) = (&mut self.ledger, &polled) {
            ledger.wrote(*bytes);
        }
        self.heard(polled)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// TLS takes more than the socket does; a client that does not read shows here then.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.heard(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
