//! One connection to a Redis that has proven itself.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::{Instant, SystemTime},
};

use redis::{
    Value,
    aio::{ConnectionLike as _, MultiplexedConnection},
};
use tokio::{sync::Notify, time};

use super::{
    dial::{Driver, Endpoint, Facts, asking, told, tracking},
    link::Common,
    place::Place,
    replicas::Waits,
    reply,
};

/// One connection that answered at least once.
pub(super) struct Live {
    pub(super) connection: MultiplexedConnection,
    pub(super) endpoint: Endpoint,
    /// Late answers since the last good one.
    pub(super) late: Cell<u32>,
    /// Notified when it is to be given up, and why.
    pub(super) given_up: Notify,
    pub(super) why: RefCell<String>,
    /// Why it does not tell of changes, if so.
    pub(super) mute: Option<String>,
    /// It was given up or closed: an answer that somebody takes only now vouches for nothing any more.
    pub(super) gone: Cell<bool>,
    /// When it was asked its first question, with which it began to tell of changes.
    pub(super) made: Instant,
    /// Of writes over this connection, for replicas.
    pub(super) waits: Waits,
    /// Since when a `PING` is answered with an error, and which.
    pub(super) complaint: RefCell<Option<(SystemTime, String)>>,
}

impl Live {
    /// Dials, asks who is there and to be told of changes, each within the limit. A server that accepts and
    /// says nothing has not been reached.
    pub(super) async fn dial(
        common: &Common,
        place: &Place,
    ) -> Result<(Self, Driver, Facts), String> {
        let (dialer, limit) = (&common.dialer, common.dialer.limit);
        let late = |_| format!("no answer within {limit:?}");
        let endpoint = place.find(dialer).await?;
        let dialled = dialer.dial(&endpoint, Arc::clone(&common.changes));
        let (mut connection, mut driver) = time::timeout(limit, dialled).await.map_err(late)??;
        let mut asking = asking();
        let question = place.question();
        question.into_iter().for_each(|question| {
            asking.add_command(question);
        });
        asking.add_command(tracking());
        let made = Instant::now();
        let asked = time::timeout(limit, connection.req_packed_commands(&asking, 0, asking.len()));
        let mut answers = tokio::select! {
            answers = asked => answers.map_err(late)?.map_err(|error| reply::link_error(&error))?,
            () = &mut driver => return Err("it closed the connection".to_owned()),
        };
        let mute = match (answers.pop(), common.hearing.ear()) {
            (_, None) => {
                Some("it is not asked to tell of changes: too many connections are".to_owned())
            }
            (Some(Value::ServerError(error)), _) => {
                Some(format!("it refuses `CLIENT TRACKING`: {}", reply::words(error.code())))
            }
            (_, Some(_)) => None,
        };
        place.proven(answers.last())?;
        let live = Self {
            connection,
            endpoint,
            late: Cell::new(0),
            given_up: Notify::new(),
            why: RefCell::default(),
            mute,
            gone: Cell::new(false),
            made,
            waits: Waits::default(),
            complaint: RefCell::new(None),
        };
        Ok((live, driver, told(&answers)))
    }

    /// Has the link leave this connection.
    pub(super) fn give_up(&self, why: String) {
        *self.why.borrow_mut() = why;
        self.given_up.notify_one();
    }
}
