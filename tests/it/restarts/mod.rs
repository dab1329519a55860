//! Restarts, upgrades and reloads while clients come and go: none of them may notice.

mod activation;
mod load;
mod manager;
mod reloads;
mod upgrade;

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    process::Command,
};

use command_fds::{CommandFdExt as _, FdMapping};

use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    process::Signal,
};

use self::load::{Expect, Load};
use super::harness::{
    backend::Backend,
    client::get,
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

/// Whoever reads the access lines may have stopped, and never read again.
#[test]
fn a_stop_is_certain_though_nobody_reads_the_access_lines() {
    let backend = Backend::plain();
    let setup = Setup::new(&backend.url()).tables("[rules]\n\"GET /**\" = \"public\"");
    let pipe = setup.folder().join("lines");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _reader = File::options().read(true).write(true).open(&pipe).unwrap();
    let mut program = Command::new("sh");
    program.args(["-c", "exec \"$0\" \"$@\" > \"$LINES_TO\"", PROGRAM]).env("LINES_TO", &pipe);
    let mut gate = setup.start_by(program);
    let mut client = gate.connect();
    let target = format!("/{}", "x".repeat(2000));
    for _ in 0..100 {
        assert_eq!(client.ask(get(&target, "")).verdict(), "200"); // more than a pipe holds
    }
    gate.signal(Signal::TERM);
    assert_eq!(gate.ended().code(), Some(0));
}
