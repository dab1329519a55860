//! Which link a command goes over: the one there is, or that of the node which has its key.

use std::{fmt::Write as _, rc::Rc, sync::Arc};

use redis::{Cmd, Pipeline, Value};

use super::{
    changes::Changes,
    cluster::Cluster,
    dial::{Dialer, Endpoint},
    hearing::Hearing,
    link::{Common, Link},
    place::Place,
    replicas::Guard,
    sentinels::Sentinels,
};
use crate::{
    config::{RedisAddress, WaitReplicas},
    fences::{Ear, Fences},
    store::{Health, LinkEvent, StoreError},
};

/// What the links of every worker are made of.
pub(super) struct Settings<'s> {
    pub(super) address: &'s RedisAddress,
    pub(super) replicas: WaitReplicas,
    pub(super) dialer: Arc<Dialer>,
    pub(super) prefix: Arc<str>,
    /// Fences that guard nothing.
    pub(super) nobodys: Arc<Fences>,
}

/// One worker's connections.
#[derive(Debug)]
pub(super) struct Links {
    dialer: Arc<Dialer>,
    hearing: Rc<Hearing>,
    changes: Arc<Changes>,
    fences: Arc<Fences>,
    replicas: WaitReplicas,
    topology: Topology,
}

#[derive(Debug)]
enum Topology {
    One(Link, Option<Guard>),
    Cluster(Cluster),
}

impl Links {
    /// Starts their tasks on the current runtime, which must be this worker's own.
    pub(super) fn start(
        settings: Settings<'_>,
        fences: &Arc<Fences>,
        on_link: impl Fn(LinkEvent) + 'static,
    ) -> Self {
        let Settings { address, replicas, dialer, prefix, nobodys } = settings;
        let (hearing, fences) = (Rc::new(Hearing::new(fences)), Arc::clone(fences));
        let changes = Arc::new(Changes::new(Arc::clone(&fences), prefix));
        let common = Common {
            dialer: Arc::clone(&dialer),
            changes: Arc::clone(&changes),
            fences: Arc::clone(&fences),
            hearing: Rc::clone(&hearing),
            nobodys,
        };
        let place = match address {
            RedisAddress::One(node) => Place::Fixed(Endpoint::Node(node.clone())),
            RedisAddress::Unix(path) => Place::Fixed(Endpoint::Unix(path.clone())),
            RedisAddress::Sentinel { sentinels, master } => {
                Place::Named(Rc::new(Sentinels::new(sentinels.clone(), master.clone())))
            }
            RedisAddress::Cluster { seeds } => {
                let cluster = Cluster::start(common, seeds.clone(), replicas, on_link);
                let topology = Topology::Cluster(cluster);
                return Self { dialer, hearing, changes, fences, replicas, topology };
            }
        };
        let link = Link::start(common.clone(), place, 0, on_link);
        let guard = Guard::start(&common, replicas, &link, 0);
        let topology = Topology::One(link, guard);
        Self { dialer, hearing, changes, fences, replicas, topology }
    }

    pub(super) fn store(&self) -> &str {
        &self.dialer.store
    }

    /// Whom these links tell of changes.
    pub(super) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// What moves when they tell of one.
    pub(super) fn fences(&self) -> &Fences {
        &self.fences
    }

    /// What is read over these links carries it.
    pub(super) fn ear(&self) -> Option<Ear> {
        self.hearing.ear()
    }

    /// Sends one command and waits for its answer.
    pub(super) async fn call(&self, command: &Cmd) -> Result<Value, StoreError> {
        match &self.topology {
            Topology::One(link, _) => link.checked(link.send(command).await?),
            // Boxed: a future is as large as the largest road that it may take, and is moved as a whole.
            Topology::Cluster(cluster) => Box::pin(cluster.call(command)).await,
        }
    }

    /// Makes a write and waits for its answer, and until enough replicas have it, if any are to.
    pub(super) async fn call_lasting(&self, write: &Cmd) -> Result<Value, StoreError> {
        match &self.topology {
            Topology::One(link, Some(guard)) => Box::pin(guard.send(link, write)).await,
            Topology::One(_, None) => self.call(write).await,
            Topology::Cluster(cluster) => Box::pin(cluster.call_lasting(write)).await,
        }
    }

    /// Sends commands, together where they go to one node, and waits for all answers, which come in
    /// their order. Of several errors the first is told. In a cluster each may be repeated alone: they
    /// only read.
    pub(super) async fn call_all(&self, pipeline: &Pipeline) -> Result<Vec<Value>, StoreError> {
        match &self.topology {
            Topology::One(link, _) => {
                let answers = link.send_all(pipeline).await?;
                answers.into_iter().map(|answer| link.checked(answer)).collect()
            }
            Topology::Cluster(cluster) => Box::pin(cluster.call_all(pipeline)).await,
        }
    }

    /// What is known of the connections, without asking.
    pub(super) fn health(&self) -> Health {
        let mut health = match &self.topology {
            Topology::One(link, guard) => {
                let mut health = link.health();
                health.warnings.extend(guard.as_ref().and_then(Guard::trouble));
                health
            }
            Topology::Cluster(cluster) => cluster.health(),
        };
        match self.replicas {
            WaitReplicas::Never => {}
            WaitReplicas::Auto => {
                health.facts.push_str(", wait-replicas auto (one more connection)")
            }
            WaitReplicas::Always(count) => {
                let _ = write!(health.facts, ", wait-replicas {count} (one more connection)");
            }
        }
        health
    }
}
