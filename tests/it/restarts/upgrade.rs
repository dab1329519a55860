//! SIGUSR2: another process takes the place of this one, and no client notices.

use std::{
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    process::{Pid, Signal, kill_process},
};

use super::{
    super::harness::{
        backend::Backend,
        client::{Client, get},
        free_port,
        gateway::{Gateway, PROGRAM, Setup},
        redis::Redis,
        until,
    },
    RULES, activated,
    load::{Expect, Load},
    socket,
};

const STARTS: &str = "upgrading; a new process starts";
const HANDED_OVER: &str = "handed over; this process drains";
const SERVES_ON: &str = "this process serves on";

/// A gateway, and whoever takes its place.
pub(super) struct Lineage {
    pub(super) gate: Gateway,
    /// The file that is started.
    program: PathBuf,
    _redis: Redis,
}

impl Lineage {
    pub(super) fn setup(backend: &Backend, redis: &Redis) -> Setup {
        let local = || format!("\"127.0.0.1:{}\"", free_port());
        super::setup(backend)
            .key("listen", &local())
            .key("health", &local())
            .key("store", &format!("{:?}", redis.url()))
    }

    pub(super) fn start(setup: Setup, redis: Redis, prepare: impl FnOnce(&mut Command)) -> Self {
        let program = setup.folder().join("tollgate");
        symlink(PROGRAM, &program).unwrap();
        let mut command = Command::new(&program);
        prepare(&mut command);
        Self { gate: setup.start_by(command), program, _redis: redis }
    }

    fn new(backend: &Backend) -> Self {
        let redis = Redis::start();
        Self::start(Self::setup(backend, &redis), redis, |_| ())
    }

