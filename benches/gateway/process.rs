//! Processes that end with the bench, and the CPU time that they have used.

use std::{
    collections::BTreeSet,
    env, fs,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{
    Pid, Resource, Signal, getrlimit, kill_process, set_parent_process_death_signal, setrlimit,
};

use crate::Outcome;

/// Longest wait for a process to listen, and to end: under valgrind both take seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lets this process and what it starts have as many descriptors as they may: some scenarios hold ten
/// thousand connections.
pub(crate) fn raise_descriptors() -> Outcome<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// A process of ours; dropping it ends it.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
}

/// Says that this process shall end with its parent, then becomes `program`. The parent's death is
/// told by the kernel, so that nothing is left behind even when the bench is killed.
pub(crate) fn become_tied(program: &str, arguments: &[&str]) -> Outcome<()> {
    set_parent_process_death_signal(Some(Signal::TERM))?;
    Err(Command::new(program).args(arguments).exec().into())
}

/// A role of this very binary.
pub(crate) fn role(arguments: &[&str]) -> Outcome<Command> {
    let own = env::current_exe()?;
    let own = own.to_str().ok_or("the path of the bench is not UTF-8")?;
    let mut words = vec!["role"];
    words.extend(arguments);
    tied(own, &words)
}

/// A command for `program` that ends with the bench.
pub(crate) fn tied(program: &str, arguments: &[&str]) -> Outcome<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["role", "tied", program]).args(arguments).stdin(Stdio::null());
    Ok(command)
}

impl Process {
    /// Starts `command` and waits until it listens on `port`. What it says goes to `folder`, and is
    /// shown when it does not come up.
    pub(crate) fn start(
        name: &'static str,
        mut command: Command,
        port: u16,
        folder: &Path,
    ) -> Outcome<Self> {
        let said = folder.join(format!("{name}.err"));
        let child = command
            .stdout(fs::File::create(folder.join(format!("{name}.out")))?)
            .stderr(fs::File::create(&said)?)
            .spawn()?;
        let mut process = Self { name, child };
        let given_up = Instant::now() + PATIENCE;
        while TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_err() {
            let ended = process.child.try_wait()?;
            if ended.is_some() || Instant::now() > given_up {
                let said = fs::read_to_string(said).unwrap_or_default();
                return Err(format!("{name} does not listen on {port}\n{said}").into());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    /// User and system time of all threads of the process and its children, so far. In nanoseconds as
    /// the scheduler counts them: `utime` and `stime` are rounded to hundredths of a second.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        let mut nanos = 0;
        for pid in self.pids()? {
            for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
                // A thread may have ended since.
                let said = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
                nanos += said.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0);
            }
        }
        if nanos == 0 {
            return Err("this kernel keeps no /proc/PID/task/TID/schedstat".into());
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Memory in bytes, pages that several processes share counted in parts (PSS).
    pub(crate) fn memory(&self) -> Outcome<u64> {
        let mut kib = 0;
        for pid in self.pids()? {
            let said = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            let pss = said.lines().find_map(|line| line.strip_prefix("Pss:"));
            let pss = pss.and_then(|rest| rest.trim().strip_suffix(" kB")).ok_or("no Pss")?;
            kib += pss.parse::<u64>()?;
        }
        Ok(kib * 1024)
    }

    /// The same, when it has stopped changing.
    pub(crate) fn settled_memory(&self) -> Outcome<u64> {
        let given_up = Instant::now() + PATIENCE;
        let mut last = self.memory()?;
        loop {
            sleep(Duration::from_millis(500));
            let now = self.memory()?;
            if now.abs_diff(last) <= last / 500 || Instant::now() > given_up {
                return Ok(now);
            }
            last = now;
        }
    }

    /// The process and its children.
    pub(crate) fn pids(&self) -> Outcome<Vec<String>> {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        let mut pids: Vec<String> = children.split_whitespace().map(str::to_owned).collect();
        pids.push(pid.to_string());
        Ok(pids)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Ok(pid) = i32::try_from(self.child.id()) else { return };
        let Some(pid) = Pid::from_raw(pid) else { return };
        // Already gone is as good.
        let _ = kill_process(pid, Signal::TERM);
        let given_up = Instant::now() + PATIENCE;
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > given_up {
                eprintln!("bench: {} does not end on SIGTERM: killed", self.name);
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            sleep(Duration::from_millis(10));
        }
    }
}

/// Ports that were given out: whoever got one may not listen yet.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that nobody listens on at the moment, and never the same twice.
pub(crate) fn free_port() -> Outcome<u16> {
    let mut given = GIVEN.lock().map_err(|_| "a thread panicked")?;
    loop {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        if given.insert(port) {
            return Ok(port);
        }
    }
}
