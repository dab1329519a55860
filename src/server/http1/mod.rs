//! A client's connection of HTTP/1.1: head, answer, next head, until one side has enough.
//!
//! One task and no channel: the request's body is read from the connection by whoever forwards it, and a
//! connection that waits for a request holds nothing but its socket. What is a request begins where the
//! last one's body ended and nowhere else; where that place is not certain the connection ends.

mod answer;
mod date;
mod head;

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Method, Version};
use tokio::io::{AsyncRead, AsyncWrite};

use self::answer::{Answer, Asked};
pub(crate) use self::head::{Awaited, Head};
use super::{
    connection::{Ended, until},
    tap::Tap,
    watch::Watch,
};
use crate::{
    gateway::{self, Body, Gate, Peer, Tunnel},
    request::BadRequest,
    tick,
    wire::{Input, Line, Reply},
};

/// Most that is read of a body that nobody wants, bytes, so that its connection can go on.
const DRAINED: usize = 256 * 1024;

/// How long, after the last answer, what the client still sends is read: what is unread when a socket
/// closes destroys an answer on its way.
const LINGERS: Duration = Duration::from_secs(1);

/// A connection, which bodies of requests borrow.
type Shared<S> = Rc<RefCell<Line<Tap<S>>>>;

/// Serves the requests of a connection; `input` was read ahead.
pub(super) async fn serve<S>(
    tap: Tap<S>,
    input: Input,
    peer: Rc<Peer>,
    gate: Rc<Gate>,
    watch: Rc<Watch>,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let line = Rc::new(RefCell::new(Line::new(tap, input)));
    let connection = Connection { line: Rc::clone(&line), peer, gate, watch: Rc::clone(&watch) };
    let ended = {
        let mut running = pin!(connection.run());
        until(&watch, running.as_mut(), |_| ()).await
    };
    let Ended::Done(Some(tunnel)) = ended else { return };
    let Some(line) = Rc::into_inner(line).map(RefCell::into_inner) else { return };
    let _busy = watch.request();
    // Nothing is left ahead: heads were read through it.
    let (stream, _) = line.stream.into_parts();
    Box::pin(tunnel.run(Box::new(stream), &line.input.bytes)).await;
}

/// What comes after a request.
enum After {
    /// Another one.
    Next,
    /// Nothing. What the client still sends is read for a moment.
    Close,
    /// Nothing can follow.
    Broken,
    /// No HTTP.
    Switch(Box<Tunnel>),
}

