//! `/livez`, `/readyz` and `/metrics`, on a listener of their own and nothing else there.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::{
    store::{Health, HealthState},
    telemetry::{
        instant::{rfc3339, unix_ms},
        metrics::Metrics,
    },
    upstream::Trouble,
};

/// What readiness depends on, at one moment.
#[derive(Debug)]
pub struct Readiness {
    /// SIGTERM has come.
    pub draining: bool,
    /// `ready-requires = ["store"]`.
    pub requires_store: bool,
    /// How the store is.
    pub store: Health,
    /// Servers of backends that are left out.
    pub out: Vec<ServerOut>,
}

/// A server that is left out: the backend's name, the server, and why.
#[derive(Debug)]
pub struct ServerOut {
    /// The backend's name.
    pub backend: String,
    /// Where the server is.
    pub server: String,
    /// Why, and since when.
    pub trouble: Trouble,
}

impl Readiness {
    /// Status and body of `/readyz`: 503 while draining, or without a store that is required; a missing
    /// store that is not is named as degraded, since taking every gateway out would take the public
    /// routes along.
    #[must_use]
    pub fn report(&self) -> (StatusCode, Value) {
        let mut degraded = Vec::new();
        let mut ready = !self.draining;
        if let HealthState::Down { since, cause } = &self.store.state {
            ready &= !self.requires_store;
            degraded.push(json!({
                "part": "store",
                "since": rfc3339(unix_ms(*since)),
                "error": cause,
                "effect": "public routes work; others are 503 until it is back",
            }));
        }
        for warning in &self.store.warnings {
            let since = rfc3339(unix_ms(warning.since));
            degraded.push(json!({
                "part": "store", "since": since, "error": warning.cause, "effect": warning.effect,
            }));
        }
        for ServerOut { backend, server, trouble } in &self.out {
            degraded.push(json!({
                "part": "backend",
                "backend": backend,
                "server": server,
                "since": rfc3339(unix_ms(trouble.since)),
                "error": trouble.cause,
                "effect": "it is left out while enough others are there",
            }));
        }
        let mut body = json!({ "ready": ready });
        if self.draining {
            body["draining"] = true.into();
        }
        if !degraded.is_empty() {
            body["degraded"] = degraded.into();
        }
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, body)
    }
}

/// Answers a request to the health listener.
pub fn answer<B>(
    request: &Request<B>,
    readiness: &Readiness,
    metrics: &Metrics,
) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET or HEAD\n".into());
    }
    match request.uri().path() {
        "/livez" => text(StatusCode::OK, "text/plain", "live\n".into()),
        "/readyz" => {
            let (status, body) = readiness.report();
            text(status, "application/json", format!("{body}\n"))
        }
        "/metrics" => {
            const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            text(StatusCode::OK, OPEN_METRICS, metrics.scrape())
        }
        _ => text(StatusCode::NOT_FOUND, "text/plain", "/livez, /readyz or /metrics\n".into()),
    }
}

/// A short answer of ours.
#[must_use]
pub fn text(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn readiness(draining: bool, requires_store: bool, down: bool) -> Readiness {
        let state = if down {
            HealthState::Down { since: SystemTime::UNIX_EPOCH, cause: "refused".to_owned() }
        } else {
            HealthState::Up
        };
        let (facts, store) = (String::new(), "memory:".to_owned());
        Readiness {
            draining,
            requires_store,
            store: Health { store, state, facts, warnings: Vec::new() },
            out: Vec::new(),
        }
    }

    #[test]
    fn a_server_that_is_left_out_is_degraded_and_no_reason_to_be_unready() {
        let mut readiness = readiness(false, true, false);
        let trouble = Trouble { since: SystemTime::UNIX_EPOCH, cause: "it answers 500".to_owned() };
        let (backend, server) = ("app".to_owned(), "http://10.0.0.1:9000".to_owned());
        readiness.out.push(ServerOut { backend, server, trouble });
        let (status, body) = readiness.report();
        assert_eq!(status, StatusCode::OK);
        let told = &body["degraded"][0];
        assert_eq!((&told["part"], &told["backend"]), (&json!("backend"), &json!("app")));
        assert_eq!(
            (&told["server"], &told["error"]),
            (&json!("http://10.0.0.1:9000"), &json!("it answers 500"))
        );
    }

    #[test]
    fn a_missing_store_is_degraded_unless_it_is_required() {
        #[rustfmt::skip]
        let rows = [
            // draining  required  down    status  degraded
            (false,      false,    false,  200,    false),
            (false,      false,    true,   200,    true),
            (false,      true,     true,   503,    true),
            (true,       false,    false,  503,    false),
        ];
        for (draining, required, down, status, degraded) in rows {
            let (found, body) = readiness(draining, required, down).report();
            assert_eq!(found.as_u16(), status);
            assert_eq!(body.get("degraded").is_some(), degraded, "{body}");
        }
    }
}
