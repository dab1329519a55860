//! Backends for unit tests: read from the file's language, and asked on a thread like a worker's.

use std::time::SystemTime;

use http::{HeaderValue, Method, Uri, header::HOST};

use super::{Outgoing, RequestBody};
use crate::{
    config::{Backend, Config},
    tick,
    wire::Fields,
};

/// The backend that the keys of a `[backends.NAME]` make.
pub(super) fn backend(keys: &str) -> Backend {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.toml");
    let secret = "0123456789abcdef0123456789abcdef0123456789abcdef";
    let text = format!("backend = \"main\"\nsecret = {secret:?}\n[backends.main]\n{keys}\n");
    std::fs::write(&file, text).unwrap();
    let config = Config::load_with(&file, &|_| None, SystemTime::UNIX_EPOCH);
    config.unwrap_or_else(|report| panic!("{report}")).backends[0].clone()
}

/// Runs `future` where a clock ticks.
pub(super) fn on_worker<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .unwrap();
    runtime.block_on(async {
        let clock = tokio::task::spawn_local(tick::run(|_| ()));
        tokio::task::yield_now().await;
        let output = future.await;
        clock.abort();
        output
    })
}

/// `GET /`.
pub(super) fn get() -> Outgoing {
    let mut fields = Fields::default();
    fields.append(HOST, HeaderValue::from_static("shop.example"));
    Outgoing {
        method: Method::GET,
        target: Uri::from_static("/"),
        fields,
        ours: Fields::default(),
        ready: [None, None],
        body: RequestBody::Empty,
    }
}
