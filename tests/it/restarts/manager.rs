//! What a service manager is told.

use std::{
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
    time::Duration,
};

use rustix::process::{Signal, kill_process};

use super::{
    super::harness::{PATIENCE, backend::Backend, redis::Redis},
    upgrade::Lineage,
};

/// The next message that is no sign of life.
fn next(manager: &UnixDatagram) -> String {
    loop {
        let said = any(manager);
        if said != "WATCHDOG=1" {
            return said;
        }
    }
}

fn any(manager: &UnixDatagram) -> String {
    let mut text = [0; 1024];
    let length = manager.recv(&mut text).expect("nothing was said");
    String::from_utf8(text[..length].to_vec()).unwrap()
}

fn begins(said: &str, with: &str) {
    assert!(said.starts_with(with), "{said:?}, not {with:?}");
}

#[test]
fn a_service_manager_hears_of_every_step_of_a_life() {
    let (backend, redis) = (Backend::plain(), Redis::start());
    let setup = Lineage::setup(&backend, &redis);
    let path = setup.folder().join("notify.sock");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut line = Lineage::start(setup, redis, |command| {
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "600000");
    });
    begins(&next(&manager), "READY=1\nSTATUS=127.0.0.1:");
    assert_eq!(any(&manager), "WATCHDOG=1");

    let good = std::fs::read_to_string(&line.gate.config).unwrap();
    for (text, status) in
        [(&good.replace("guest", "gues"), "reload refused"), (&good, "127.0.0.1:")]
    {
        line.gate.rewrite(text);
        begins(&next(&manager), "RELOADING=1\nMONOTONIC_USEC=");
        begins(&next(&manager), &format!("READY=1\nSTATUS={status}"));
    }

    line.gate.signal(Signal::USR2);
    begins(&next(&manager), "READY=1\nSTATUS="); // of the new process, and heeded only from a main one
    let heir = line.started()[0];
    assert_eq!(next(&manager), format!("MAINPID={}", heir.as_raw_pid()));
    assert_eq!(line.gate.ended().code(), Some(0));
    assert_eq!(any(&manager), "WATCHDOG=1", "of the new process");
    kill_process(heir, Signal::TERM).unwrap();
    begins(&next(&manager), "STOPPING=1\nSTATUS=");
}

#[test]
fn a_manager_whose_socket_has_no_file_is_told_too_and_one_that_is_gone_does_no_harm() {
    let backend = Backend::plain();
    let name = format!("tollgate-it-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = UnixDatagram::bind_addr(&address).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let redis = Redis::start();
    let setup = Lineage::setup(&backend, &redis);
    let mut line = Lineage::start(setup, redis, |command| {
        command.env("NOTIFY_SOCKET", format!("@{name}"));
    });
    begins(&next(&manager), "READY=1\n");
    drop(manager);
    line.gate.signal(Signal::TERM);
    assert_eq!(line.gate.ended().code(), Some(0));
}
