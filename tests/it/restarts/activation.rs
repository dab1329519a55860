//! Sockets that a service manager holds: the tests hold them as it does.

use std::{
    net::{TcpListener, UdpSocket},
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt as _, net::UnixListener},
    },
    path::Path,
};

use rustix::process::Signal;

use super::{
    super::harness::{
        Rows,
        backend::Backend,
        client::{Client, get},
        free_port,
        gateway::Setup,
        until,
    },
    RULES, activated,
    load::{Expect, Load},
    socket,
};

fn setup(backend: &Backend, listen: &str) -> Setup {
    super::setup(backend).key("listen", &format!("{listen:?}"))
}

fn unix(path: &Path, mode: u32) -> UnixListener {
    let listener = UnixListener::bind(path).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    listener
}

#[test]
fn each_inherited_socket_is_used_where_its_address_is_named_and_the_rest_is_bound() {
    let backend = Backend::plain();
    let other = format!("127.0.0.1:{}", free_port());
    let (health, health_address) = socket();
    let setup = Setup::new(&backend.url()).tables(RULES);
    let folder = setup.folder().canonicalize().unwrap();
    let clients = unix(&folder.join("clients.sock"), 0o666);
    let admin = unix(&folder.join("admin.sock"), 0o600);
    let waiting = Client::connect_unix(&folder.join("clients.sock"));
    let setup = setup
        .key("listen", &format!("[\"unix:clients.sock\", {other:?}]"))
        .key("health", &format!("{:?}", health_address.to_string()))
        .key("admin", "\"unix:admin.sock\"");
    let gate = setup.start_by(activated(vec![
        ("admin", admin.into()),
        ("health", health.into()),
        ("clients", clients.into()),
    ]));
    let mut waiting = waiting;
    assert_eq!(waiting.ask(get("/waited", "")).text(), "hello", "since before the start");
    assert_eq!(Client::connect(other.parse().unwrap()).ask(get("/", "")).text(), "hello");
    assert_eq!(gate.health, Some(health_address));
    assert_eq!(gate.probe("/livez").status, 200);
    let described = Client::connect_unix(&folder.join("admin.sock"))
        .ask("GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(described.status, 200);
}

#[test]
fn a_socket_that_cannot_have_been_meant_is_refused_with_its_name() {
    let backend = Backend::plain();
    let mut rows = Rows::default();
    let folder = tempfile::tempdir().unwrap();
    let (spare, spare_address) = socket();
    let connected = {
        let (listener, address) = socket();
        let client = std::net::TcpStream::connect(address).unwrap();
        drop(listener);
        client
    };
    let public = folder.path().join("admin.sock");
    let admin = format!("admin = \"unix:{}\"", public.display());
    let stray = folder.path().join("stray.sock");
    let (unnamed, not_ours) = ("is named by none of `listen`", "is no socket to listen on");
    let table: [(&str, OwnedFd, String); 6] = [
        ("tcp", spare.into(), format!("{spare_address} (spare) {unnamed}")),
        ("unix", unix(&stray, 0o600).into(), format!("(spare) {unnamed}")),
        ("udp", UdpSocket::bind("127.0.0.1:0").unwrap().into(), format!("(spare) {not_ours}")),
        ("connection", connected.into(), format!("(spare) {not_ours}")),
        ("file", tempfile::tempfile().unwrap().into(), format!("(spare) {not_ours}")),
        ("admin", unix(&public, 0o666).into(), "SocketMode=0600".to_owned()),
    ];
    for (row, descriptor, expected) in table {
        let setup = Setup::new(&backend.url()).tables(RULES);
        let config = setup.folder().join("tollgate.toml");
        let more = if row == "admin" { admin.as_str() } else { "" };
        std::fs::write(&config, format!("{more}\n{}", setup.text())).unwrap();
        let output = activated(vec![("spare", descriptor)])
            .args(["serve", "--config"])
            .arg(&config)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let found = if said.contains(&expected) { "" } else { &said };
        rows.check(row, found, "");
        rows.check(row, &format!("{}", output.status.success()), "false");
    }
}

#[test]
fn sockets_for_another_process_are_not_ours() {
    let backend = Backend::plain();
    let (_spare, address) = socket();
    let mut program = std::process::Command::new(super::PROGRAM);
    program.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let gate = Setup::new(&backend.url()).tables(RULES).start_by(program);
    assert_ne!(gate.address, address);
    assert_eq!(gate.ask(get("/", "")).text(), "hello");
}

#[test]
fn a_restart_on_a_socket_that_is_held_loses_nothing() {
    let backend = Backend::plain();
    let (held, address) = socket();
    let lent = || activated(vec![("clients", held.try_clone().unwrap().into())]);
    let mut gate = setup(&backend, &address.to_string()).start_by(lent());
    let load = Load::start(address, Expect::Answers);
    for _ in 0..2 {
        load.answers(300);
        gate.signal(Signal::TERM);
        assert_eq!(gate.ended().code(), Some(0));
        gate.start_again_by(lent());
    }
    load.answers(300);
    load.ends_well();
}

#[test]
fn an_inherited_socket_is_left_and_taken_again_by_reloads() {
    let backend = Backend::plain();
    let (held, address) = socket();
    let setup = setup(&backend, &address.to_string());
    let with = setup.text();
    let other = format!("127.0.0.1:{}", free_port());
    let without = with.replace(&address.to_string(), &other);
    let gate = setup.start_by(activated(vec![("clients", held.into())]));
    assert_eq!(gate.ask(get("/", "")).text(), "hello");
    gate.rewrite(&without);
    let left = gate.err.event("nobody accepts on an inherited socket any more");
    assert_eq!(
        (left["socket"].as_str(), left["address"].as_str()),
        (Some("clients"), Some(&*address.to_string()))
    );
    assert_eq!(Client::connect(other.parse().unwrap()).ask(get("/", "")).text(), "hello");
    let mut waiting = gate.connect();
    gate.rewrite(&with);
    assert_eq!(waiting.ask(get("/", "")).text(), "hello", "who came meanwhile has waited");
    until("the other to close", || TcpListener::bind(&*other).is_ok().then_some(()));
}

#[test]
fn when_it_ends_who_waits_is_left_to_whoever_accepts_next() {
    let backend = Backend::plain();
    let (held, address) = socket();
    let lent = activated(vec![("clients", held.try_clone().unwrap().into())]);
    let mut gate = setup(&backend, &address.to_string()).start_by(lent);
    assert_eq!(gate.ask(get("/", "")).text(), "hello");
    gate.signal(Signal::TERM);
    assert_eq!(gate.ended().code(), Some(0));
    let mut waiting = Client::connect(address);
    gate.start_again_by(activated(vec![("clients", held.into())]));
    assert_eq!(waiting.ask(get("/", "")).text(), "hello");
}