    /// Puts a shell script where the program is.
    fn replace(&self, script: &str) {
        let new = self.program.with_extension("new");
        std::fs::write(&new, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(&new, &self.program).unwrap();
    }

    /// A program that waits for somebody to write there before it begins.
    fn replace_by_one_that_waits(&self) -> PathBuf {
        let gate = self.gate.folder().join("go");
        mknodat(CWD, &gate, FileType::Fifo, Mode::RWXU, 0).unwrap();
        self.replace(&format!("read go < {gate:?}\nexec {PROGRAM} \"$@\""));
        gate
    }

    /// Everybody who was started to take a place.
    pub(super) fn started(&self) -> Vec<Pid> {
        let events = self.gate.err.events(STARTS);
        events.iter().map(|event| event["pid"].as_str().unwrap()).map(pid).collect()
    }

    fn happens(&self, message: &str, times: usize) -> String {
        let events = until(message, || {
            Some(self.gate.err.events(message)).filter(|events| events.len() >= times)
        });
        events.last().unwrap()["error"].as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Lineage {
    fn drop(&mut self) {
        for pid in self.started() {
            if is_ours(pid, &self.gate.config) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

fn pid(text: &str) -> Pid {
    Pid::from_raw(text.parse().unwrap()).unwrap()
}

fn is_ours(pid: Pid, config: &Path) -> bool {
    let words = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_pid())).unwrap_or_default();
    String::from_utf8_lossy(&words).contains(config.to_str().unwrap())
}

#[test]
fn an_upgrade_loses_nothing_and_neither_does_the_next_one() {
    let backend = Backend::plain();
    let mut line = Lineage::new(&backend);
    let load = Load::start(line.gate.address, Expect::Answers);
    load.answers(300);
    line.gate.signal(Signal::USR2);
    line.happens(HANDED_OVER, 1);
    assert_eq!(line.gate.ended().code(), Some(0));
    load.answers(300);
    kill_process(line.started()[0], Signal::USR2).unwrap();
    line.happens(HANDED_OVER, 2);
    line.happens("stopped", 2);
    load.answers(300);
    assert_eq!(line.gate.probe("/readyz").status, 200);
    load.ends_well();
    kill_process(line.started()[1], Signal::TERM).unwrap();
    line.happens("stopped", 3);
    assert!(Client::try_connect(line.gate.address).is_none(), "the last one closes what it got");
}

#[test]
fn a_socket_of_a_service_manager_is_passed_on_and_stays_its_own() {
    let (backend, redis) = (Backend::plain(), Redis::start());
    let (held, address) = socket();
    let listen = format!("{:?}", address.to_string());
    let setup = Lineage::setup(&backend, &redis).key("listen", &listen);
    let lent = || activated(vec![("clients", held.try_clone().unwrap().into())]);
    let gate = setup.start_by(lent());
    let mut line = Lineage { gate, program: PathBuf::new(), _redis: redis };
    let load = Load::start(address, Expect::Answers);
    load.answers(300);
    line.gate.signal(Signal::USR2);
    line.happens("stopped", 1);
    assert_eq!(line.gate.ended().code(), Some(0));
    load.answers(300);
    kill_process(line.started()[0], Signal::TERM).unwrap();
    line.happens("stopped", 2);
    line.gate.start_again_by(lent());
    load.answers(300);
    load.ends_well();
}

#[test]
fn the_file_that_lies_where_the_program_was_started_is_the_new_one() {
    let backend = Backend::plain();
    let mut line = Lineage::new(&backend);
    let mark = line.gate.folder().join("taken");
    line.replace(&format!("touch {mark:?}\nexec {PROGRAM} \"$@\""));
    line.gate.signal(Signal::USR2);
    line.happens(HANDED_OVER, 1);
    assert_eq!(line.gate.ended().code(), Some(0));
    assert!(mark.exists());
    assert_eq!(line.gate.ask(get("/", "")).text(), "hello");
}

#[test]
fn an_upgrade_that_fails_is_told_and_nobody_else_notices() {
    let backend = Backend::plain();
    let line = Lineage::new(&backend);
    let load = Load::start(line.gate.address, Expect::Unnoticed);
    load.answers(200);
    let good = std::fs::read_to_string(&line.gate.config).unwrap();
    let fails = |times: usize, says: &str| {
        line.gate.signal(Signal::USR2);
        let error = line.happens(SERVES_ON, times);
        assert!(error.contains(says), "{says}: {error}");
        load.answers(200);
    };
    std::fs::remove_file(&line.program).unwrap();
    fails(1, "cannot start");
    line.replace("exit 3");
    fails(2, "exit status: 3");
    line.replace(&format!("exec {PROGRAM} \"$@\""));
    line.gate.rewrite(&good.replace("[rules]", "[rulez]"));
    line.happens("reload refused", 1);
    fails(3, "exit status: 78");
    load.ends_well();
    line.gate.rewrite(&good);
    line.gate.signal(Signal::USR2);
    line.happens(HANDED_OVER, 1);
}

#[test]
fn while_one_is_under_way_there_is_no_other_and_no_reload() {
    let backend = Backend::plain();
    let mut line = Lineage::new(&backend);
    let go = line.replace_by_one_that_waits();
    let load = Load::start(line.gate.address, Expect::Answers);
    line.gate.signal(Signal::USR2);
    line.happens(STARTS, 1);
    line.gate.signal(Signal::USR2);
    line.happens("an upgrade is under way already", 1);
    let text = std::fs::read_to_string(&line.gate.config).unwrap();
    line.gate.rewrite(
        &text.replace(
            "\"GET /**\" = \"guest\"",
            "\"GET /**\" = \"guest\"\n\"POST /**\" = \"guest\"",
        ),
    );
    line.gate.signal(Signal::HUP);
    load.answers(200);
    assert!(line.gate.err.events("reloaded").is_empty(), "it waits for the upgrade's end");
    std::fs::write(go, "go\n").unwrap();
    line.happens(HANDED_OVER, 1);
    assert_eq!(line.gate.ended().code(), Some(0));
    load.answers(200);
    load.ends_well();
    let posted = line.gate.ask("POST / HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    assert_eq!(posted.verdict(), "200", "the new one has read the new file");
    assert_eq!(line.started().len(), 1);
}

#[test]
fn who_is_told_to_stop_during_an_upgrade_stops_both() {
    let backend = Backend::plain();
    let mut line = Lineage::new(&backend);
    let _go = line.replace_by_one_that_waits();
    line.gate.signal(Signal::USR2);
    line.happens(STARTS, 1);
    line.gate.signal(Signal::TERM);
    assert_eq!(line.gate.ended().code(), Some(0));
    let started = line.started()[0];
    until("its end", || (!is_ours(started, &line.gate.config)).then_some(()));
    assert!(Client::try_connect(line.gate.address).is_none());
}

#[test]
fn a_store_that_two_processes_cannot_have_is_a_reason_not_to() {
    let backend = Backend::plain();
    for (store, says) in [("file:tollgate.redb", "socket activation"), ("memory:", "would be lost")]
    {
        let gate =
            Setup::new(&backend.url()).key("store", &format!("{store:?}")).tables(RULES).start();
        gate.signal(Signal::USR2);
        let error = gate.err.event("no upgrade; this process serves on");
        assert!(error["error"].as_str().unwrap().contains(says), "{store}: {error}");
        assert_eq!(gate.ask(get("/", "")).text(), "hello");
    }
}
