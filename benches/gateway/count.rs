//! What is counted rather than timed: instructions, allocations, system calls.
//!
//! Counts hardly depend on the machine, nor on what else runs on it. Instructions and
//! allocations are the difference of two runs of different length under callgrind, so that starting,
//! connecting and ending are not in it.

use std::{collections::BTreeMap, env, fs, path::Path, sync::Arc};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::{
    Outcome,
    load::{self, Asked, Shot, Target},
    peers::{Ground, Peers, Site},
    process::{Process, tied},
    report::{self, Row, Table},
    scenario::{Caller, Kind, Scenario, Way, named},
    tokens, versions,
};

/// Scenarios whose instructions have a budget.
const COUNTED: &[&str] = &["hot64", "log", "public", "garbage", "tenants", "uncached", "newconn"];

/// Connections that ask again at once: one worker always has something to do.
const CONNECTIONS: usize = 16;

/// Requests of the shorter run and of the longer.
const SHORT: u64 = 2_000;
const LONG: u64 = 8_000;

/// A run may need so much of its budget more than it says.
const SLACK: f64 = 1.03;

/// What the global allocator calls.
const ALLOCATES: &[&str] =
    &["_rjem_malloc", "_rjem_mallocx", "_rjem_calloc", "_rjem_realloc", "_rjem_rallocx"];

/// User instructions of a request, by scenario.
#[derive(Serialize, Deserialize)]
struct Budgets {
    instructions: BTreeMap<String, u64>,
}

/// Counts instructions and allocations, and compares them with the budgets; `UPDATE=1` writes them.
///
/// # Errors
/// More than 3 % above a budget.
pub(crate) fn instructions(only: Option<&str>) -> Outcome<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/gateway/instructions.toml");
    let mut budgets: Budgets = toml::from_str(&fs::read_to_string(&file)?)?;
    let update = env::var_os("UPDATE").is_some();
    let (mut rows, mut above) = (Vec::new(), Vec::new());
    for name in COUNTED {
        if only.is_some_and(|only| !only.split(',').any(|one| one == *name)) {
            continue;
        }
        let (short, long) = (callgrind(&named(name)?, SHORT)?, callgrind(&named(name)?, LONG)?);
        let each = |of: fn(&Profile) -> u64| {
            of(&long).saturating_sub(of(&short)) as f64 / (LONG - SHORT) as f64
        };
        let counted = each(|profile| profile.instructions).round();
        if update {
            budgets.instructions.insert((*name).to_owned(), counted as u64);
        }
        let budget = budgets.instructions.get(*name).map_or(f64::NAN, |&budget| budget as f64);
        if counted > budget * SLACK {
            above.push(format!(
                "{name} is {:.1} % above its budget",
                (counted / budget - 1.0) * 100.0
            ));
        }
        let mut row = Row::new(name);
        row.add(Shot::from([
            ("instructions", counted),
            ("budget", budget),
            ("allocations", each(|profile| profile.allocations)),
        ]));
        rows.push(row);
    }
    let table = Table {
        scenario: "instructions".to_owned(),
        about: "user instructions and allocations of a request, one worker, 16 connections"
            .to_owned(),
        requests: LONG - SHORT,
        versions: versions::all(),
        rows,
    };
    table.publish()?;
    if update {
        fs::write(&file, format!("{HEAD}{}", toml::to_string(&budgets)?))?;
    }
    if above.is_empty() { Ok(()) } else { Err(above.join("; ").into()) }
}

const HEAD: &str = "# User instructions of a request, as `make bench-instructions` counts them; `UPDATE=1` writes this file.
# More than 3 % above one of them fails, so that whoever needs more says so in a review.

";

struct Profile {
    instructions: u64,
    allocations: u64,
}

/// One run of a gateway of one worker under callgrind.
fn callgrind(scenario: &Scenario, requests: u64) -> Outcome<Profile> {
    let ground = Ground::start(scenario.way)?;
    let folder = ground.folder.path();
    let credentials = tokens::make(scenario, ground.redis.1, folder)?;
    let (backend, redis) = (ground.backend.1, ground.redis.1);
    let site = Site { folder, backend, redis, scenario, workers: 1, timeout: "3s" };
    let (words, port) = site.tollgate()?;
    let out = folder.join("callgrind.out");
    let option = format!("--callgrind-out-file={}", out.display());
    let binary = Kind::Tollgate.binary();
    let mut arguments = vec!["--tool=callgrind", &option, &binary];
    arguments.extend(words.iter().map(String::as_str));
    let process = Process::start("gateway", tied("valgrind", &arguments)?, port, folder)?;
    let credentials =
        if scenario.caller == Caller::User { tokens::user(port, None)? } else { credentials };
    let asked = Arc::new(Asked::new(scenario, Arc::new(credentials)));
    let connections = CONNECTIONS;
    let anew = scenario.way == Way::Anew;
    let target = Target { asked, port, tls: None, connections, anew, requests, first: 0 };
    load::check(&target, scenario.name, false)?;
    let seen = load::run(&target, || Ok(()))?;
    if let Some(error) = seen.first {
        return Err(format!("{}: {error}", scenario.name).into());
    }
    drop(process); // ends it, and so the profile is written
    // For `callgrind_annotate`: where they went.
    fs::create_dir_all(report::folder())?;
    fs::copy(&out, report::folder().join(format!("{}.callgrind", scenario.name)))?;
    Profile::read(&fs::read_to_string(out)?)
}

