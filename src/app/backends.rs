//! What the control thread does for backends: looks up the names of their servers and asks those that have a question,
//! once for all workers.

use std::{fmt::Display, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    task::{AbortHandle, JoinSet, spawn_local},
    time::MissedTickBehavior,
};

use super::control::Control;
use crate::{
    config::{Backend, HealthCheck},
    telemetry::log::{Level, event},
    upstream::{Roster, Spot},
};

/// How often we look whether a reload has brought other backends.
const LOOK: Duration = Duration::from_millis(250);

/// Names are not looked up more often, however many connects fail.
const LOOK_UP_PAUSE: Duration = Duration::from_secs(1);

/// Who tends a roster; ends with this.
struct Tended {
    roster: Arc<Roster>,
    tasks: [AbortHandle; 2],
}

impl Drop for Tended {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Tends the backends of whichever generation is in force.
pub(super) async fn tend(control: Rc<Control>) {
    let mut tended: Vec<Tended> = Vec::new();
    loop {
        let generation = control.shared.current.load_full();
        let backends = || generation.config.backends.iter().zip(&generation.rosters);
        tended.retain(|known| backends().any(|(_, roster)| Arc::ptr_eq(roster, &known.roster)));
        for (settings, roster) in backends() {
            if !tended.iter().any(|known| Arc::ptr_eq(roster, &known.roster)) {
                tended.push(begin(settings, roster));
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn begin(settings: &Backend, roster: &Arc<Roster>) -> Tended {
    let looking_up = look_up(settings.clone(), Arc::clone(roster));
    let asking = ask(settings.clone(), Arc::clone(roster));
    let tasks = [spawn_local(looking_up).abort_handle(), spawn_local(asking).abort_handle()];
    Tended { roster: Arc::clone(roster), tasks }
}

/// Looks up the names again and again, sooner when one led nowhere. What cannot be looked up stays as it is.
async fn look_up(settings: Backend, roster: Arc<Roster>) {
    let mut failing = false;
    loop {
        // All at once: a resolver may take long to say that it does not know one of them.
        let mut asked = JoinSet::new();
        for server in settings.servers.clone() {
            let roster = Arc::clone(&roster);
            asked.spawn_local(async move { roster.look_up(&server).await });
        }
        let mut failed = None;
        while let Some(answer) = asked.join_next().await {
            failed = answer.ok().and_then(Result::err).or(failed);
        }
        if let Some(error) = failed.as_ref().filter(|_| !failing) {
            let message = "a server's name cannot be looked up; the last answer counts";
            let fields: [(&str, &dyn Display); 2] = [("backend", &settings.name), ("error", error)];
            event(Level::Warn, message, &fields);
        }
        failing = failed.is_some();
        tokio::time::sleep(LOOK_UP_PAUSE.min(settings.balancing.resolve)).await;
        let rest = settings.balancing.resolve.saturating_sub(LOOK_UP_PAUSE);
        let _ = tokio::time::timeout(rest, roster.doubted()).await;
    }
}

/// Asks every server again and again, all at once.
async fn ask(settings: Backend, roster: Arc<Roster>) {
    let Some(check) = settings.balancing.health.clone() else { return };
    let mut clock = tokio::time::interval(check.every);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay); // slow servers are not asked more often
    loop {
        clock.tick().await;
        let mut asked = JoinSet::new();
        for spot in roster.spots().iter() {
            asked.spawn_local(ask_one(settings.clone(), check.clone(), Arc::clone(spot)));
        }
        while asked.join_next().await.is_some() {}
    }
}

async fn ask_one(settings: Backend, check: HealthCheck, spot: Arc<Spot>) {
    let answer = spot.ask(&settings, &check).await;
    if !spot.answered(&check, answer) {
        return;
    }
    let (backend, server) = (&settings.name, &*spot);
    match spot.trouble().filter(|_| !spot.is_well()) {
        Some(trouble) => {
            let message = "a server does not answer its health check and is left out";
            let fields: [(&str, &dyn Display); 3] =
                [("backend", backend), ("server", server), ("error", &trouble.cause)];
            event(Level::Warn, message, &fields);
        }
        None => {
            let fields: [(&str, &dyn Display); 2] = [("backend", backend), ("server", server)];
            event(Level::Info, "a server answers its health check again", &fields);
        }
    }
}
