//! Processes that end with the bench, and the CPU time that they have used.

use std::{
    env, fs,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use crate::Outcome;

/// Longest wait for a process to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(10);

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

    /// User and system time of the process and its children, so far.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        let own = ticks(&pid.to_string())?;
        let ticks = children.split_whitespace().map(ticks).sum::<Outcome<u64>>()? + own;
        let per_second = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_secs(ticks) / u32::try_from(per_second)?)
    }
}

/// `utime` and `stime` of all threads: fields 14 and 15 of `proc_pid_stat(5)`, of which the second may
/// hold blanks.
fn ticks(pid: &str) -> Outcome<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, after_name) = stat.rsplit_once(')').ok_or("no name in stat")?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    match fields.get(11..13) {
        Some([user, system]) => Ok(user.parse::<u64>()? + system.parse::<u64>()?),
        _ => Err("stat is too short".into()),
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

/// A port that nobody listens on at the moment.
pub(crate) fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
