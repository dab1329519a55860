//! Several Redis servers that are one store: behind a sentinel, and as a cluster.

use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{
    free_port,
    redis::{Redis, call, token_key},
    tokens::Token,
    until,
};

/// A master and its replica.
pub(crate) struct Pair {
    pub(crate) master: Redis,
    pub(crate) replica: Redis,
}

impl Pair {
    pub(crate) fn start() -> Self {
        let master = Redis::start();
        let replica =
            Redis::start_as(None, &["--replicaof", "127.0.0.1", &master.port().to_string()]);
        until("the replica to follow", || {
            master.command(&["INFO", "replication"])?.contains("state=online").then_some(())
        });
        Self { master, replica }
    }

    /// The replica follows nobody who is there any more, and keeps what it has.
    pub(crate) fn cut(&self) {
        self.master.is_replicated();
        let nobody = free_port().to_string();
        self.replica.command(&["REPLICAOF", "127.0.0.1", &nobody]);
        until("the master to miss its replica", || {
            let told = self.master.command(&["INFO", "replication"])?;
            told.contains("connected_slaves:0").then_some(())
        });
    }
}

/// A master, its replica, and a sentinel that decides alone; ended when dropped.
pub(crate) struct Sentinel {
    pub(crate) master: Redis,
    pub(crate) replica: Redis,
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Sentinel {
    pub(crate) fn start() -> Self {
        let master = Redis::start();
        let replica =
            Redis::start_as(None, &["--replicaof", "127.0.0.1", &master.port().to_string()]);
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let text = format!(
            "bind 127.0.0.1\nport {port}\ndir {}\nsentinel monitor main 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n",
            folder.path().display(),
            master.port()
        );
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(file).arg("--sentinel").stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let started = Self { master, replica, child, port, _folder: folder };
        until("a sentinel that knows the replica", || {
            let replicas = started.ask(&["SENTINEL", "REPLICAS", "main"])?;
            replicas.contains("master-link-status ok").then_some(())
        });
        started
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/main", self.port)
    }

    fn ask(&self, words: &[&str]) -> Option<String> {
        call(self.port, &[words.to_vec()])?
    }

    /// Kills the master when its replica has all it has, and waits until the sentinel names the replica.
    pub(crate) fn fail_over(&mut self) {
        self.master.is_replicated();
        self.lose_master();
    }

    /// Kills the master, whatever its replica has, and waits until the sentinel names the replica.
    pub(crate) fn lose_master(&mut self) {
        self.master.kill();
        let port = self.replica.port().to_string();
        until("the fail-over", || {
            let named = self.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"])?;
            named.ends_with(&port).then_some(())
        });
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Three masters with a third of the slots each; the loss of one is the loss of its own.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Redis>,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let buses: Vec<String> = (0..3).map(|_| free_port().to_string()).collect();
        let node = |bus: &String| {
            #[rustfmt::skip] // a key and its value a line
            let words = [
                "--cluster-enabled", "yes",
                "--cluster-require-full-coverage", "no",
                "--cluster-node-timeout", "1000",
                "--cluster-port", bus,
            ];
            Redis::start_as(None, &words)
        };
        let cluster = Self { nodes: buses.iter().map(node).collect() };
        let ranges = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
        for ((node, bus), (first, last)) in cluster.nodes.iter().zip(&buses).zip(ranges) {
            node.command(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
            let port = node.port().to_string();
            cluster.nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]);
        }
        until("the nodes to know each other", || {
            let knows = |node: &Redis| {
                let info = node.command(&["CLUSTER", "INFO"]).unwrap_or_default();
                info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384")
            };
            cluster.nodes.iter().all(knows).then_some(())
        });
        cluster
    }

    /// Names two of the three: the other is learnt from them.
    pub(crate) fn url(&self) -> String {
        format!("redis+cluster://{},{}", self.nodes[0].address(), self.nodes[1].address())
    }

    /// The node that has the record of a token.
    pub(crate) fn home(&self, token: &Token) -> &Redis {
        let slot = self.nodes[0].command(&["CLUSTER", "KEYSLOT", &token_key(token)]).unwrap();
        let slot: usize = slot.parse().unwrap();
        &self.nodes[[5_461, 10_923].iter().filter(|first| slot >= **first).count()]
    }
}
