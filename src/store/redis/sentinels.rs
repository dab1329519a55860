//! Asks the sentinels which server is the master, and goes on asking while we are connected to it.
//!
//! All that answer are heard, and the one that knows of the latest fail-over is believed: one that was
//! cut off from the others goes on naming the master of before.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use redis::{
    Cmd, Value,
    aio::{ConnectionLike as _, MultiplexedConnection},
};
use tokio::{
    task::{JoinHandle, JoinSet},
    time,
};

use super::{dial::Dialer, reply};
use crate::config::RedisNode;

/// Between two questions while a master is connected.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How long the others may take once one has answered: some of them may be gone with the master.
const OTHERS: Duration = Duration::from_millis(100);

/// Whom to ask, and for what.
pub(super) struct Sentinels {
    master: String,
    sentinels: Vec<Rc<Sentinel>>,
}

struct Sentinel {
    node: RedisNode,
    /// Kept from one question to the next.
    connection: RefCell<Option<Connection>>,
}

struct Connection {
    commands: MultiplexedConnection,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// What one sentinel says.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    node: RedisNode,
    /// Grows with each fail-over.
    epoch: u64,
}

impl Sentinels {
    pub(super) fn new(sentinels: Vec<RedisNode>, master: String) -> Self {
        let sentinel = |node| Rc::new(Sentinel { node, connection: RefCell::default() });
        Self { master, sentinels: sentinels.into_iter().map(sentinel).collect() }
    }

    /// The master, by whoever of them answers within the limit.
    pub(super) async fn master(&self, dialer: &Arc<Dialer>) -> Result<RedisNode, String> {
        let mut asking = JoinSet::new();
        for sentinel in &self.sentinels {
            let (sentinel, dialer) = (Rc::clone(sentinel), Arc::clone(dialer));
            let question = self.question();
            asking.spawn_local(async move {
                let asked = time::timeout(dialer.limit, sentinel.ask(&dialer, &question)).await;
                let late = |_| format!("no answer within {:?}", dialer.limit);
                asked.map_err(late).flatten().map_err(|why| format!("{}: {why}", sentinel.node))
            });
        }
        let (mut latest, mut refusals) = (None::<Named>, Vec::new());
        loop {
            let patience = if latest.is_some() { OTHERS } else { 2 * dialer.limit };
            let Ok(Some(Ok(answer))) = time::timeout(patience, asking.join_next()).await else {
                break;
            };
            match answer {
                Ok(named) if latest.as_ref().is_none_or(|it| named.epoch > it.epoch) => {
                    latest = Some(named);
                }
                Ok(_) => {}
                Err(why) => refusals.push(why),
            }
        }
        let unnamed = || format!("no sentinel names a master: {}", refusals.join("; "));
        latest.map(|named| named.node).ok_or_else(unnamed)
    }

    /// Ends when they name another master than `current`. While none of them answers, nothing is known
    /// against it.
    pub(super) async fn name_another(&self, dialer: &Arc<Dialer>, current: &RedisNode) -> String {
        loop {
            time::sleep(ASK_EVERY).await;
            if let Ok(named) = self.master(dialer).await
                && named != *current
            {
                return format!("the sentinels name another master, {named}");
            }
        }
    }

    fn question(&self) -> Cmd {
        let mut command = Cmd::new();
        command.arg("SENTINEL").arg("MASTER").arg(&self.master);
        command
    }
}

impl Sentinel {
    async fn ask(&self, dialer: &Dialer, question: &Cmd) -> Result<Named, String> {
        let kept = self.connection.take();
        let mut connection = match kept {
            Some(connection) => connection,
            None => {
                let (commands, driver) = dialer.dial_sentinel(&self.node).await?;
                Connection { commands, driver: tokio::task::spawn_local(driver) }
            }
        };
        // One that fails, or is too late, is not kept.
        let answer = connection.commands.req_packed_command(question).await;
        let named = named(&answer.map_err(|error| reply::link_error(&error))?)?;
        *self.connection.borrow_mut() = Some(connection);
        Ok(named)
    }
}

/// Reads `SENTINEL MASTER`.
fn named(answer: &Value) -> Result<Named, String> {
    if let Value::ServerError(error) = answer {
        let unknown = error.code() == "ERR";
        let why = "it knows no master of that name".to_owned();
        return Err(if unknown { why } else { reply::words(error.code()) });
    }
    let pairs: Vec<(&Value, &Value)> = if let Value::Map(pairs) = answer {
        pairs.iter().map(|(name, value)| (name, value)).collect()
    } else if let Value::Array(flat) = answer {
        flat.chunks_exact(2).map(|pair| (&pair[0], &pair[1])).collect()
    } else {
        Vec::new()
    };
    let find = |wanted: &str| {
        let is_it = |name| reply::text(name).is_some_and(|name| name == wanted);
        pairs.iter().find(|(name, _)| is_it(name)).and_then(|(_, value)| reply::text(value))
    };
    let named = || {
        let host = find("ip").filter(|host| !host.is_empty())?.to_owned();
        let port = find("port")?.parse().ok().filter(|port| *port != 0)?;
        let epoch = find("config-epoch")?.parse().ok()?;
        Some(Named { node: RedisNode { host, port }, epoch })
    };
    named().ok_or_else(|| "it is no sentinel".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentinel_names_a_host_a_port_and_an_epoch() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let words = ["name", "main", "ip", "::1", "port", "6380", "config-epoch", "12"];
        let flat: Vec<_> = words.iter().map(|word| bulk(word)).collect();
        let pairs = flat.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        let node = RedisNode { host: "::1".to_owned(), port: 6380 };
        let expected = Ok(Named { node, epoch: 12 });
        assert_eq!(named(&Value::Map(pairs)), expected);
        assert_eq!(named(&Value::Array(flat.clone())), expected);
        for lacking in [&flat[..6], &flat[..4], &[]] {
            assert!(named(&Value::Array(lacking.to_vec())).is_err(), "{lacking:?}");
        }
        assert!(named(&Value::Nil).is_err());
    }
}
