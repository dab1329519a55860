//! How commands reach what they are about: by way of the running gateway, and only where none answers
//! by opening the store themselves.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::{
    Exit, Failure,
    args::ConfigFile,
    client::{Client, Reached, on_this_thread},
};
use crate::{
    app::admin::{desk::Desk, wire::Job},
    config::{Config, Store as StoreConfig},
    explain::span,
    gateway::Generation,
    store::{HealthState, StoreOrigin},
    tick,
    token::id::IdSource,
};

/// Longest wait for a first connection to a Redis.
const STORE_TIME: Duration = Duration::from_secs(2);

/// Has `job` done, and says by which way when that is not the running gateway.
pub(super) fn ask(file: &ConfigFile, job: &Job) -> Result<(Value, String), Failure> {
    let config = Config::load(&file.config)?;
    on_this_thread(async {
        match Client::of(&config).await? {
            Some(Reached::Gateway(client)) => {
                let body = job.body().map_err(|error| {
                    Failure::new(Exit::Software, format!("writing JSON: {error}"))
                })?;
                Ok((client.post(job.path(), body).await?, String::new()))
            }
            Some(Reached::Nobody(_)) => directly(config, job, "no gateway runs").await,
            None => directly(config, job, "no `admin` in the configuration").await,
        }
    })
}

/// Does `job` on the store itself. A gateway that shares the store notices within
/// `[tokens] near-cache.ttl-without-push`.
async fn directly(config: Config, job: &Job, why: &str) -> Result<(Value, String), Failure> {
    const ADD_ADMIN: &str =
        "add `admin = \"unix:tollgate.sock\"` to the configuration and restart the gateway";
    if config.store == StoreConfig::Memory {
        let message = "what `memory:` keeps is in the gateway's process, and no gateway answers";
        let help = match config.admin {
            Some(_) => "start it: tollgate serve",
            None => ADD_ADMIN,
        };
        return Err(Failure::new(Exit::Unavailable, message).help(help));
    }
    let without_admin = config.admin.is_none();
    let origin = StoreOrigin::open(&config.store).map_err(|error| {
        let failure = Failure::from(error);
        if without_admin { failure.help(ADD_ADMIN) } else { failure }
    })?;
    let generation = Generation::new(config, origin, None)
        .map_err(|error| Failure::new(Exit::Software, format!("starting: {error}")))?;
    let generation = Arc::new(generation);
    let store = generation.attach();
    let give_up = tick::now() + STORE_TIME;
    while store.health().state != HealthState::Up && tick::now() < give_up {
        tick::sleep(tick::PERIOD).await;
    }
    let name = store.health().store;
    let delay =
        generation.config.tokens.near_ttl.min(generation.config.tokens.near_ttl_without_push);
    let shared = matches!(generation.config.store, StoreConfig::Redis(_));
    let random = getrandom::u64().map_err(|error| {
        Failure::new(Exit::Software, format!("the system has no random numbers: {error}"))
    })?;
    let ids = IdSource::new(random.to_be_bytes());
    let answer = Desk { generation, store }.carry_out(job, &ids, SystemTime::now()).await?;
    let mut way = format!("\n({why}: {name} was used directly");
    if shared && job.lags() {
        let ms = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        way.push_str(&format!("; gateways that share it notice within {}", span(ms)));
    }
    way.push(')');
    Ok((answer, way))
}

/// The answer in the form that this version gives it.
pub(super) fn read<T: serde::de::DeserializeOwned>(answer: Value) -> Result<T, Failure> {
    serde_json::from_value(answer).map_err(|_| {
        Failure::new(
            Exit::Software,
            "the gateway's answer has another form: is it of this version?",
        )
    })
}
