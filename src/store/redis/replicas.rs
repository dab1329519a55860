//! Writes that wait until replicas have them (`WAIT`), over a connection of their own: it answers nobody
//! while it waits.
//!
//! Invariant: a write and its wait go over one connection, for a server counts who has what that
//! connection wrote. Over another one the answer would be about nothing, and good.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use redis::{Cmd, Value};
use tokio::sync::Mutex;

use super::{
    link::{Common, Link},
    live::Live,
    place::ANOTHER_MASTER,
    reply,
};
use crate::{
    config::WaitReplicas,
    store::{HealthState, LinkEvent, NO_REVOCATIONS, StoreError, Warning},
    tick,
};

/// One wait of the server's own takes this part of a call's limit at most: a write that comes meanwhile
/// stands behind it, and is still made in time.
const STEPS: u32 = 5;

/// So long after a master was last seen with a replica, one is still to have its writes: a master that is
/// being replaced loses its replicas before we are told to leave it.
const FOLLOWED_FOR: Duration = Duration::from_secs(5);

/// A link for writes that last. Nothing is read over it, so that its loss moves nobody's epoch.
pub(super) struct Guard {
    link: Link,
    wanted: WaitReplicas,
    limit: Duration,
}

/// The waits of one connection, one at a time: whoever wrote before one began shares its answer.
#[derive(Default)]
pub(super) struct Waits {
    turn: Mutex<()>,
    /// How many have begun.
    begun: Cell<u64>,
    /// The last that has ended, and how many replicas there were then that had everything before it.
    ended: Cell<(u64, u8)>,
    /// When the server was last seen with a replica.
    followed: Cell<Option<Instant>>,
}

impl Waits {
    /// The server has a replica now.
    pub(super) fn followed(&self) {
        self.followed.set(Some(Instant::now()));
    }

    fn was_followed(&self) -> bool {
        self.followed.get().is_some_and(|last| last.elapsed() < FOLLOWED_FOR)
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Guard({:?}, {:?})", self.link, self.wanted)
    }
}

