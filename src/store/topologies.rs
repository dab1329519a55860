//! A cluster and a sentinel of a test's own.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::testing::{TestRedis, ask, free_port};
use crate::config::{RedisAddress, RedisNode};

/// Three masters, a third of the slots each; what a lost one had is missing, and no more.
pub(crate) struct TestCluster {
    pub(crate) nodes: Vec<TestRedis>,
}

impl TestCluster {
    pub(crate) fn start() -> Self {
        let arguments = [
            "--cluster-enabled",
            "yes",
            "--cluster-require-full-coverage",
            "no",
            "--cluster-node-timeout",
            "1000",
            "--cluster-port",
        ];
        // The bus has a port of its own, which another test may take first.
        let node = |_| {
            let bus = free_port().to_string();
            TestRedis::with(&[&arguments[..], &[&bus]].concat())
        };
        let cluster = Self { nodes: (0..3).map(node).collect() };
        let ranges = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
        for (node, (first, last)) in cluster.nodes.iter().zip(ranges) {
            let done = node.command(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
            assert_eq!(done, "+OK\r\n");
            let bus = node.arguments.last().unwrap();
            let meet = ["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string(), bus];
            assert_eq!(cluster.nodes[0].command(&meet), "+OK\r\n");
        }
        cluster.settle(3);
        cluster
    }

    /// A replica of one of the nodes, which follows it in time.
    pub(crate) fn replica_of(&self, node: usize) -> TestRedis {
        let bus = free_port().to_string();
        let replica = TestRedis::with(&["--cluster-enabled", "yes", "--cluster-port", &bus]);
        let meet = ["CLUSTER", "MEET", "127.0.0.1", &replica.port.to_string(), &bus];
        assert_eq!(self.nodes[0].command(&meet), "+OK\r\n");
        let id = self.id(node);
        let deadline = Instant::now() + Duration::from_secs(20);
        while replica.command(&["CLUSTER", "REPLICATE", &id]) != "+OK\r\n" {
            assert!(Instant::now() < deadline, "the replica never knows its master");
            thread::sleep(Duration::from_millis(10));
        }
        replica
    }

    /// Waits until each of `count` nodes knows whose all slots are.
    pub(crate) fn settle(&self, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let knows = |node: &TestRedis| {
            let info = node.command(&["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384")
        };
        while !self.nodes.iter().take(count).all(knows) {
            assert!(Instant::now() < deadline, "the cluster never settles");
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn address(&self) -> RedisAddress {
        let node = |node: &TestRedis| RedisNode { host: "127.0.0.1".to_owned(), port: node.port };
        RedisAddress::Cluster { seeds: self.nodes.iter().map(node).collect() }
    }

    /// The place of the node that has the slot of `key` when nothing was moved.
    pub(crate) fn home(&self, key: &str) -> usize {
        let answer = self.nodes[0].command(&["CLUSTER", "KEYSLOT", key]);
        let slot: usize = answer[1..].trim().parse().unwrap();
        [5_461, 10_923].iter().filter(|first| slot >= **first).count()
    }

    pub(crate) fn id(&self, node: usize) -> String {
        let answer = self.nodes[node].command(&["CLUSTER", "MYID"]);
        answer.lines().nth(1).unwrap().to_owned()
    }
}

/// A master, a replica of it, and a sentinel that decides alone.
pub(crate) struct TestSentinel {
    pub(crate) master: TestRedis,
    pub(crate) replica: TestRedis,
    process: SentinelProcess,
    port: u16,
    _folder: tempfile::TempDir,
}

impl TestSentinel {
    pub(crate) fn start() -> Self {
        let master = TestRedis::start();
        let replica = TestRedis::with(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sentinel.conf");
        let port = free_port();
        let text = format!(
            "bind 127.0.0.1\nport {port}\ndir {}\nsentinel monitor main 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n",
            folder.path().display(),
            master.port
        );
        std::fs::write(&file, text).unwrap();
        let process = SentinelProcess::start(&file);
        let started = Self { master, replica, process, port, _folder: folder };
        started.wait("a sentinel that knows the replica", |sentinel| {
            sentinel
                .ask(&["SENTINEL", "REPLICAS", "main"])
                .contains("master-link-status\r\n$2\r\nok")
        });
        started
    }

    pub(crate) fn address(&self) -> RedisAddress {
        let node = |port| RedisNode { host: "127.0.0.1".to_owned(), port };
        // The first of them is not there.
        let sentinels = vec![node(free_port()), node(self.port)];
        RedisAddress::Sentinel { sentinels, master: "main".to_owned() }
    }

    pub(crate) fn ask(&self, words: &[&str]) -> String {
        ask(self.port, words).unwrap_or_default()
    }

    /// Whether the sentinel names the replica of the start.
    pub(crate) fn names_the_replica(&self) -> bool {
        let named = self.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"]);
        named.contains(&self.replica.port.to_string())
    }

    /// Stops the sentinel without ending it.
    pub(crate) fn freeze(&self) {
        kill_process(Pid::from_child(&self.process.0), Signal::STOP).unwrap();
    }

    pub(crate) fn thaw(&self) {
        kill_process(Pid::from_child(&self.process.0), Signal::CONT).unwrap();
    }

    pub(crate) fn wait(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !condition(self) {
            assert!(Instant::now() < deadline, "never happened: {what}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A running sentinel; killed when dropped.
pub(crate) struct SentinelProcess(Child);

impl SentinelProcess {
    /// Starts one with the settings in `file`, which it writes to.
    pub(crate) fn start(file: &Path) -> Self {
        let mut command = Command::new("redis-server");
        command.arg(file).arg("--sentinel").stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for SentinelProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
