//! Taking over a new configuration: read, checked, its expectations run, its sockets bound; then it is in
//! force at once, for the next request of every worker. Anything wrong, and nothing has changed.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fmt::Display,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use super::{App, AppError, banner, connections_max, watch::FileWatch};
use crate::{
    config::{Config, Listen, Report},
    gateway::Generation,
    server::{Bound, Command, Keeper},
    store::StoreOrigin,
    telemetry::log::{Level, event},
};

/// Why the configuration in force stays.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    #[error("{}; {} in all, see `tollgate check`", .0.first_line(), .0.mistakes())]
    Faulty(Report),
    #[error("`{0}` can only change with a restart")]
    NeedsRestart(&'static str),
    #[error(transparent)]
    App(#[from] AppError),
}

/// One reload.
pub(super) struct Reloader<'a> {
    app: &'a mut App,
}

impl<'a> Reloader<'a> {
    pub(super) fn new(app: &'a mut App) -> Self {
        Self { app }
    }

    /// Reloads, or logs and counts why not. Without `forced`, files whose bytes are those in force are
    /// left alone: a directory sees many events.
    pub(super) fn reload(&mut self, forced: bool, files: &mut FileWatch) {
        let before = self.app.generation();
        let bytes = fingerprint(&before.config.sources);
        if !forced && bytes == self.app.fingerprint {
            files.follow(&before.config.sources); // a link may lead elsewhere now
            return;
        }
        // What is remembered was read before the configuration: a change in between is noticed once
        // more, and never missed.
        self.app.fingerprint = bytes;
        self.app.manager.reloading();
        let taken = self.take_over_all(before);
        self.app.metrics.reloaded(taken.is_ok());
        let now = self.app.generation();
        files.follow(&now.config.sources);
        match taken {
            Ok(rules) => {
                self.app.metrics.loaded(SystemTime::now());
                event(
                    Level::Info,
                    "reloaded; the new configuration is in force",
                    &[("rules", &rules)],
                );
                self.app.manager.ready(&banner::addresses(self.app));
                for warning in &now.config.warnings {
                    event(Level::Warn, "configuration warning", &[("warning", warning)]);
                }
            }
            Err(error) => {
                let message = "reload refused; the old configuration stays in force";
                self.app.manager.ready(message);
                event(Level::Error, message, &[("error", &error)]);
            }
        }
    }

    /// Takes the configuration over. A file that it did not read before was read before anybody remembered
    /// its bytes: then all is read once more, so that no change in between is missed.
    fn take_over_all(&mut self, mut before: Arc<Generation>) -> Result<usize, NotTaken> {
        loop {
            let rules = self.take_over(&before)?;
            let now = self.app.generation();
            if now.config.sources == before.config.sources {
                return Ok(rules);
            }
            self.app.fingerprint = fingerprint(&now.config.sources);
            before = now;
        }
    }

    fn take_over(&mut self, before: &Arc<Generation>) -> Result<usize, NotTaken> {
        let config = Config::load(&before.config.file).map_err(NotTaken::Faulty)?;
        for (name, same) in [
            ("workers", config.workers == before.config.workers),
            ("health", config.health == before.config.health),
            ("admin", config.admin == before.config.admin),
        ] {
            if !same {
                return Err(NotTaken::NeedsRestart(name));
            }
        }
        let origin = if config.store == before.config.store {
            before.origin.clone()
        } else {
            StoreOrigin::open(&config.store).map_err(AppError::Store)?
        };
        let mut doors = Vec::with_capacity(config.listen.len());
        let mut kept = vec![false; self.app.listening.len()];
        for listen in &config.listen {
            doors.push((
                listen.clone(),
                match find(&self.app.listening, &mut kept, listen, &config.listen) {
                    Some(at) => Door::Open(at),
                    None => Door::New(
                        self.app
                            .inherited
                            .bind(&listen.address, self.app.shared.workers)
                            .map_err(AppError::Bind)?,
                    ),
                },
            ));
        }
        let connections = connections_max(&config, self.app.descriptors);
        let rules = config.rules.rules().len();
        let next = Generation::new(config, origin, Some(before)).map_err(AppError::System)?;
        // From here on nothing can fail.
        self.app.crew.set_connections_max(connections);
        self.app.shared.set_connections_max(connections);
        self.app.shared.current.store(Arc::new(next));
        self.move_listeners(doors);
        Ok(rules)
    }

    /// New addresses accept before old ones close, so that a moving port is never without a listener.
    fn move_listeners(&mut self, doors: Vec<(Listen, Door)>) {
        let crew = &self.app.crew;
        let before = std::mem::take(&mut self.app.listening);
        let mut open: Vec<Option<Bound>> = before.into_iter().map(|(_, b)| Some(b)).collect();
        for (listen, door) in doors {
            let bound = match door {
                Door::Open(at) => {
                    let Some(bound) = open[at].take() else { continue };
                    crew.tell(|| Command::Speak(bound.actual.clone(), listen.manner));
                    bound
                }
                Door::New(mut bound) => {
                    crew.listen(&mut bound, listen.manner);
                    bound
                }
            };
            self.app.listening.push((listen, bound));
        }
        for bound in open.into_iter().flatten() {
            crew.tell(|| Command::Close(bound.actual.clone()));
            if let Keeper::Lender(name) = &bound.keeper {
                let message = "nobody accepts on an inherited socket any more";
                let fields: [(&str, &dyn Display); 2] =
                    [("address", &bound.actual), ("socket", name)];
                event(Level::Warn, message, &fields);
            }
        }
    }
}

/// A listener of the new configuration.
enum Door {
    /// The one of this place accepts already; clients may have to speak otherwise from now on.
    Open(usize),
    New(Bound),
}

/// The open listener that `listen` goes on with, which is `kept` then: the one of the same value, or one
/// whose clients spoke otherwise and that no other listener of the new configuration has.
fn find(
    open: &[(Listen, Bound)],
    kept: &mut [bool],
    listen: &Listen,
    all: &[Listen],
) -> Option<usize> {
    let free = || open.iter().enumerate().filter(|(at, _)| !kept[*at]);
    let same = free().find(|(_, (known, _))| known == listen);
    let (at, _) = same.or_else(|| {
        free().find(|(_, (known, _))| known.address == listen.address && !all.contains(known))
    })?;
    kept[at] = true;
    Some(at)
}

/// What the files hold, and which names the folders of `include` patterns; a missing one is an
/// absence, not an emptiness.
pub(super) fn fingerprint(files: &[PathBuf]) -> HashMap<PathBuf, Option<Vec<u8>>> {
    let held = |file: &PathBuf| if file.is_dir() { names(file) } else { std::fs::read(file).ok() };
    files.iter().map(|file| (file.clone(), held(file))).collect()
}

fn names(folder: &Path) -> Option<Vec<u8>> {
    let entries = std::fs::read_dir(folder).ok()?;
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    Some(names.join(OsStr::new("/")).into_encoded_bytes())
}