impl Guard {
    /// Connects to where `beside` does. Starts its task on the current runtime, if any write is to wait.
    pub(super) fn start(
        common: &Common,
        wanted: WaitReplicas,
        beside: &Link,
        number: u32,
    ) -> Option<Self> {
        let common = match wanted {
            WaitReplicas::Never => return None,
            WaitReplicas::Auto | WaitReplicas::Always(_) => common.aside(),
        };
        let limit = common.dialer.limit;
        let link = Link::start(common, beside.place_beside(), number, |_: LinkEvent| ());
        Some(Self { link, wanted, limit })
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Why there is no connection for such writes, if there was time to make one.
    pub(super) fn trouble(&self) -> Option<Warning> {
        match self.link.health().state {
            HealthState::Down { since, cause } if self.link.was_tried() => {
                let cause = format!("no connection for writes that replicas must have: {cause}");
                Some(Warning { since, cause, effect: NO_REVOCATIONS })
            }
            HealthState::Down { .. } | HealthState::Up => None,
        }
    }

    /// The connection for writes, which is to the server that `beside` is connected to. While there is
    /// none yet, as after a fail-over, it is waited for.
    pub(super) async fn live(&self, beside: &Link) -> Result<Rc<Live>, StoreError> {
        let give_up = Instant::now() + self.limit;
        loop {
            let endpoint = beside.live().await?.endpoint.clone();
            let error = match self.link.live().await {
                Ok(live) if live.endpoint == endpoint => return Ok(live),
                Ok(live) => {
                    let cause = ANOTHER_MASTER.to_owned();
                    live.give_up(cause.clone());
                    StoreError::Unreachable { store: self.link.name(), cause }
                }
                Err(error) => error,
            };
            if Instant::now() >= give_up {
                return Err(error);
            }
            tick::sleep(tick::PERIOD).await;
        }
    }

    /// Makes a write, and waits until enough replicas have it.
    pub(super) async fn send(&self, beside: &Link, write: &Cmd) -> Result<Value, StoreError> {
        let live = self.live(beside).await?;
        let due = Instant::now() + self.limit;
        let answer = self.link.checked(self.link.send_over(&live, write).await?)?;
        self.wait(&live, due).await?;
        Ok(answer)
    }

    /// Waits until enough replicas have what was written over `live`, until `due` at most.
    pub(super) async fn wait(&self, live: &Live, due: Instant) -> Result<(), StoreError> {
        let asked = tick::timeout_at(due, self.wanted_by(live)).await;
        // What could not be found out in time was wanted all the same.
        let wanted = asked.unwrap_or(Ok(1))?;
        let mut had = 0;
        while had < wanted {
            match tick::timeout_at(due, self.count(live, wanted)).await {
                Some(count) => had = count?,
                None => break,
            }
            if had < wanted && Instant::now() >= due {
                break;
            }
        }
        if had < wanted { Err(self.too_few(wanted, had)) } else { Ok(()) }
    }

    /// How many replicas are to have it.
    async fn wanted_by(&self, live: &Live) -> Result<u8, StoreError> {
        match self.wanted {
            WaitReplicas::Never => Ok(0),
            WaitReplicas::Always(count) => Ok(count),
            WaitReplicas::Auto => {
                let mut question = Cmd::new();
                question.arg("INFO").arg("replication");
                let answer = self.ask(live, &question, 1).await?;
                if reply::text(&answer).is_some_and(is_followed) {
                    live.waits.followed();
                }
                Ok(u8::from(live.waits.was_followed()))
            }
        }
    }

    /// How many replicas have what was written until now, told when they are `wanted` or a part of the
    /// limit has passed.
    async fn count(&self, live: &Live, wanted: u8) -> Result<u8, StoreError> {
        let waits = &live.waits;
        let begun = waits.begun.get();
        let _turn = waits.turn.lock().await;
        let (number, had) = waits.ended.get();
        if number > begun {
            return Ok(had);
        }
        let number = waits.begun.get() + 1;
        waits.begun.set(number);
        let step = (self.limit / STEPS).as_millis();
        let mut wait = Cmd::new();
        // Zero would be for ever.
        wait.arg("WAIT").arg(wanted).arg(u64::try_from(step).unwrap_or(1).max(1));
        let Value::Int(count) = self.ask(live, &wait, wanted).await? else {
            return Err(self.too_few(wanted, 0));
        };
        let had = u8::try_from(count).unwrap_or(u8::MAX);
        waits.ended.set((number, had));
        Ok(had)
    }

    /// Asks about a write that was made. What goes wrong now says nothing of how safe that is, unless we
    /// may not ask at all.
    async fn ask(&self, live: &Live, question: &Cmd, wanted: u8) -> Result<Value, StoreError> {
        match self.link.send_over(live, question).await {
            Ok(Value::ServerError(error)) if error.code() == "NOPERM" => {
                self.link.checked(Value::ServerError(error))
            }
            Ok(Value::ServerError(_)) | Err(_) => Err(self.too_few(wanted, 0)),
            Ok(answer) => Ok(answer),
        }
    }

    fn too_few(&self, wanted: u8, had: u8) -> StoreError {
        StoreError::NotReplicated { store: self.link.name(), wanted, had }
    }
}

/// Whether the server has a replica that follows it; one that is still being filled does not count, for it
/// cannot take over either.
pub(super) fn is_followed(info: &str) -> bool {
    let is_one = |line: &str| line.starts_with("slave") && line.contains("state=online");
    info.lines().any(is_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_replica_that_follows_is_waited_for_and_no_other() {
        let rows = [
            ("role:master\r\nconnected_slaves:0\r\n",                                                        false),
            ("connected_slaves:1\r\nslave0:ip=::1,port=1,state=online,offset=1,lag=0\r\n",                  true),
            ("connected_slaves:1\r\nslave0:ip=::1,port=1,state=wait_bgsave,offset=0,lag=0\r\n",             false),
            ("slave0:ip=::1,state=send_bulk,lag=0\r\nslave1:ip=::1,state=online,lag=0\r\n",                 true),
            ("role:slave\r\nslave_read_only:1\r\nmaster_link_status:up\r\n",                                false),
            ("",                                                                                            false),
        ];
        for (info, expected) in rows {
            assert_eq!(is_followed(info), expected, "{info}");
        }
    }
}
