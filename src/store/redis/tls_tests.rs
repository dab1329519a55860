//! TLS with a CA and a certificate of our own, over every topology that has it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use uuid::Uuid;

use super::tests::{attach, refusal};
use crate::{
    config::{RedisAddress, RedisNode, RedisStore, RedisTls},
    secret::Secret,
    store::{
        testing::{TestRedis, connected, free_port, on_worker, record, redis_at, until},
        topologies::SentinelProcess,
    },
};

/// An authority, a server of the name `localhost`, and a gateway.
struct Pki {
    folder: tempfile::TempDir,
}

impl Pki {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(params, key).unwrap();
        fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        for name in ["localhost", "gate"] {
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &authority).unwrap();
            fs::write(folder.path().join(format!("{name}.pem")), certificate.pem()).unwrap();
            fs::write(folder.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn tls(&self) -> RedisTls {
        let identity = Some((self.path("gate.pem"), self.path("gate.key")));
        RedisTls { ca: Some(self.path("ca.pem")), identity }
    }

    /// A server that also asks each client on `port` for a certificate.
    fn server(&self, port: u16, more: &[&str]) -> TestRedis {
        let file = |path: &Path| path.to_str().unwrap().to_owned();
        let [ca, certificate, key] =
            ["ca.pem", "localhost.pem", "localhost.key"].map(|name| file(&self.path(name)));
        let port = port.to_string();
        let tls = [
            ["--tls-port", &port],
            ["--tls-ca-cert-file", &ca],
            ["--tls-cert-file", &certificate],
            ["--tls-key-file", &key],
        ];
        TestRedis::with(&[tls.as_flattened(), more].concat())
    }
}

fn local(port: u16) -> RedisNode {
    RedisNode { host: "localhost".to_owned(), port }
}

/// As `docs/redis.md` says.
const USER: &str = "~tg:* +get +set +del +exists +hgetall +hmget +hset +hsetnx +hincrby +pttl \
    +pexpire +incr +decrby +zadd +zrem +zcard +zrangebylex +eval +hello +select +info +ping \
    +client|tracking";

fn admit(redis: &TestRedis, more: &str) {
    let rights = format!("{USER} {more}");
    let mut words = vec!["ACL", "SETUSER", "tollgate", "on", ">hunter2"];
    words.extend(rights.split_whitespace());
    assert_eq!(redis.command(&words), "+OK\r\n");
}

fn as_user(mut config: RedisStore) -> RedisStore {
    config.login.username = Some("tollgate".to_owned());
    config.login.password = Some(Secret::new("hunter2"));
    config.timeout = Duration::from_secs(1);
    config
}

async fn serves(config: RedisStore) {
    let store = connected(attach(config)).await;
    store.issue(Uuid::from_u128(1), record("ann", i64::MAX)).await.unwrap();
    assert!(store.token(Uuid::from_u128(1)).await.unwrap().is_some());
    assert!(store.health().facts.contains("push on"), "{:?}", store.health());
}

#[test]
fn a_server_that_asks_for_a_certificate_is_shown_ours() {
    let (pki, port) = (Pki::new(), free_port());
    let redis = pki.server(port, &[]);
    admit(&redis, "");
    on_worker(async {
        let config = |tls| RedisStore {
            tls: Some(tls),
            ..as_user(redis_at(RedisAddress::One(local(port))))
        };
        serves(config(pki.tls())).await;
        let cause = refusal(&attach(config(RedisTls { identity: None, ..pki.tls() }))).await;
        assert!(!cause.contains("hunter2") && cause != "not connected yet", "{cause}");
    });
}

#[test]
fn a_cluster_is_reached_over_tls_by_the_names_that_its_nodes_announce() {
    let (pki, port, bus) = (Pki::new(), free_port(), free_port().to_string());
    let cluster = [
        ["--cluster-enabled", "yes"],
        ["--cluster-port", &bus],
        ["--tls-cluster", "yes"],
        ["--cluster-announce-hostname", "localhost"],
        ["--cluster-preferred-endpoint-type", "hostname"],
    ];
    let redis = pki.server(port, cluster.as_flattened());
    assert_eq!(redis.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), "+OK\r\n");
    admit(&redis, "+cluster|slots +cluster|info +asking");
    on_worker(async {
        let address = RedisAddress::Cluster { seeds: vec![local(port)] };
        serves(RedisStore { tls: Some(pki.tls()), ..as_user(redis_at(address)) }).await;
    });
}

#[test]
fn sentinels_and_their_master_are_reached_over_tls_each_with_its_own_password() {
    let (pki, port, door) = (Pki::new(), free_port(), free_port());
    let redis = pki.server(port, &[]);
    admit(&redis, "+role");
    let text = format!(
        "port 0\ntls-port {door}\nrequirepass guarded\ntls-replication yes\ndir {folder}\n\
         tls-ca-cert-file {folder}/ca.pem\ntls-cert-file {folder}/localhost.pem\n\
         tls-key-file {folder}/localhost.key\nsentinel resolve-hostnames yes\n\
         sentinel announce-hostnames yes\nsentinel monitor main localhost {port} 1\n",
        folder = pki.folder.path().display()
    );
    fs::write(pki.path("sentinel.conf"), text).unwrap();
    let file = pki.path("sentinel.conf");
    let _sentinel = SentinelProcess::start(&file);
    on_worker(async {
        let address =
            RedisAddress::Sentinel { sentinels: vec![local(door)], master: "main".to_owned() };
        let mut config = RedisStore { tls: Some(pki.tls()), ..as_user(redis_at(address)) };
        config.sentinel_login.password = Some(Secret::new("wrong"));
        let stranger = attach(config.clone());
        until("it is refused", || format!("{:?}", stranger.health()).contains("WRONGPASS")).await;
        config.sentinel_login.password = Some(Secret::new("guarded"));
        serves(config).await;
    });
}
