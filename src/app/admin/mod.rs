//! The admin listener: explain, the operations on tokens and the directory, and the description of what
//! `[usergrid]` answers, as JSON over HTTP; with `management = "admin"` the platform's own management
//! endpoints too. Served by the control thread, so that it answers however busy the workers are.
//!
//! Whoever reaches it may do anything: the unix socket is the operator's alone (mode 0600), and over TCP
//! it listens on loopback only, where every program of the machine can use it. A browser of the machine
//! must not be made to: a request that names an origin, a host that is not this machine, or another
//! content than JSON is refused.

pub(crate) mod desk;
mod road;
pub(crate) mod tenants;
pub(crate) mod wire;

use std::{
    net::IpAddr,
    rc::Rc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, HOST, ORIGIN},
    uri::Authority,
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

use self::{
    desk::Desk,
    wire::{Complaint, Job, Kind},
};
use super::control::Control;
use crate::{
    explain::Question,
    gateway::side_door,
    server::{Listener, health::text, local},
    telemetry::log::{Level, event},
    tick,
    token::id::IdSource,
    usergrid,
};

/// Largest body of a request: a question with the largest head that the gateway takes, twice over.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Longest wait for a body.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Where the description of what `[usergrid]` answers is, by GET.
const OPENAPI: &str = "/openapi.json";

/// What else this listener answers, all of it by POST.
const PATHS: [&str; 5] = ["/explain", "/tokens", "/tokens/show", "/tokens/revoke", "/directory"];

/// Serves `listener` until it is told to leave.
pub(super) async fn serve(
    listener: Listener,
    leaving: watch::Receiver<bool>,
    control: Rc<Control>,
) {
    let ids = match getrandom::u64() {
        Ok(random) => IdSource::new(random.to_be_bytes()),
        Err(error) => {
            return event(Level::Error, "the admin listener did not start", &[("error", &error)]);
        }
    };
    let over_tcp = matches!(listener, Listener::Tcp(_));
    let office = Rc::new(Office { control, ids, over_tcp });
    let served = local::serve(listener, leaving, move |request| {
        let office = Rc::clone(&office);
        async move { office.answer(request).await }
    });
    if let Err(error) = served.await {
        event(Level::Error, "the admin listener failed", &[("error", &error)]);
    }
}

struct Office {
    control: Rc<Control>,
    ids: IdSource,
    over_tcp: bool,
}

impl Office {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (generation, store) = self.control.store();
        if side_door::is_here(&generation, request.uri().path()) {
            return match guard(request.headers(), self.over_tcp) {
                Ok(()) => side_door::manage(&generation, store, request).await,
                Err(complaint) => json(complaint.kind.status(), &complaint),
            };
        }
        let described = request.uri().path() == OPENAPI;
        let answered = if described {
            self.describe(&request)
        } else {
            self.carry_out(request).await.map(|answer| json(StatusCode::OK, &answer))
        };
        answered.unwrap_or_else(|complaint| {
            let mut response = json(complaint.kind.status(), &complaint);
            if complaint.kind == Kind::Method {
                let allowed = if described { "GET, HEAD" } else { "POST" };
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
            }
            response
        })
    }

    /// The document of what `[usergrid]` answers.
    fn describe(&self, request: &Request<Incoming>) -> Result<Response<Full<Bytes>>, Complaint> {
        guard(request.headers(), self.over_tcp)?;
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Complaint::new(Kind::Method, "GET is the only method here".to_owned()));
        }
        Ok(text(StatusCode::OK, "application/json", usergrid::OPENAPI.to_owned()))
    }

    async fn carry_out(&self, request: Request<Incoming>) -> Result<serde_json::Value, Complaint> {
        guard(request.headers(), self.over_tcp)?;
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        if !PATHS.contains(&path) {
            let message = "nothing is here".to_owned();
            return Err(Complaint::new(Kind::Path, message)
                .help(format!("POST one of {}, or GET {OPENAPI}", PATHS.join(", "))));
        }
        if parts.method != Method::POST {
            return Err(Complaint::new(Kind::Method, "POST is the only method here".to_owned()));
        }
        is_json(&parts.headers)?;
        let body = read(body).await?;
        let now = SystemTime::now();
        let (generation, store) = self.control.store();
        if path == "/explain" {
            let question: Question = parse(&body)?;
            return desk::to_value(&road::explain(&question, &generation, store, now).await?);
        }
        let job = match path {
            "/tokens" => Job::Issue(parse(&body)?),
            "/tokens/show" => Job::Show(parse(&body)?),
            "/directory" => Job::Directory(parse(&body)?),
            _ => Job::Revoke(parse(&body)?),
        };
        Desk { generation, store }.carry_out(&job, &self.ids, now).await
    }
}