struct Connection<S> {
    line: Shared<S>,
    peer: Rc<Peer>,
    gate: Rc<Gate>,
    watch: Rc<Watch>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Connection<S> {
    /// Until its end, or the first switch of protocols.
    async fn run(self) -> Option<Box<Tunnel>> {
        loop {
            // Boxed: what a request needs goes with it.
            let after = match self.next().await {
                Some(Ok(head)) => {
                    let (asked, answering) = self.ask(head);
                    Box::pin(self.exchange(asked, answering)).await
                }
                Some(Err(bad)) => Box::pin(self.refuse(bad)).await,
                None => After::Broken,
            };
            match after {
                After::Next => (),
                After::Switch(tunnel) => return Some(tunnel),
                After::Close => {
                    Box::pin(self.close()).await;
                    return None;
                }
                // Closing says as much; TLS has a last word.
                After::Broken if !self.peer.over_tls() => return None,
                After::Broken => {
                    poll_fn(|cx| Pin::new(&mut self.line.borrow_mut().stream).poll_shutdown(cx))
                        .await
                        .ok();
                    return None;
                }
            }
        }
    }

    /// The next head; `None` when there will be none.
    async fn next(&self) -> Option<Result<Head, BadRequest>> {
        let mut awaited = Awaited::new(self.gate.state().config.limits.head);
        {
            let mut line = self.line.borrow_mut();
            line.input.rest();
            if !line.input.bytes.is_empty() {
                self.watch.bytes_read();
            }
        }
        poll_fn(|cx| self.poll_next(&mut awaited, cx)).await
    }

    fn poll_next(
        &self,
        awaited: &mut Awaited,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Head, BadRequest>>> {
        let mut line = self.line.borrow_mut();
        loop {
            match awaited.read(&mut line.input.bytes) {
                Ok(Some(head)) => return Poll::Ready(Some(Ok(head))),
                Ok(None) => (),
                Err(bad) => return Poll::Ready(Some(Err(bad))),
            }
            // A request that has begun is still answered.
            if self.watch.finishes() && line.input.bytes.is_empty() {
                return Poll::Ready(None);
            }
            match ready!(line.poll_fill(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(None),
                Ok(_) => (),
            }
        }
    }

    /// What an answer must fit, and the gateway's road to it: boxed, so that it is gone, and its memory free,
    /// while the answer is still being sent.
    fn ask(&self, head: Head) -> (Asked, Pin<Box<impl Future<Output = Reply<Body>> + use<S>>>) {
        let Head { request, content, waits, keeps } = head;
        let asked = Asked { version: request.version, head: request.method == Method::HEAD, keeps };
        let body = Line::body(&self.line, content, waits);
        let (gate, peer) = (Rc::clone(&self.gate), Rc::clone(&self.peer));
        (asked, Box::pin(gateway::handle(gate, peer, request, body)))
    }

    /// Answers one request.
    async fn exchange(
        &self,
        asked: Asked,
        answering: Pin<Box<impl Future<Output = Reply<Body>>>>,
    ) -> After {
        let busy = self.watch.request();
        if self.watch.turn_is_over() {
            tokio::task::yield_now().await;
        }
        let Some(mut response) = self.answered(answering).await else { return After::Broken };
        if let Some(tunnel) = response.body.take_tunnel() {
            return match self.send(response, asked).await {
                Some(_) => After::Switch(tunnel),
                None => After::Broken,
            };
        }
        busy.answers(response.body.upload());
        let sent = self.send(response, asked).await;
        drop(busy);
        match sent {
            None => After::Broken,
            Some(false) => After::Close,
            // Whoever forwards the body goes on with it.
            Some(true) if poll_fn(|cx| self.poll_read(cx)).await => After::Next,
            Some(true) => After::Close,
        }
    }

    /// The gateway's answer; `None` when the client has gone before.
    async fn answered(
        &self,
        mut answering: Pin<Box<impl Future<Output = Reply<Body>>>>,
    ) -> Option<Reply<Body>> {
        poll_fn(|cx| {
            self.line.borrow_mut().sleeps();
            if let Poll::Ready(response) = answering.as_mut().poll(cx) {
                return Poll::Ready(Some(response));
            }
            self.line.borrow_mut().poll_gone(cx).map(|()| None)
        })
        .await
    }

    /// Sends an answer. Whether the connection goes on; `None` when the client has gone, or must see that
    /// the answer is cut.
    async fn send(&self, response: Reply<Body>, mut asked: Asked) -> Option<bool> {
        let interim = poll_fn(|cx| {
            let held = self.is_held();
            let mut line = self.line.borrow_mut();
            let ends = line.is_broken() || !(held || line.is_read() || line.drains(DRAINED, cx));
            asked.keeps &= !ends && !self.watch.finishes();
            Poll::Ready(line.answers())
        })
        .await;
        let mut answer = Answer::new(response, asked, interim);
        poll_fn(|cx| self.poll_send(&mut answer, cx)).await
    }

    fn poll_send(&self, answer: &mut Answer<Body>, cx: &mut Context<'_>) -> Poll<Option<bool>> {
        loop {
            // Not while the connection is borrowed: with what an answer comes from, the rest of its request
            // may go.
            let waits = answer.poll_gather(cx).is_pending();
            let mut line = self.line.borrow_mut();
            match answer.poll_write(&mut line.stream, cx) {
                Poll::Ready(Ok(())) if waits => return line.poll_gone(cx).map(|()| None),
                Poll::Ready(Ok(())) if answer.is_gathered() => {
                    return Poll::Ready(Some(answer.keeps()));
                }
                Poll::Ready(Ok(())) => (),
                Poll::Ready(Err(_)) => return Poll::Ready(None),
                Poll::Pending => return line.poll_gone(cx).map(|()| None),
            }
        }
    }

    /// Ready when the request has been read to its end; whether it has. What nobody wants of it is left out.
    fn poll_read(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let held = self.is_held();
        let mut line = self.line.borrow_mut();
        if line.is_broken() || line.is_read() {
            return Poll::Ready(!line.is_broken());
        }
        if held {
            line.wakes(cx);
            return Poll::Pending;
        }
        Poll::Ready(line.drains(DRAINED, cx))
    }

    /// Whether somebody may still read the request's body: beside the two of us.
    fn is_held(&self) -> bool {
        Rc::strong_count(&self.line) > 2
    }

    /// Answers what is no request.
    async fn refuse(&self, bad: BadRequest) -> After {
        let _busy = self.watch.request();
        let response = gateway::unreadable(&self.gate, &self.peer, bad);
        let asked = Asked { version: Version::HTTP_11, head: false, keeps: false };
        match self.send(response, asked).await {
            Some(_) => After::Close,
            None => After::Broken,
        }
    }

    /// Ends the connection so that the last answer arrives.
    async fn close(&self) {
        let shut = poll_fn(|cx| Pin::new(&mut self.line.borrow_mut().stream).poll_shutdown(cx));
        if shut.await.is_err() {
            return;
        }
        let mut read = 0;
        let gone = poll_fn(|cx| {
            let mut line = self.line.borrow_mut();
            while read < DRAINED {
                line.input.bytes.clear();
                match ready!(line.poll_fill(cx)) {
                    Ok(0) | Err(_) => break,
                    Ok(more) => read += more,
                }
            }
            Poll::Ready(())
        });
        tick::timeout(LINGERS, gone).await;
    }
}
