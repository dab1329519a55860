//! Restarts, upgrades and reloads while clients come and go: none of them may notice.

mod activation;
mod load;
mod manager;
mod reloads;
mod upgrade;

use std::{
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    process::Command,
};

use command_fds::{CommandFdExt as _, FdMapping};

use rustix::process::Signal;

use self::load::{Expect, Load};
use super::harness::{
    backend::Backend,
    gateway::{PROGRAM, Setup},
};

const RULES: &str = "[rules]\n\"GET /**\" = \"guest\"\n[log]\naccess = \"off\"";

/// A gateway that waits for its backend: the machine is shared, and the backend a test's.
fn setup(backend: &Backend) -> Setup {
    let timeouts = "timeouts = { connect = \"15s\" }";
    Setup::new("patient")
        .tables(RULES)
        .tables(&format!("[backends.patient]\nurl = {:?}\n{timeouts}", backend.url()))
}

/// Somewhere to listen that a service manager, or a test, holds on to.
fn socket() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// The program, given `sockets` as a service manager gives them.
fn activated(sockets: Vec<(&str, OwnedFd)>) -> Command {
    let names: Vec<&str> = sockets.iter().map(|(name, _)| *name).collect();
    let mut program = Command::new("sh");
    program
        .args(["-c", "export LISTEN_PID=$$; exec \"$0\" \"$@\"", PROGRAM])
        .env("LISTEN_FDS", sockets.len().to_string())
        .env("LISTEN_FDNAMES", names.join(":"));
    let sockets = (3..).zip(sockets);
    let mappings = sockets.map(|(child_fd, (_, parent_fd))| FdMapping { parent_fd, child_fd });
    program.fd_mappings(mappings.collect()).unwrap();
    program
}

#[test]
fn a_stop_under_load_loses_no_request_that_had_begun() {
    let backend = Backend::plain();
    let mut gate = setup(&backend).start();
    let load = Load::start(gate.address, Expect::End);
    load.answers(500);
    gate.signal(Signal::TERM);
    assert_eq!(gate.ended().code(), Some(0));
    load.ends_well();
}