/// Refuses what a page in a browser of this machine could have been made to send: such a request
/// names its origin, and where the page's own name was bent to this address, that name as its host.
fn guard(fields: &HeaderMap, over_tcp: bool) -> Result<(), Complaint> {
    let refused = |message: &str| Err(Complaint::new(Kind::Refused, message.to_owned()));
    if fields.contains_key(ORIGIN) || fields.contains_key("sec-fetch-site") {
        return refused("this listener does not answer browsers");
    }
    if !over_tcp {
        return Ok(()); // no browser reaches a unix socket
    }
    let mut hosts = fields.get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    match host.and_then(|host| host.parse::<Authority>().ok()) {
        Some(host) if hosts.next().is_none() && is_this_machine(host.host()) => Ok(()),
        _ => refused("this listener answers only to the names of this machine, such as localhost"),
    }
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// A form can be sent across origins without asking first, JSON cannot.
fn is_json(fields: &HeaderMap) -> Result<(), Complaint> {
    let kind = fields.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Complaint::new(Kind::NotJson, "the body has to be application/json".to_owned()))
}

async fn read(body: Incoming) -> Result<Bytes, Complaint> {
    let collected = tick::timeout(BODY_TIME, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    match collected {
        Some(Ok(body)) => Ok(body.to_bytes()),
        Some(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let message = format!("a body has at most {} KiB here", BODY_BYTES_MAX / 1024);
            Err(Complaint::new(Kind::TooLarge, message))
        }
        Some(Err(_)) => Err(Complaint::new(Kind::BadInput, "the body was cut".to_owned())),
        None => Err(Complaint::new(Kind::BadInput, "the body did not come in time".to_owned())),
    }
}

/// The error of serde may quote the body, and the body may hold a token: only its place is told.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Complaint> {
    serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        let message = match error.classify() {
            serde_json::error::Category::Data => "the body does not have the keys of this request",
            serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof
            | serde_json::error::Category::Io => "the body is not JSON",
        };
        Complaint::new(Kind::BadInput, format!("{message} ({place})"))
    })
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Full<Bytes>> {
    let body = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    text(status, "application/json", format!("{body}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Lines = [(&'static str, &'static str)];

    fn fields(lines: &Lines) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn only_this_machine_is_answered_and_never_a_browser() {
        #[rustfmt::skip]
        let rows: [(&Lines, bool, bool); 11] = [
            // fields                                                        over TCP  passes
            (&[("host", "localhost")],                                       true,     true),
            (&[("host", "127.0.0.1:9901")],                                  true,     true),
            (&[("host", "[::1]:9901")],                                      true,     true),
            (&[("host", "LOCALHOST:9901")],                                  true,     true),
            (&[("host", "evil.example:9901")],                               true,     false),
            (&[("host", "127.0.0.1.evil.example")],                          true,     false),
            (&[("host", "localhost"), ("host", "evil.example")],             true,     false),
            (&[],                                                            true,     false),
            (&[("host", "anything")],                                        false,    true),
            (&[("host", "localhost"), ("origin", "null")],                   true,     false),
            (&[("host", "localhost"), ("sec-fetch-site", "cross-site")],     false,    false),
        ];
        for (lines, over_tcp, passes) in rows {
            assert_eq!(guard(&fields(lines), over_tcp).is_ok(), passes, "{lines:?}");
        }
    }

    #[test]
    fn a_form_is_not_taken_for_json() {
        assert!(is_json(&fields(&[("content-type", "application/json; charset=utf-8")])).is_ok());
        assert!(is_json(&fields(&[("content-type", "text/plain")])).is_err());
        assert!(is_json(&HeaderMap::new()).is_err());
    }

    #[test]
    fn an_unreadable_body_is_not_quoted() {
        let error = parse::<wire::Which>(br#"{"token": 7, "YWMtsecret": 1}"#).unwrap_err();
        assert!(!error.error.contains("YWMt"), "{}", error.error);
    }
}
