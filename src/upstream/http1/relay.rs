//! An answer that comes before its request has gone out: both directions go on, on a task of their own, so
//! that neither waits for whoever reads or sends the other one slowly.

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Frame;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::{
    download::{Broken, Download},
    upload::{Stuck, Upload},
};
use crate::{
    tick,
    upstream::{Progress, Upstream},
};

/// The answer's side of a relay.
pub(in crate::upstream) struct Relayed {
    frames: Receiver<Option<Frame<Bytes>>>,
    left: Option<u64>,
    over: bool,
}

impl Relayed {
    /// Goes on with both. The connection comes back to `upstream` when both have ended well.
    pub(super) fn start(
        upstream: Rc<Upstream>,
        download: Download,
        (upload, progress): (Upload, Rc<Progress>),
    ) -> Self {
        let (sender, frames) = mpsc::channel(1);
        let relayed = Self { frames, left: download.left(), over: download.is_over() };
        tokio::task::spawn_local(run(upstream, download, (upload, progress), sender));
        relayed
    }

    pub(in crate::upstream) fn is_over(&self) -> bool {
        self.over
    }

    pub(in crate::upstream) fn left(&self) -> Option<u64> {
        self.left
    }

    pub(in crate::upstream) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.over {
            return Poll::Ready(None);
        }
        match ready!(self.frames.poll_recv(cx)) {
            Some(Some(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.left = self.left.map(|left| left - bytes);
                self.over = frame.is_trailers() || self.left == Some(0);
                Poll::Ready(Some(Ok(frame)))
            }
            Some(None) => {
                self.over = true;
                Poll::Ready(None)
            }
            None => Poll::Ready(Some(Err(Broken))),
        }
    }
}

async fn run(
    upstream: Rc<Upstream>,
    download: Download,
    (mut upload, progress): (Upload, Rc<Progress>),
    frames: Sender<Option<Frame<Bytes>>>,
) {
    let idle = upstream.settings.idle_timeout;
    let download = RefCell::new(download);
    let up = async {
        let mut sent = pin!(poll_fn(|cx| match download.borrow_mut().connection() {
            Some(connection) => upload.poll(connection, cx),
            None => Poll::Ready(Err(Stuck::Stream)),
        }));
        let mut gone = None;
        loop {
            match tick::timeout(idle, sent.as_mut()).await {
                Some(Ok(())) => return Ok(true),
                // It has answered, and needs no more of the request to do so.
                Some(Err(Stuck::Stream)) => return Ok(false),
                Some(Err(Stuck::Body(_))) => return Err(Broken),
                // A server that has answered and takes nothing more would be waited for for ever.
                None if download.borrow().is_over() && gone == Some(progress.bytes()) => {
                    return Err(Broken);
                }
                None => gone = Some(progress.bytes()),
            }
        }
    };
    let down = async {
        while !download.borrow().is_over() {
            let room = frames.reserve().await.map_err(|_| Broken)?;
            let next = tokio::select! {
                biased;
                next = poll_fn(|cx| download.borrow_mut().poll(cx)) => next.transpose()?,
                () = frames.closed() => return Err(Broken),
            };
            let ends = next.is_none();
            room.send(next);
            if ends {
                break;
            }
        }
        Ok(())
    };
    if let Ok((true, ())) = tokio::try_join!(up, down)
        && let Some(connection) = download.into_inner().into_reusable()
    {
        upstream.give_back(connection);
    }
}
