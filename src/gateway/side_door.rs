//! `/management/…` and `/token` on the admin listener, where `management = "admin"` puts them. Whoever
//! reaches that listener is not thereby somebody: credentials are judged as anywhere.
//!
//! No address is counted on: all that come this way are this machine's.

use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;

use super::{
    Generation, Refusal,
    collect::{CALLER_BYTES_MAX, collect},
    proof::{Proof, Prover},
    tenancy,
};
use crate::{
    auth::{
        credential::Sources,
        resolve::{Resolver, Scheme},
    },
    config::Management,
    request::Canonical,
    store::Store,
    telemetry::instant::unix_ms,
    usergrid::{self, Answer, BasicClient, Call, Fault, Office, place::Place},
    wire::ClientBody,
};

/// Whether `path` is answered by [`manage`].
pub(crate) fn is_here(generation: &Generation, path: &str) -> bool {
    let usergrid = generation.config.usergrid.as_ref();
    let first = path.split('/').nth(1).unwrap_or_default();
    usergrid.is_some_and(|usergrid| usergrid.management == Management::Admin)
        && matches!(first, "token" | "management")
}

/// Answers one request of the admin listener.
pub(crate) async fn manage(
    generation: &Generation,
    store: Store,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    match answer(generation, store, request).await {
        Ok(answer) => usergrid::response(&Ok(answer), None).map(Full::new),
        Err(refusal) => {
            let (head, body) = Response::from(refusal.envelope(None)).into_parts();
            match body.collect().await {
                Ok(body) => Response::from_parts(head, Full::new(body.to_bytes())),
                Err(_) => {
                    let mut response = Response::new(Full::default());
                    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                    response
                }
            }
        }
    }
}

async fn answer(
    generation: &Generation,
    store: Store,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let started = SystemTime::now();
    let config = &generation.config;
    let (Some(origin), Scheme::Tenants(keyring)) = (&generation.directory, &generation.scheme)
    else {
        return Err(Fault::not_found("").into());
    };
    let (parts, body) = request.map(ClientBody::Hyper).into_parts();
    let request = Canonical::read(parts, body.is_end_stream(), false, &config.request_policy())?;
    let rest = match Place::of(&request.path) {
        Place::Token => vec!["token".to_owned()],
        Place::Management(rest) => rest,
        Place::System | Place::Tenant(_) | Place::Other => return Err(Fault::not_found("").into()),
    };
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let body = collect(body, CALLER_BYTES_MAX).await?;

    let sources = Sources::new(config.tokens.from.clone()).of_usergrid();
    let directory = origin.attach(store.clone());
    let resolver = Resolver::new(generation.scheme.clone(), generation.near.clone(), store)
        .over(Some(directory.clone()));
    let office = Office::new(directory, keyring.clone());
    let at_token = matches!(rest.as_slice(), ["token" | "me"]);
    let (mut proof, mut basic) = (Proof::default(), None);
    if at_token && tenancy::has_grant(&request, &body) {
        let client = sources.basic_client(&request)?;
        basic = client.map(|(id, secret)| BasicClient { id, secret });
    } else {
        let (sources, resolver, directory) = (&sources, &resolver, office.directory());
        let prover = Prover { sources, resolver, directory, address: None };
        proof = prover.prove(&request, unix_ms(started)).await?;
    }
    let uri = format!("http://{}{}", request.authority.as_str(), request.path.as_str());
    let call = Call {
        method: &request.method,
        caller: proof.principal(),
        token: proof.token.as_ref().map(|(token, expires_ms)| (token, *expires_ms)),
        basic,
        query: request.query.as_str(),
        content_type: request.fields.get(&CONTENT_TYPE).and_then(|kind| kind.to_str().ok()),
        body: &body,
        address: None,
        uri: uri.trim_end_matches('/').to_owned(),
        started,
    };
    Ok(office.management(&call, &rest).await?)
}
