//! Another process takes our place: the program is started anew, with our listening sockets, and when it
//! serves, we drain. It accepts nobody before, and both do for a moment then, so that no client finds nobody
//! there. Whatever goes wrong before it serves, we serve on.

use std::{
    env, io,
    os::{fd::OwnedFd, unix::net::UnixStream as StdUnixStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use command_fds::{CommandFdExt as _, FdMapping};
use tokio::net::UnixStream;

use super::{
    App,
    manager::{SERVES, UPGRADE},
};
use crate::{
    config,
    server::{Bound, HANDED_OVER, Keeper},
};

/// How long the new process has until it serves: a store that is slow to answer included.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How often an ended process is looked for: it has closed its socket a moment before.
const REAP: Duration = Duration::from_millis(5);

/// How long a process that has closed its socket has to end.
const END_WITHIN: Duration = Duration::from_secs(1);

/// The first descriptor that is passed on (`sd_listen_fds(3)`).
const FIRST: i32 = 3;

/// Why there is no other process.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpgradeError {
    #[error(
        "the store `file:` has one process at a time; restart with a socket that the service manager \
         holds (socket activation), and no connection is refused meanwhile"
    )]
    OneHolder,
    #[error("the store `memory:` would be lost: restart instead")]
    Forgetful,
    #[error("cannot start `{program}`: {source}")]
    Start { program: String, source: io::Error },
    #[error("the new process ended before it served ({0})")]
    Ended(String),
    #[error("the new process did not serve within {} s", READY_WITHIN.as_secs())]
    Late,
}

/// A process that is to take our place. Dropped before it serves, it is ended.
pub(super) struct Successor {
    child: Child,
    line: UnixStream,
    give_up: Instant,
    serves: bool,
}

impl Successor {
    /// Starts the program as we were started: a file that was replaced is the new one.
    pub(super) fn start(app: &App) -> Result<Self, UpgradeError> {
        match app.generation().config.store {
            config::Store::File(_) => return Err(UpgradeError::OneHolder),
            config::Store::Memory => return Err(UpgradeError::Forgetful),
            config::Store::Redis(_) => (),
        }
        let mut words = env::args_os();
        let program = words.next().unwrap_or_default();
        let fail = |source| UpgradeError::Start { program: program.display().to_string(), source };
        let (names, sockets) = sockets(app).map_err(fail)?;
        let (ours, theirs) = StdUnixStream::pair().map_err(fail)?;
        ours.set_nonblocking(true).map_err(fail)?;
        let line = UnixStream::from_std(ours).map_err(fail)?;

        let mut command = Command::new(&program);
        command
            .args(words)
            .env("LISTEN_FDS", sockets.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            .env(UPGRADE, "1")
            // Both name a process, and would not name the new one.
            .env_remove("LISTEN_PID")
            .env_remove("WATCHDOG_PID")
            .stdin(Stdio::from(OwnedFd::from(theirs)));
        let mappings = (FIRST..).zip(sockets);
        let mappings = mappings.map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd });
        command.fd_mappings(mappings.collect()).map_err(|error| fail(io::Error::other(error)))?;
        let child = command.spawn().map_err(fail)?;
        let give_up = Instant::now() + READY_WITHIN;
        Ok(Self { child, line, give_up, serves: false })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it serves. Dropping the future loses nothing.
    pub(super) async fn serves(&mut self) -> Result<(), UpgradeError> {
        let said = tokio::time::timeout_at(self.give_up.into(), self.hears()).await;
        match said {
            Err(_) => Err(UpgradeError::Late),
            Ok(true) => {
                self.serves = true;
                Ok(())
            }
            Ok(false) => Err(UpgradeError::Ended(self.end().await)),
        }
    }

    /// Whether it has said so; `false`: it will not any more.
    async fn hears(&self) -> bool {
        loop {
            let mut said = [0];
            if self.line.readable().await.is_err() {
                return false;
            }
            match self.line.try_read(&mut said) {
                Ok(1) if said[0] == SERVES => return true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
                Ok(_) | Err(_) => return false,
            }
        }
    }

    async fn end(&mut self) -> String {
        let give_up = Instant::now() + END_WITHIN;
        while Instant::now() < give_up {
            match self.child.try_wait() {
                Ok(Some(status)) => return status.to_string(),
                Ok(None) => tokio::time::sleep(REAP).await,
                Err(error) => return error.to_string(),
            }
        }
        "it let go of us and runs on".to_owned()
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.serves {
            // It has our sockets: until it is gone, none of them can be closed.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Waits until the successor serves, if there is one, and gives its number; otherwise it is gone.
pub(super) async fn outcome(successor: &mut Option<Successor>) -> Result<u32, UpgradeError> {
    let Some(running) = successor else { return std::future::pending().await };
    let served = running.serves().await;
    let pid = running.pid();
    *successor = None;
    served.map(|()| pid)
}

/// Every listening socket, and what it is called.
fn sockets(app: &App) -> io::Result<(Vec<String>, Vec<OwnedFd>)> {
    let (mut names, mut sockets) = (Vec::new(), Vec::new());
    let bound = app.listening.iter().map(|(_, bound)| bound).chain(&app.health).chain(&app.admin);
    for Bound { held, keeper, .. } in bound {
        for socket in held {
            names.push(match keeper {
                Keeper::Us => HANDED_OVER.to_owned(),
                Keeper::Lender(name) => name.clone(),
            });
            sockets.push(socket.try_clone()?.into());
        }
    }
    Ok((names, sockets))
}
