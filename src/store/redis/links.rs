//! Which link a command goes over: the one there is, or that of the node which has its key.

use std::{rc::Rc, sync::Arc};

use redis::{Cmd, Pipeline, Value};

use super::{
    changes::Changes,
    cluster::Cluster,
    dial::{Dialer, Endpoint},
    hearing::Hearing,
    link::{Common, Link},
    place::Place,
    sentinels::Sentinels,
};
use crate::{
    config::RedisAddress,
    fences::{Ear, Fences},
    store::{Health, LinkEvent, StoreError},
};

/// One worker's connections.
#[derive(Debug)]
pub(super) struct Links {
    dialer: Arc<Dialer>,
    hearing: Rc<Hearing>,
    topology: Topology,
}

#[derive(Debug)]
enum Topology {
    One(Link),
    Cluster(Cluster),
}

impl Links {
    /// Starts their tasks on the current runtime, which must be this worker's own.
    pub(super) fn start(
        address: &RedisAddress,
        dialer: Arc<Dialer>,
        prefix: Arc<str>,
        fences: &Arc<Fences>,
        on_link: impl Fn(LinkEvent) + 'static,
    ) -> Self {
        let hearing = Rc::new(Hearing::new(fences));
        let common = Common {
            dialer: Arc::clone(&dialer),
            changes: Arc::new(Changes::new(Arc::clone(fences), prefix)),
            fences: Arc::clone(fences),
            hearing: Rc::clone(&hearing),
        };
        let place = match address {
            RedisAddress::One(node) => Place::Fixed(Endpoint::Node(node.clone())),
            RedisAddress::Unix(path) => Place::Fixed(Endpoint::Unix(path.clone())),
            RedisAddress::Sentinel { sentinels, master } => {
                Place::Named(Rc::new(Sentinels::new(sentinels.clone(), master.clone())))
            }
            RedisAddress::Cluster { seeds } => {
                let topology = Topology::Cluster(Cluster::start(common, seeds.clone(), on_link));
                return Self { dialer, hearing, topology };
            }
        };
        let topology = Topology::One(Link::start(common, place, 0, on_link));
        Self { dialer, hearing, topology }
    }

    pub(super) fn store(&self) -> &str {
        &self.dialer.store
    }

    /// What is read over these links carries it.
    pub(super) fn ear(&self) -> Option<Ear> {
        self.hearing.ear()
    }

    /// Sends one command and waits for its answer.
    pub(super) async fn call(&self, command: &Cmd) -> Result<Value, StoreError> {
        match &self.topology {
            Topology::One(link) => link.checked(link.send(command).await?),
            // Boxed: a future is as large as the largest road that it may take, and is moved as a whole.
            Topology::Cluster(cluster) => Box::pin(cluster.call(command)).await,
        }
    }

    /// Sends commands, together where they go to one node, and waits for all answers, which come in
    /// their order. Of several errors the first is told. In a cluster each may be repeated alone: they
    /// only read.
    pub(super) async fn call_all(&self, pipeline: &Pipeline) -> Result<Vec<Value>, StoreError> {
        match &self.topology {
            Topology::One(link) => {
                let answers = link.send_all(pipeline).await?;
                answers.into_iter().map(|answer| link.checked(answer)).collect()
            }
            Topology::Cluster(cluster) => Box::pin(cluster.call_all(pipeline)).await,
        }
    }

    /// What is known of the connections, without asking.
    pub(super) fn health(&self) -> Health {
        match &self.topology {
            Topology::One(link) => link.health(),
            Topology::Cluster(cluster) => cluster.health(),
        }
    }
}
