//! Taking over a new configuration: read, checked, its expectations run, its sockets bound; then it is in
//! force at once, for the next request of every worker. Anything wrong, and nothing has changed.

use std::{
    collections::HashMap,
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use super::{App, AppError, connections_max, watch::FileWatch};
use crate::{
    config::{Address, Config, Listen, Report},
    gateway::Generation,
    server::{self, Bound, Command},
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
        let taken = self.take_over(&before);
        self.app.metrics.reloaded(taken.is_ok());
        match taken {
            Ok(rules) => {
                let now = self.app.generation();
                self.app.metrics.loaded(SystemTime::now());
                let known = std::mem::take(&mut self.app.fingerprint);
                self.app.fingerprint = fingerprint(&now.config.sources);
                let still_read = known.into_iter().filter(|(f, _)| now.config.sources.contains(f));
                self.app.fingerprint.extend(still_read);
                files.follow(&now.config.sources);
                event(
                    Level::Info,
                    "reloaded; the new configuration is in force",
                    &[("rules", &rules)],
                );
                for warning in &now.config.warnings {
                    event(Level::Warn, "configuration warning", &[("warning", warning)]);
                }
            }
            Err(error) => {
                let message = "reload refused; the old configuration stays in force";
                event(Level::Error, message, &[("error", &error)]);
            }
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
        let mut open = self.app.listening.clone();
        for listen in &config.listen {
            doors.push((
                listen.clone(),
                match kept(&mut open, listen, &config.listen) {
                    Some(actual) => Door::Open(actual),
                    None => Door::New(
                        server::bind(&listen.address, self.app.shared.workers)
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
        self.app.shared.current.store(Arc::new(next));
        self.move_listeners(doors, open);
        Ok(rules)
    }

    /// New addresses accept before old ones close, so that a moving port is never without a listener.
    fn move_listeners(&mut self, doors: Vec<(Listen, Door)>, gone: Vec<(Listen, Address)>) {
        let crew = &self.app.crew;
        self.app.listening.clear();
        for (listen, door) in doors {
            let actual = match door {
                Door::Open(actual) => {
                    crew.tell(|| Command::Speak(actual.clone(), listen.manner));
                    actual
                }
                Door::New(bound) => {
                    let actual = bound.actual.clone();
                    crew.listen(bound, listen.manner);
                    actual
                }
            };
            self.app.listening.push((listen, actual));
        }
        for (_, actual) in gone {
            crew.tell(|| Command::Close(actual.clone()));
        }
    }
}

/// A listener of the new configuration.
enum Door {
    /// Its sockets accept already; clients may have to speak otherwise from now on.
    Open(Address),
    New(Bound),
}

/// Takes the open address that `listen` goes on with out of `open`: the one of the same value, or one
/// whose clients spoke otherwise and that no other listener of the new configuration has.
fn kept(open: &mut Vec<(Listen, Address)>, listen: &Listen, all: &[Listen]) -> Option<Address> {
    let same = open.iter().position(|(known, _)| known == listen);
    let at = same.or_else(|| {
        open.iter().position(|(known, _)| known.address == listen.address && !all.contains(known))
    })?;
    Some(open.remove(at).1)
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
