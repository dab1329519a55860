//! A request that asks to switch protocols: on a connection of its own, which is never used for another
//! request. It is no part of the pool's share either: it lasts for hours, and would starve the others.

use std::{rc::Rc, time::Duration};

use super::{
    OpenGuard, Outgoing, ResponseBody, Upstream, UpstreamError,
    http1::{self, Connection},
    member::Seat,
};
use crate::{
    tick,
    wire::{Duplex, Fields, Reply},
};
use bytes::Bytes;

/// What is left of a connection that has switched.
pub struct Switched {
    /// The bytes in both directions, no longer HTTP.
    pub stream: Box<dyn Duplex>,
    /// What the backend sent right behind its answer.
    pub ahead: Bytes,
    /// It is part of its server's load while it lasts.
    pub(super) _seat: Option<Seat>,
}

/// What came of the request.
pub enum Answered {
    /// The fields of a 101, at which nobody has looked yet, and what follows it.
    Switched(Fields, Switched),
    /// An answer like any other.
    Plain(Box<Reply<ResponseBody>>),
}

impl Upstream {
    /// Sends `request`, which asks to switch protocols, and waits for the head of its answer, at most
    /// `first_byte`. It is sent once: to be sent again it would have to be unsent for certain.
    ///
    /// # Errors
    /// [`UpstreamError`]; dropping the future closes the connection that it used.
    pub async fn switch(
        self: &Rc<Self>,
        request: Outgoing,
        first_byte: Duration,
    ) -> Result<Answered, UpstreamError> {
        let open = OpenGuard::new(&self.open);
        let give_up = tick::now() + self.settings.connect_timeout;
        let (member, stream) = self.connect(self.servers.choose(&[]), &[], give_up).await?;
        let connection = Connection::new(stream, open, Seat::take(&member));
        http1::switch(self, connection, request, first_byte).await
    }
}
