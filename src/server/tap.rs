//! A client's stream with an ear on it: what was read to tell HTTP/1.1 from HTTP/2 is given back first,
//! and the [`Watch`] hears of bytes that come and bytes that cannot go.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::watch::Watch;

/// What a client with prior knowledge of HTTP/2 says first (RFC 9113 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A tapped stream.
pub(super) struct Tap<S> {
    stream: S,
    watch: Rc<Watch>,
    first: [u8; PREFACE.len()],
    first_read: usize,
    first_given: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Tap<S> {
    pub(super) fn new(stream: S, watch: Rc<Watch>) -> Self {
        Self { stream, watch, first: [0; PREFACE.len()], first_read: 0, first_given: 0 }
    }

    /// Reads until it is certain whether the client speaks HTTP/2.
    ///
    /// # Errors
    /// When the stream ends or fails before that.
    pub(super) async fn speaks_http2(&mut self) -> io::Result<bool> {
        std::future::poll_fn(|cx| self.poll_sniff(cx)).await
    }

    fn poll_sniff(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            let known = &self.first[..self.first_read];
            if !PREFACE.starts_with(known) {
                return Poll::Ready(Ok(false));
            }
            if known.len() == PREFACE.len() {
                return Poll::Ready(Ok(true));
            }
            let mut rest = ReadBuf::new(&mut self.first[self.first_read..]);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut rest))?;
            if rest.filled().is_empty() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.first_read += rest.filled().len();
        }
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
        if this.first_given < this.first_read {
            let rest = &this.first[this.first_given..this.first_read];
            let given = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..given]);
            this.first_given += given;
        }
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        let read = buf.filled().len() - before;
        if read == 0 {
            return polled;
        }
        this.watch.bytes_read();
        match polled {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncWrite + Unpin> Tap<S> {
    fn heard<T>(&self, polled: Poll<T>) -> Poll<T> {
        self.watch.write_blocked(polled.is_pending());
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