impl Profile {
    /// Reads callgrind's own format: `totals:`, and `calls=` after the name of who was called. A name is
    /// written once, with its number; later the number alone.
    fn read(text: &str) -> Outcome<Self> {
        let (mut instructions, mut allocations) = (None, 0);
        let (mut names, mut called) = (BTreeMap::new(), "");
        for line in text.lines() {
            if let Some(totals) = line.strip_prefix("totals: ") {
                instructions = Some(totals.trim().parse()?);
            } else if let Some(calls) = line.strip_prefix("calls=") {
                let count: u64 = calls.split(' ').next().unwrap_or_default().parse()?;
                let name = names.get(called).copied().unwrap_or_default();
                allocations += if ALLOCATES.contains(&name) { count } else { 0 };
            } else if let Some((kind @ ("fn" | "cfn"), function)) = line.split_once('=') {
                let (number, name) = function.split_once(' ').unwrap_or((function, ""));
                if !name.is_empty() {
                    names.insert(number, name);
                }
                called = if kind == "cfn" { number } else { called };
            }
        }
        let instructions = instructions.ok_or("callgrind has written no totals")?;
        Ok(Self { instructions, allocations })
    }
}

/// Counts the system calls of saturated proxies, each of two workers under 64 connections.
pub(crate) fn system_calls() -> Outcome<()> {
    let scenario = named("hot64")?;
    let peers = Peers::start(&scenario, 2)?;
    let requests = 20_000;
    let mut rows = Vec::new();
    for peer in &peers.all {
        let target = Target::new(&peers, peer, &scenario, requests);
        load::check(&target, peer.kind.name(), false)?;
        load::run(&target, || Ok(()))?;
        let target = Target::new(&peers, peer, &scenario, requests);
        let (mut tracer, out) = (None, peers.folder().join("strace"));
        load::run(&target, || {
            tracer = Some(Tracer::attach(&peer.process.pids()?, &out)?);
            Ok(())
        })?;
        tracer.ok_or("nobody traced")?.end()?;
        let mut row = Row::new(peer.kind.name());
        row.add(summary(&fs::read_to_string(&out)?, requests));
        rows.push(row);
    }
    let table = Table {
        scenario: "syscalls".to_owned(),
        about: "system calls of a request, one token, 64 saturated connections".to_owned(),
        requests,
        versions: versions::all(),
        rows,
    };
    table.publish()
}

/// strace, attached to processes that run.
struct Tracer(std::process::Child);

impl Tracer {
    /// Returns when every thread of them is traced.
    fn attach(pids: &[String], out: &Path) -> Outcome<Self> {
        let out = out.display().to_string();
        let mut words = vec!["-f", "-c", "-o", &out];
        for pid in pids {
            words.extend(["-p", pid]);
        }
        let child = tied("strace", &words)?.stderr(std::process::Stdio::null()).spawn()?;
        let traced = || -> Outcome<bool> {
            for pid in pids {
                for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
                    let status = fs::read_to_string(thread?.path().join("status"))?;
                    if status.contains("TracerPid:\t0\n") {
                        return Ok(false);
                    }
                }
            }
            Ok(true)
        };
        let given_up = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while !traced()? {
            if std::time::Instant::now() > given_up {
                return Err("strace may not trace: ptrace is forbidden here".into());
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Ok(Self(child))
    }

    /// Detaches, which writes the summary.
    fn end(mut self) -> Outcome<()> {
        let pid = Pid::from_raw(i32::try_from(self.0.id())?).ok_or("no such process")?;
        kill_process(pid, Signal::INT)?;
        self.0.wait()?;
        Ok(())
    }
}

/// Reads the table of `strace -c`: the fourth column counts calls, the last one names them.
fn summary(text: &str, requests: u64) -> Shot {
    let mut shot = Shot::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (Some(calls), Some(name)) = (words.get(3), words.last()) else { continue };
        let Ok(calls) = calls.parse::<f64>() else { continue };
        if *name == "total" {
            continue;
        }
        let group = match *name {
            "read" | "readv" | "recvfrom" | "recvmsg" => "read",
            "write" | "writev" | "sendto" | "sendmsg" => "write",
            "epoll_wait" | "epoll_pwait" | "epoll_ctl" => "epoll",
            _ => "other",
        };
        *shot.entry(group).or_default() += calls / requests as f64;
        *shot.entry("all").or_default() += calls / requests as f64;
    }
    shot
}
