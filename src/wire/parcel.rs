//! Bytes on their way out: a head, and the pieces of a body behind it, written together and without being
//! copied where they are large.

use std::{
    io::{self, IoSlice, Write as _},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncWrite, ReadBuf};

use super::spare;

/// The end of a chunked body, and the same behind a chunk.
const LAST_CHUNK: &str = "0\r\n\r\n";
const CHUNK_AND_LAST: &str = "\r\n0\r\n\r\n";

/// Pieces below this are copied together, so that many of them are one write: to write one costs more
/// than to copy it.
const SMALL: usize = 4 * 1024;

/// Pieces that are no more than this together, bytes, are copied and written as one: the system takes one
/// piece for less than several.
const AT_ONCE: usize = 2 * 1024;

/// So much goes before more is taken, bytes.
const FULL: usize = 16 * 1024;

/// What goes out next: `lead`, then `piece`, then `trail`.
#[derive(Debug)]
pub struct Parcel {
    lead: Vec<u8>,
    piece: Bytes,
    trail: &'static str,
    /// How much of these three has gone.
    gone: usize,
}

impl Parcel {
    /// A head.
    #[must_use]
    pub fn new(lead: Vec<u8>) -> Self {
        Self { lead, piece: Bytes::new(), trail: "", gone: 0 }
    }

    /// Whether nothing is there to go.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lead.is_empty() && self.piece.is_empty() && self.trail.is_empty()
    }

    /// Whether it takes another piece before it goes.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.gone == 0 && self.piece.len() < SMALL && self.lead.len() < FULL
    }

    /// Adds a piece of a body, as a chunk where it is `chunked`. Only where there is room.
    pub fn put(&mut self, piece: Bytes, chunked: bool) {
        self.fold();
        if chunked {
            // It fails only where there is no memory.
            let _ = write!(self.lead, "{:x}\r\n", piece.len());
            self.trail = "\r\n";
        }
        self.piece = piece;
    }

    /// Adds the end of a body that is chunked.
    pub fn end_chunks(&mut self) {
        self.trail = if self.trail.is_empty() { LAST_CHUNK } else { CHUNK_AND_LAST };
    }

    /// Adds the end of a body that is chunked, with fields behind it: these lines.
    pub fn end_chunks_with(&mut self, lines: &[u8]) {
        self.fold();
        self.lead.extend_from_slice(b"0\r\n");
        self.lead.extend_from_slice(lines);
        self.lead.extend_from_slice(b"\r\n");
    }

    /// Makes one of the three.
    fn fold(&mut self) {
        if !self.piece.is_empty() || !self.trail.is_empty() {
            self.lead.extend_from_slice(&self.piece);
            self.lead.extend_from_slice(self.trail.as_bytes());
            (self.piece, self.trail) = (Bytes::new(), "");
        }
    }

    /// Writes all that is there.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn poll_write(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin + ?Sized),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let parts = [&self.lead[..], &self.piece, self.trail.as_bytes()];
        let all: usize = parts.iter().map(|part| part.len()).sum();
        while self.gone < all {
            let mut skip = self.gone;
            let mut slices = [IoSlice::new(&[]); 3];
            let mut used = 0;
            for part in parts {
                let skipped = skip.min(part.len());
                skip -= skipped;
                if skipped < part.len() {
                    slices[used] = IoSlice::new(&part[skipped..]);
                    used += 1;
                }
            }
            let stream = Pin::new(&mut *stream);
            let wrote = match &slices[..used] {
                [only] => ready!(stream.poll_write(cx, only))?,
                several if all - self.gone <= AT_ONCE => {
                    let mut room = [const { MaybeUninit::uninit() }; AT_ONCE];
                    let mut whole = ReadBuf::uninit(&mut room);
                    several.iter().for_each(|part| whole.put_slice(part));
                    ready!(stream.poll_write(cx, whole.filled()))?
                }
                several => ready!(stream.poll_write_vectored(cx, several))?,
            };
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.gone += wrote;
        }
        self.lead.clear();
        (self.piece, self.trail, self.gone) = (Bytes::new(), "", 0);
        Poll::Ready(Ok(()))
    }

    /// Whether some of it has gone, and not all.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.gone > 0
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        spare::keep(std::mem::take(&mut self.lead));
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[test]
    fn all_parts_go_in_their_order_however_little_is_taken_at_a_time() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for length in [0, 1, AT_ONCE - 20, AT_ONCE, 3 * AT_ONCE] {
            for room in [1, 7, 4 * AT_ONCE] {
                let body = vec![b'x'; length];
                let mut parcel = Parcel::new(b"head\r\n\r\n".to_vec());
                parcel.put(body.clone().into(), true);
                parcel.end_chunks();
                let (mut ours, mut theirs) = tokio::io::duplex(room);
                let written = async {
                    poll_fn(|cx| parcel.poll_write(&mut ours, cx)).await.unwrap();
                    drop(ours);
                };
                let mut came = Vec::new();
                let read = theirs.read_to_end(&mut came);
                runtime.block_on(async { tokio::join!(written, read).1.unwrap() });
                let head = format!("head\r\n\r\n{length:x}\r\n");
                let whole = [head.as_bytes(), &body, CHUNK_AND_LAST.as_bytes()].concat();
                assert!(came == whole, "{length} bytes, {room} at a time");
            }
        }
    }
}
