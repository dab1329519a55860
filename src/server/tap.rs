//! A client's stream with an ear on it: what was read ahead (to tell HTTP/1.1 from HTTP/2, or to wake a
//! resting connection) is given back first, the [`Watch`] hears of bytes that come and bytes that cannot
//! go, and the [`Ledger`] of the frames of HTTP/2.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    ledger::{Allowance, Ledger},
    watch::Watch,
};

/// What a client with prior knowledge of HTTP/2 says first (RFC 9113 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A tapped stream.
pub(super) struct Tap<S> {
    stream: S,
    watch: Rc<Watch>,
    /// Read ahead and not given yet. Holds no memory while nothing is.
    ahead: Vec<u8>,
    /// Boxed: HTTP/1.1 has none.
    ledger: Option<Box<Ledger>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Tap<S> {
    pub(super) fn new(stream: S, watch: Rc<Watch>) -> Self {
        Self { stream, watch, ahead: Vec::new(), ledger: None }
    }

    /// Reads until it is certain whether the client speaks HTTP/2.
    ///
    /// # Errors
    /// When the stream ends or fails before that.
    pub(super) async fn speaks_http2(&mut self) -> io::Result<bool> {
        std::future::poll_fn(|cx| self.poll_sniff(cx)).await
    }

    /// What comes, its preface first, is HTTP/2, and may cost us no more than this.
    pub(super) fn counts_frames(&mut self, allowance: Allowance) {
        self.ledger = Some(Box::new(Ledger::new(allowance, PREFACE.len())));
    }

    fn poll_sniff(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            if !PREFACE.starts_with(&self.ahead) {
                return Poll::Ready(Ok(false));
            }
            if self.ahead.len() == PREFACE.len() {
                return Poll::Ready(Ok(true));
            }
            ready!(self.poll_ahead(cx, PREFACE.len() - self.ahead.len()))?;
        }
    }

    /// Waits until there is something to read.
    ///
    /// # Errors
    /// When the stream ends or fails before that.
    pub(super) async fn speaks_again(&mut self) -> io::Result<()> {
        if self.ahead.is_empty() {
            std::future::poll_fn(|cx| self.poll_ahead(cx, PREFACE.len())).await?;
            self.watch.bytes_read();
        }
        Ok(())
    }

    /// Takes back what somebody read and did not use.
    pub(super) fn unread(&mut self, bytes: &[u8]) {
        self.ahead.splice(..0, bytes.iter().copied());
    }

    /// Reads at least one byte and at most `most`, no more than a preface's.
    fn poll_ahead(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<()>> {
        let mut room = [0; PREFACE.len()];
        let mut read = ReadBuf::new(&mut room[..most]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        if read.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.ahead.extend_from_slice(read.filled());
        Poll::Ready(Ok(()))
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
        if !this.ahead.is_empty() {
            let given = this.ahead.len().min(buf.remaining());
            buf.put_slice(&this.ahead[..given]);
            this.ahead = this.ahead.split_off(given);
        }
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        let read = buf.filled().len() - before;
        if read == 0 {
            return polled;
        }
        this.watch.bytes_read();
        if let Some(ledger) = &mut this.ledger
            && ledger.read(&buf.filled()[before..]).is_err()
        {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        match polled {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncWrite + Unpin> Tap<S> {
    fn heard(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.watch.write_blocked(polled.is_pending());
        if let (Some(ledger), Poll::Ready(Ok(bytes))) = (&mut self.ledger, &polled) {
            ledger.wrote(*bytes);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.heard(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.heard(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
