//! The endpoints that clients of Apache Usergrid know: tokens, the directory, and the management of
//! organizations. From a request to an operation of the directory to the platform's JSON; the only
//! room that knows that JSON.

mod admins;
mod application;
mod entities;
pub(crate) mod fault;
pub(crate) mod grant;
mod groups;
pub(crate) mod input;
mod lifetime;
mod management;
pub mod place;
pub mod road;
mod roles;
mod token;
mod users;

use std::{net::IpAddr, time::SystemTime};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub use self::fault::Fault;
use self::input::Input;
use crate::{
    directory::{Directory, KnownTenant, TenantName, UserRef},
    policy::tenant::TenantRequest,
    principal::{Principal, PrincipalKind},
    request::owned::is_protected,
    secret::Secret,
    token::{keyring::Keyring, ttl::unix_ms},
};

/// Every endpoint that we answer ourselves, as OpenAPI 3.1.
pub const OPENAPI: &str = include_str!("openapi.json");

/// The part of `[usergrid]` that answers requests itself.
#[derive(Clone, Debug)]
pub struct Office {
    directory: Directory,
    keyring: Keyring,
}

/// A credential of the grant kind that a request carries besides its parameters.
#[derive(Clone, Debug)]
pub struct BasicClient {
    /// As it was given.
    pub id: String,
    /// As it was given.
    pub secret: Secret,
}

/// A request to the office.
pub struct Call<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Whom its credential proved.
    pub caller: Option<&'a Principal>,
    /// The token that proved it, and its expiry, milliseconds since the epoch.
    pub token: Option<(&'a Secret, i64)>,
    /// Client id and secret in `Authorization: Basic`, for a grant.
    pub basic: Option<BasicClient>,
    /// The query as it came.
    pub query: Option<&'a str>,
    /// The declared type of the body.
    pub content_type: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
    /// Where it came from, unless that is not to be counted on.
    pub address: Option<IpAddr>,
    /// `http://host/acme/shop/users`: what the envelope says of itself.
    pub uri: String,
    /// When it came.
    pub started: SystemTime,
}

impl Call<'_> {
    /// GET, and HEAD, which is GET without the body.
    fn reads(&self) -> bool {
        *self.method == Method::GET || *self.method == Method::HEAD
    }

    /// PUT and POST, which many endpoints take for the same.
    fn changes(&self) -> bool {
        *self.method == Method::PUT || *self.method == Method::POST
    }
}

/// An answer of the office.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status line.
    pub status: StatusCode,
    /// The JSON.
    pub body: Value,
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body }
    }
}

/// A call that is being answered.
struct Desk<'a> {
    office: &'a Office,
    directory: &'a Directory,
    call: &'a Call<'a>,
    input: Input,
}

/// A call that is about a tenant.
struct TenantDesk<'a> {
    desk: Desk<'a>,
    known: &'a KnownTenant,
    rest: &'a [&'a str],
}

impl Office {
    /// The office over a worker's directory.
    #[must_use]
    pub fn new(directory: Directory, keyring: Keyring) -> Self {
        Self { directory, keyring }
    }

    /// The directory behind it.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    fn desk<'a>(&'a self, call: &'a Call<'a>) -> Result<Desk<'a>, Fault> {
        let input = Input::read(call.method, call.query, call.content_type, call.body)?;
        Ok(Desk { office: self, directory: &self.directory, call, input })
    }

    /// Answers `/management/…` (`rest` is what follows) and `/token`.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn management(&self, call: &Call<'_>, rest: &[&str]) -> Result<Answer, Fault> {
        self.desk(call)?.management(rest).await
    }

    /// Answers an owned path of a tenant.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn tenant(
        &self,
        call: &Call<'_>,
        known: &KnownTenant,
        rest: &[&str],
    ) -> Result<Answer, Fault> {
        let desk = self.desk(call)?;
        TenantDesk { desk, known, rest }.answer().await
    }

    /// Answers an owned path of a tenant that there is not, as one with nobody in it would.
    ///
    /// # Errors
    /// [`Fault`], always.
    pub async fn no_tenant(
        &self,
        call: &Call<'_>,
        name: &TenantName,
        rest: &[&str],
    ) -> Result<Answer, Fault> {
        let desk = self.desk(call)?;
        match rest {
            ["token"] => desk.nobody_logs_in(name).await,
            ["credentials"] => Err(Fault::no_credentials()),
            ["users", me] if call.reads() && me.eq_ignore_ascii_case("me") => {
                Err(Fault::not_found(me))
            }
            ["users", _, "token"] if call.reads() => Err(Fault::no_token()),
            ["users", user, "password"] if call.changes() => {
                let (old, _) = desk.old_and_new()?;
                Err(desk.nobody_has(Uuid::nil(), user, &old).await)
            }
            _ => Err(Fault::no_permission()),
        }
    }
}

impl<'a> TenantDesk<'a> {
    async fn answer(&self) -> Result<Answer, Fault> {
        match self.rest {
            ["token"] => self.token().await,
            ["credentials"] => self.credentials().await,
            [] => self.application().await,
            ["users", rest @ ..] => self.users(rest).await,
            ["roles", rest @ ..] => self.roles(rest).await,
            ["groups", rest @ ..] => self.groups(rest).await,
            _ => {
                // Judged first, as everywhere: else this would tell which tenants there are.
                self.require(None)?;
                Err(Fault::not_found(""))
            }
        }
    }

