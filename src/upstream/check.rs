//! The question of `health`: one GET to one server, on a connection of its own.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Method, Uri, header::HOST, uri::Scheme};

use super::{Outgoing, RequestBody, Roster, Spot, Upstream};
use crate::{
    config::{self, HealthCheck, Http},
    tick,
    wire::Fields,
};

impl Spot {
    /// Asks it as `check` says. Call it where a clock ticks.
    ///
    /// # Errors
    /// Why it is not well, in words for an operator.
    pub async fn ask(
        self: &Arc<Self>,
        settings: &config::Backend,
        check: &HealthCheck,
    ) -> Result<(), String> {
        let settings = config::Backend { connect_timeout: check.timeout, ..settings.clone() };
        let request = question(&settings, self, check)
            .ok_or_else(|| "its name has no place in a request".to_owned())?;
        let upstream = Upstream::new(settings, &Roster::of(self), 1, None);
        match tick::timeout(check.timeout, upstream.send(request, check.timeout)).await {
            None => Err(format!("no answer within {}", show(check.timeout))),
            Some(Err(error)) => Err(error.to_string()),
            Some(Ok(answer)) if answer.status.is_success() => Ok(()),
            Some(Ok(answer)) => Err(format!("it answers {}", answer.status.as_u16())),
        }
    }
}

fn show(time: Duration) -> String {
    config::show_duration(time)
}

fn question(settings: &config::Backend, spot: &Spot, check: &HealthCheck) -> Option<Outgoing> {
    let authority = spot.server.authority();
    let mut fields = Fields::default();
    let mut target = Uri::builder().path_and_query(check.path.clone());
    match settings.http {
        Http::One => fields.append(HOST, HeaderValue::try_from(authority).ok()?),
        Http::Two => target = target.scheme(Scheme::HTTP).authority(authority),
    }
    Some(Outgoing {
        method: Method::GET,
        target: target.build().ok()?,
        fields,
        ours: Fields::default(),
        ready: [None, None],
        body: RequestBody::Empty,
    })
}
