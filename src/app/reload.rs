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
    config::{Config, Report},
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
        let mut new = Vec::new();
        for address in &config.listen {
            if !self.app.listening.iter().any(|(wanted, _)| wanted == address) {
                new.push(server::bind(address, self.app.shared.workers).map_err(AppError::Bind)?);
            }
        }
        let connections = connections_max(&config, self.app.descriptors);
        let rules = config.rules.rules().len();
        let listen = config.listen.clone();
        let next = Generation::new(config, origin, Some(before)).map_err(AppError::System)?;
        // From here on nothing can fail.
        self.app.crew.set_connections_max(connections);
        self.app.shared.current.store(Arc::new(next));
        self.move_listeners(&listen, new);
        Ok(rules)
    }

    /// New addresses accept before old ones close, so that a moving port is never without a listener.
    fn move_listeners(&mut self, listen: &[crate::config::Address], new: Vec<Bound>) {
        for bound in new {
            self.app.listening.push((bound.address.clone(), bound.actual.clone()));
            self.app.crew.listen(bound);
        }
        let crew = &self.app.crew;
        self.app.listening.retain(|(address, _)| {
            let kept = listen.contains(address);
            if !kept {
                crew.tell(|| Command::Close(address.clone()));
            }
            kept
        });
    }
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