    fn caller(&self) -> Option<&'a Principal> {
        self.desk.call.caller
    }

    fn directory(&self) -> &'a Directory {
        self.desk.directory
    }

    fn id(&self) -> Uuid {
        self.known.application.id
    }

    /// Whether the caller may do everything here.
    fn administers(&self) -> bool {
        let known = self.known;
        self.caller().is_some_and(|it| it.administers(known.organization.id, known.application.id))
    }

    /// The caller, when it is a user of this application.
    fn own_user(&self) -> Option<&'a Principal> {
        self.caller().filter(|caller| {
            caller.kind == PrincipalKind::ApplicationUser && caller.application() == Some(self.id())
        })
    }

    /// Refuses whoever the roles do not permit this path.
    fn require(&self, subject: Option<&UserRef>) -> Result<(), Fault> {
        let own = self.own_user().map(|caller| caller.id.as_str());
        let is_own = subject.is_some_and(|subject| Some(subject.id.as_str()) == own);
        let request = TenantRequest {
            tenant: &self.known.tenant,
            method: self.desk.call.method,
            rest: self.rest,
            subject: subject.map(UserRef::spellings),
            protected: is_protected(self.desk.call.method, self.rest, is_own),
        };
        if request.permits(self.caller()) { Ok(()) } else { Err(Fault::no_permission()) }
    }

    /// Refuses whoever no role names this path for: what a wildcard permits is not enough.
    fn require_named(&self, subject: &UserRef) -> Result<(), Fault> {
        let request = TenantRequest {
            tenant: &self.known.tenant,
            method: self.desk.call.method,
            rest: self.rest,
            subject: Some(subject.spellings()),
            protected: true,
        };
        if request.permits(self.caller()) { Ok(()) } else { Err(Fault::no_permission()) }
    }

    /// The envelope around entities.
    fn envelope(&self, entities: Vec<Value>, more: Value) -> Answer {
        let (known, call) = (self.known, self.desk.call);
        let mut body = Map::new();
        body.insert("action".to_owned(), json!(call.method.as_str().to_lowercase()));
        body.insert("application".to_owned(), json!(known.application.id));
        body.insert("params".to_owned(), Value::Object(self.desk.input.echoed()));
        // Clients take it for the entities' type, and some do not live without it.
        let collection = self.rest.first().copied().unwrap_or_default();
        body.insert("path".to_owned(), json!(format!("/{collection}")));
        body.insert("uri".to_owned(), json!(call.uri));
        body.insert("entities".to_owned(), Value::Array(entities));
        let mut after = Map::new();
        if let Value::Object(more) = more {
            for (name, value) in more {
                let late = name == "count" || name == "cursor";
                if late {
                    after.insert(name, value)
                } else {
                    body.insert(name, value)
                };
            }
        }
        self.desk.stamp(&mut body);
        body.insert("organization".to_owned(), json!(known.organization.name));
        body.insert("applicationName".to_owned(), json!(known.application.name));
        body.extend(after);
        Answer::ok(Value::Object(body))
    }
}

impl Desk<'_> {
    /// Adds when this was answered, and how long that took, milliseconds.
    fn stamp(&self, body: &mut Map<String, Value>) {
        let took = self.call.started.elapsed().unwrap_or_default().as_millis();
        body.insert("timestamp".to_owned(), json!(unix_ms(self.call.started)));
        body.insert("duration".to_owned(), json!(u64::try_from(took).unwrap_or(u64::MAX)));
    }

    /// `{"action": …, …, "timestamp": …, "duration": …}`
    fn action(&self, action: &str, more: Value) -> Answer {
        let mut body = Map::new();
        body.insert("action".to_owned(), json!(action));
        if let Value::Object(more) = more {
            body.extend(more);
        }
        self.stamp(&mut body);
        Answer::ok(Value::Object(body))
    }
}

/// Whether a request to a token endpoint holds a grant, known to anybody or not. One that cannot be read
/// is told so, whatever it carries besides.
#[must_use]
pub fn holds_grant(
    method: &Method,
    query: Option<&str>,
    content_type: Option<&str>,
    body: &[u8],
) -> bool {
    let input = Input::read(method, query, content_type, body);
    let holds = |input: Input| input.has("grant_type") || input.query("grant_type").is_some();
    input.map_or(true, holds)
}

/// The bytes of an answer. `callback` wraps them for a script (JSONP), where that is allowed.
#[must_use]
pub fn response(answered: &Result<Answer, Fault>, callback: Option<&str>) -> Response<Bytes> {
    let (status, body) = match answered {
        Ok(answer) => (answer.status, answer.body.clone()),
        Err(fault) => (fault.status, fault.body_now()),
    };
    // A challenge is for whoever can answer it, which a script cannot.
    let callback = callback.filter(|_| !answered.as_ref().is_err_and(|it| it.challenge.is_some()));
    let (text, kind) = match callback {
        Some(name) => (format!("{name}({body})"), "application/javascript"),
        None => (body.to_string(), "application/json"),
    };
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    let head = response.headers_mut();
    head.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    // RFC 6749 5.1, and everything else here is somebody's own as well.
    head.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Err(fault) = answered {
        if let Some(after) = fault.retry_after {
            head.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        if fault.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 15.5.2 asks for one; of this scheme no browser makes a dialog.
            let challenge = fault.challenge.unwrap_or("Bearer realm=\"tollgate\"");
            head.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
    }
    response
}

/// The function that a query names for JSONP: a plain name, and nothing that could be more script.
#[must_use]
pub fn callback(query: &str) -> Option<String> {
    let named = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "callback");
    let name = named?.1.into_owned();
    let first = name.bytes().next()?;
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$';
    let rest = |byte: u8| letter(byte) || byte.is_ascii_digit() || byte == b'.';
    (letter(first) && name.bytes().all(rest) && name.len() <= 64).then_some(name)
}
