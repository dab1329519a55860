//! The servers of a store: one, a master with two replicas behind three sentinels, or three masters with a
//! replica each. Every gateway has a user of its own, so that one alone can be shut out.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::harness::{
    PATIENCE, free_port,
    redis::{Redis, call},
    until,
};

/// How the store is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topology {
    One,
    Sentinel,
    Cluster,
}

impl Topology {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Sentinel => "sentinel",
            Self::Cluster => "cluster",
        }
    }
}

/// Keeps every write before it acknowledges it.
const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

pub(crate) struct Fleet {
    pub(crate) topology: Topology,
    pub(crate) nodes: Vec<Redis>,
    sentinels: Vec<Sentinel>,
}

struct Sentinel {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn node(more: &[&str]) -> Redis {
    let mut words = DURABLE.to_vec();
    for user in ["gate0", "gate1", "gate2"] {
        words.extend(["--user", user, "on", ">drill", "~*", "&*", "+@all"]);
    }
    words.extend(more);
    Redis::start_as(None, &words)
}

impl Fleet {
    pub(crate) fn start(topology: Topology) -> Self {
        match topology {
            Topology::One => Self { topology, nodes: vec![node(&[])], sentinels: Vec::new() },
            Topology::Sentinel => Self::sentinel(),
            Topology::Cluster => Self::cluster(),
        }
    }

    fn sentinel() -> Self {
        let master = node(&[]);
        let port = master.port().to_string();
        let replica = || node(&["--replicaof", "127.0.0.1", &port]);
        let nodes = vec![master, replica(), replica()];
        let sentinels = (0..3).map(|_| Sentinel::start(&port)).collect();
        let fleet = Self { topology: Topology::Sentinel, nodes, sentinels };
        for sentinel in &fleet.sentinels {
            until("a sentinel that knows all", || {
                let told = call(sentinel.port, &[vec!["SENTINEL", "MASTER", "main"]])??;
                let knows =
                    told.contains("num-slaves 2 ") && told.contains("num-other-sentinels 2");
                knows.then_some(())
            });
        }
        fleet
    }

    fn cluster() -> Self {
        let buses: Vec<String> = (0..6).map(|_| free_port().to_string()).collect();
        let nodes: Vec<Redis> = buses
            .iter()
            .map(|bus| {
                #[rustfmt::skip] // a key and its value a line
                let words = [
                    "--cluster-enabled", "yes",
                    "--cluster-require-full-coverage", "no",
                    "--cluster-node-timeout", "1000",
                    "--cluster-replica-validity-factor", "0",
                    "--cluster-port", bus,
                ];
                node(&words)
            })
            .collect();
        let ranges = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
        for (node, (first, last)) in nodes.iter().zip(ranges) {
            node.command(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
        }
        for (node, bus) in nodes.iter().zip(&buses) {
            let port = node.port().to_string();
            nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]);
        }
        for (number, replica) in nodes.iter().enumerate().skip(3) {
            let master = nodes[number - 3].command(&["CLUSTER", "MYID"]).unwrap();
            until("a replica", || {
                let told = replica.command(&["CLUSTER", "REPLICATE", &master])?;
                (told == "OK").then_some(())
            });
        }
        let fleet = Self { topology: Topology::Cluster, nodes, sentinels: Vec::new() };
        fleet.is_whole();
        fleet
    }

    /// As `store = …` wants it, for the gateway of this number.
    pub(crate) fn store(&self, gateway: usize) -> String {
        let login = format!("gate{gateway}:drill@");
        let hosts = |nodes: &[Redis]| {
            let hosts: Vec<String> = nodes.iter().map(Redis::address).collect();
            hosts.join(",")
        };
        match self.topology {
            Topology::One => format!("\"redis://{login}{}/0\"", hosts(&self.nodes)),
            Topology::Cluster => format!("\"redis+cluster://{login}{}\"", hosts(&self.nodes[..3])),
            Topology::Sentinel => {
                let hosts: Vec<String> =
                    self.sentinels.iter().map(|it| format!("127.0.0.1:{}", it.port)).collect();
                let url = format!("redis+sentinel://{login}{}/main", hosts.join(","));
                format!("{{ url = \"{url}\", sentinel-auth = \"none\", wait-replicas = 1 }}")
            }
        }
    }

    /// A server that takes writes now.
    pub(crate) fn primary(&self) -> usize {
        until("a master", || {
            let is_master = |node: &Redis| {
                let role = node.command(&["ROLE"]).unwrap_or_default();
                let slots = node.command(&["INFO", "keyspace"]).unwrap_or_default();
                role.starts_with("master") && slots.contains("db0")
            };
            self.nodes.iter().position(is_master)
        })
    }

    /// Waits until a replica has taken the place of a primary that is away.
    pub(crate) fn is_taken_over(&self, away: usize) {
        let expected = if self.topology == Topology::Cluster { 3 } else { 1 };
        until("a fail-over", || {
            let there = self.nodes.iter().enumerate().filter(|(number, _)| *number != away);
            let roles = there.filter_map(|(_, node)| node.command(&["ROLE"]));
            (roles.filter(|role| role.starts_with("master")).count() == expected).then_some(())
        });
    }

    /// Waits until a replica has what its master has: what Redis acknowledges before, it may lose.
    pub(crate) fn replicated(&self, primary: usize) {
        if self.topology == Topology::One {
            return;
        }
        let offsets = |mark: &str| {
            let info = self.nodes[primary].command(&["INFO", "replication"]).unwrap_or_default();
            let parts = info.split(['\r', '\n', ',']);
            let found = parts.filter_map(|part| part.strip_prefix(mark)?.parse::<u64>().ok());
            found.collect::<Vec<u64>>()
        };
        let own = offsets("master_repl_offset:")[0];
        let replicas = || (offsets("offset=").into_iter().all(|their| their >= own)).then_some(());
        until("the replicas", replicas);
    }

    /// Waits until every server has the part that it should.
    pub(crate) fn is_whole(&self) {
        // A sentinel looks every ten seconds at what an old master has become.
        let give_up = Instant::now() + 3 * PATIENCE;
        while !self.knows_itself() {
            assert!(Instant::now() < give_up, "the servers do not come to know each other");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn knows_itself(&self) -> bool {
        let infos = self.nodes.iter().map(|node| node.command(&["INFO", "replication"]));
        let infos: Vec<String> = infos.map(Option::unwrap_or_default).collect();
        let replicas = infos.iter().filter(|info| info.contains("role:slave"));
        let linked = replicas.filter(|info| info.contains("master_link_status:up")).count();
        let knows = |node: &Redis| {
            let info = node.command(&["CLUSTER", "INFO"]).unwrap_or_default();
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:6")
        };
        match self.topology {
            Topology::One => true,
            Topology::Sentinel => linked == 2,
            Topology::Cluster => linked == 3 && self.nodes.iter().all(knows),
        }
    }

    /// Shuts the user of one gateway out, everywhere, or lets it in again.
    pub(crate) fn let_in(&self, gateway: usize, is_in: bool) {
        let user = format!("gate{gateway}");
        for node in &self.nodes {
            node.command(&["ACL", "SETUSER", &user, if is_in { "on" } else { "off" }]);
            if !is_in {
                node.command(&["CLIENT", "KILL", "USER", &user]);
            }
        }
    }
}

impl Sentinel {
    fn start(master: &str) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let text = format!(
            "bind 127.0.0.1\nport {port}\ndir {}\nsentinel monitor main 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n",
            folder.path().display(),
        );
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(file).arg("--sentinel").stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: command.spawn().unwrap(), port, _folder: folder }
    }
}
