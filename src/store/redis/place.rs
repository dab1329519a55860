//! Where a link connects to, and what a server there has to prove: nothing where one server is
//! configured, that it is the master the sentinels name, or that it sees its cluster.

use std::{rc::Rc, sync::Arc, time::Duration};

use redis::{Cmd, Value};
use tokio::time;

use super::{
    dial::{Dialer, Endpoint},
    link::Sight,
    reply,
    sentinels::Sentinels,
};
use crate::config::RedisNode;

pub(super) enum Place {
    /// The one server there is.
    Fixed(Endpoint),
    /// Whichever the sentinels name.
    Named(Rc<Sentinels>),
    /// Where another link is connected, which found the master that the sentinels name.
    Beside(Sight),
    /// One node of a cluster.
    Node(RedisNode),
}

/// Why a connection beside another one is left.
pub(super) const ANOTHER_MASTER: &str = "there is another master";

/// Between two looks at where the other link is.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Place {
    /// Where to dial now.
    pub(super) async fn find(&self, dialer: &Arc<Dialer>) -> Result<Endpoint, String> {
        match self {
            Self::Fixed(endpoint) => Ok(endpoint.clone()),
            Self::Named(sentinels) => sentinels.master(dialer).await.map(Endpoint::Node),
            Self::Beside(other) => other.endpoint().ok_or_else(|| "there is no master".to_owned()),
            Self::Node(node) => Ok(Endpoint::Node(node.clone())),
        }
    }

    /// What is asked with each sign of life.
    pub(super) fn question(&self) -> Option<Cmd> {
        let mut command = Cmd::new();
        match self {
            Self::Fixed(_) => return None,
            Self::Named(_) | Self::Beside(_) => command.arg("ROLE"),
            Self::Node(_) => command.arg("CLUSTER").arg("INFO"),
        };
        Some(command)
    }

    /// Whether the answer to that proves what it should. A master that was demoted, and a node that
    /// has lost sight of its cluster, may answer long after others have taken their places: what they
    /// say counts for nothing.
    pub(super) fn proven(&self, answer: Option<&Value>) -> Result<(), String> {
        match self {
            Self::Fixed(_) => Ok(()),
            Self::Named(_) | Self::Beside(_) | Self::Node(_)
                if let Some(Value::ServerError(error)) = answer =>
            {
                Err(reply::words(error.code()))
            }
            Self::Named(_) | Self::Beside(_) => match answer {
                Some(Value::Array(role)) if role.first().is_some_and(is_master) => Ok(()),
                _ => Err("it is not the master (any more)".to_owned()),
            },
            Self::Node(_) => match answer.map(reply::text) {
                Some(Some(info)) if info.contains("cluster_state:ok") => Ok(()),
                Some(Some(info)) if info.contains("cluster_state:") => {
                    Err(reply::words("CLUSTERDOWN"))
                }
                _ => Err("it is no node of a cluster".to_owned()),
            },
        }
    }

    /// Whether a refusal to write shows that another server has to be found.
    pub(super) fn is_left_when_read_only(&self) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Named(_) | Self::Beside(_) | Self::Node(_) => true,
        }
    }

    /// Ends when another server than `endpoint` is the master to the sentinels, while that one is still connected.
    pub(super) async fn replaced(&self, dialer: &Arc<Dialer>, endpoint: &Endpoint) -> String {
        match (self, endpoint) {
            (Self::Named(sentinels), Endpoint::Node(node)) => {
                sentinels.name_another(dialer, node).await
            }
            (Self::Beside(other), _) => loop {
                time::sleep(LOOK_EVERY).await;
                if other.endpoint().is_some_and(|other| other != *endpoint) {
                    return ANOTHER_MASTER.to_owned();
                }
            },
            (_, _) => std::future::pending().await,
        }
    }
}

fn is_master(role: &Value) -> bool {
    reply::text(role).is_some_and(|role| role == "master")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn only_a_master_that_is_named_and_a_node_that_sees_its_cluster_are_believed() {
        let node = || RedisNode { host: "h".to_owned(), port: 1 };
        let named = Place::Named(Rc::new(Sentinels::new(vec![node()], "main".to_owned())));
        let (shard, fixed) = (Place::Node(node()), Place::Fixed(Endpoint::Node(node())));
        let role = |role| Value::Array(vec![bulk(role), Value::Int(7)]);
        let info = |text: &str| Value::VerbatimString {
            format: redis::VerbatimFormat::Text,
            text: text.to_owned(),
        };
        #[rustfmt::skip] // a table is read by column
        let rows = [
            (&named, Some(role("master")),                     true),
            (&named, Some(role("slave")),                      false),
            (&named, Some(role("sentinel")),                   false),
            (&named, Some(Value::Nil),                         false),
            (&named, None,                                     false),
            (&shard, Some(info("cluster_state:ok\r\nx:1")),    true),
            (&shard, Some(info("cluster_state:fail\r\nx:1")),  false),
            (&shard, Some(bulk("cluster_state:ok")),           true),
            (&shard, Some(Value::Nil),                         false),
            (&shard, None,                                     false),
            (&fixed, None,                                     true),
        ];
        for (place, answer, expected) in rows {
            assert_eq!(place.proven(answer.as_ref()).is_ok(), expected, "{answer:?}");
        }
    }
}
