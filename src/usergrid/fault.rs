//! What we answer when something is wrong, in the two shapes that clients of the platform read: that of
//! OAuth (`error`, `error_description`) and that of its API, which names an exception of Java too.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    directory::{DirectoryError, Kind, LoginError},
    store::StoreError,
    token::ttl::unix_ms,
};

/// What was asked for is done, and may not last.
const NOT_REPLICATED: &str = "this was done here, and too few replicas of the store had it in time: it may be lost \
    when one takes over; it is safe to repeat";

/// Classes that clients of the platform have seen in `exception`.
pub(crate) mod class {
    pub(crate) const ARGUMENT: &str = "java.lang.IllegalArgumentException";
    pub(crate) const SECURITY: &str = "org.apache.usergrid.rest.exceptions.SecurityException";
    pub(crate) const UNAUTHORIZED: &str = "org.apache.shiro.authz.UnauthorizedException";
    pub(crate) const AUTHENTICATION: &str = "org.apache.shiro.authc.AuthenticationException";
    pub(crate) const MANAGEMENT: &str =
        "org.apache.usergrid.management.exceptions.ManagementException";
    pub(crate) const ENTITY: &str =
        "org.apache.usergrid.persistence.exceptions.EntityNotFoundException";
    pub(crate) const RESOURCE: &str =
        "org.apache.usergrid.services.exceptions.ServiceResourceNotFoundException";
    pub(crate) const TENANT: &str =
        "org.apache.usergrid.rest.exceptions.OrganizationApplicationNotFoundException";
    pub(crate) const DUPLICATE: &str =
        "org.apache.usergrid.persistence.exceptions.DuplicateUniquePropertyExistsException";
    pub(crate) const REQUIRED: &str =
        "org.apache.usergrid.persistence.exceptions.RequiredPropertyNotFoundException";
    pub(crate) const PASSWORD: &str =
        "org.apache.usergrid.management.exceptions.IncorrectPasswordException";
    pub(crate) const LEAVE: &str =
        "org.apache.usergrid.management.exceptions.UnableToLeaveOrganizationException";
    pub(crate) const APPLICATION: &str =
        "org.apache.usergrid.persistence.exceptions.ApplicationAlreadyExistsException";
    pub(crate) const JSON: &str = "com.fasterxml.jackson.core.JsonParseException";
    pub(crate) const UNSUPPORTED: &str =
        "org.apache.usergrid.services.exceptions.UnsupportedServiceOperationException";
}

/// A refusal of ours, with everything its answer needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The status line.
    pub status: StatusCode,
    /// The `error`.
    pub code: &'static str,
    /// The `error_description`; none at all when empty.
    pub description: String,
    /// The `exception`; none for the shape of OAuth, and for few others.
    pub exception: Option<&'static str>,
    /// Whether it has the shape of OAuth.
    pub oauth: bool,
    /// When trying again makes sense.
    pub retry_after: Option<Duration>,
    /// `WWW-Authenticate`: only what the platform's superuser was asked for has one.
    pub challenge: Option<&'static str>,
    /// The word of log and metric.
    pub reason: &'static str,
}

impl Fault {
    /// In the shape of the API.
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        exception: &'static str,
        description: impl Into<String>,
    ) -> Self {
        let reason = match status {
            StatusCode::UNAUTHORIZED => "not_permitted",
            StatusCode::SERVICE_UNAVAILABLE => "store_unavailable",
            _ => "usergrid_error",
        };
        Self {
            status,
            code,
            description: description.into(),
            exception: Some(exception),
            oauth: false,
            retry_after: None,
            challenge: None,
            reason,
        }
    }

    /// In the shape of OAuth.
    pub(crate) fn oauth(status: StatusCode, code: &'static str, description: &str) -> Self {
        Self {
            status,
            code,
            description: description.to_owned(),
            exception: None,
            oauth: true,
            retry_after: None,
            challenge: None,
            reason: "invalid_grant",
        }
    }

    /// Wrong password, unknown user, wrong client, no grant: told apart by nothing.
    pub(crate) fn grant() -> Self {
        Self::oauth(StatusCode::BAD_REQUEST, "invalid_grant", "invalid username or password")
    }

    /// 400 `illegal_argument`.
    pub(crate) fn argument(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "illegal_argument", class::ARGUMENT, description)
    }

    /// 400 `json_parse`.
    pub(crate) fn json(description: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "json_parse", class::JSON, description)
    }

    /// 401 `unauthorized` by one of the guards.
    pub(crate) fn unauthorized(description: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", class::SECURITY, description)
    }

    /// 401 for what only the platform's superuser could do; here the operator does, by command.
    pub(crate) fn system() -> Self {
        let challenge = Some("Basic realm=\"Usergrid Authentication\"");
        Self { challenge, ..Self::unauthorized("No system access authorized") }
    }

    /// 401 for whoever has no permission for a path.
    pub(crate) fn no_permission() -> Self {
        Self::unauthorized("Subject does not have permission to access this resource")
    }

    /// 401 for whoever may not see a client's secret.
    pub(crate) fn no_credentials() -> Self {
        Self { exception: Some(class::UNAUTHORIZED), ..Self::unauthorized("") }
    }

    /// 403 for whoever may not have somebody's token: the platform's own answer, with nothing in it.
    pub(crate) fn no_token() -> Self {
        Self { reason: "not_permitted", ..Self::oauth(StatusCode::FORBIDDEN, "", "") }
    }

    /// 404 for a tenant that there is not, told to those of its organization.
    pub(crate) fn no_tenant(organization: &str, application: &str, path: &str) -> Self {
        let path = path.trim_start_matches('/');
        let tenant = format!("{organization}/{application}");
        let text = format!("Could not find application for {tenant} from URI: {path}");
        let code = "organization_application_not_found";
        Self::new(StatusCode::NOT_FOUND, code, class::TENANT, text)
    }

    /// 404 by name, or by UUID.
    pub(crate) fn not_found(name: &str) -> Self {
        if name.parse::<uuid::Uuid>().is_ok() {
            let text = format!("Unable to find entity with the id {name}");
            return Self::new(StatusCode::NOT_FOUND, "entity_not_found", class::ENTITY, text);
        }
        let (status, code) = (StatusCode::NOT_FOUND, "service_resource_not_found");
        Self::new(status, code, class::RESOURCE, "Service resource not found")
    }

    /// 405.
    pub(crate) fn method() -> Self {
        let (status, code) = (StatusCode::METHOD_NOT_ALLOWED, "unsupported_service_operation");
        Self::new(status, code, class::UNSUPPORTED, "This operation is not supported here")
    }

    /// 400 `management`.
    pub(crate) fn management(kind: &str, name: &str) -> Self {
        let what = if name.parse::<uuid::Uuid>().is_ok() {
            "uuid"
        } else if kind == "user" {
            "username"
        } else {
            "name"
        };
        let text = format!("Could not find {kind} for {what}: {name}");
        Self::new(StatusCode::BAD_REQUEST, "management", class::MANAGEMENT, text)
    }

    /// 400 for whoever gave a wrong old password.
    pub(crate) fn wrong_password() -> Self {
        let text = "Unable to authenticate due to username or password being incorrect";
        let code = "auth_invalid_username_or_password";
        Self::new(StatusCode::BAD_REQUEST, code, class::PASSWORD, text)
    }

    /// 503 for whoever comes when too much is being received.
    pub(crate) fn crowded() -> Self {
        let fault = Self::unavailable("too many requests are being received".to_owned());
        Self { reason: "usergrid_busy", ..fault }
    }

    /// Why an old password does not let its owner set a new one.
    pub(crate) fn of_old_password(error: LoginError) -> Self {
        match error {
            LoginError::Directory(error) => error.into(),
            LoginError::Wrong | LoginError::NotActivated | LoginError::Disabled => {
                Self::wrong_password()
            }
        }
    }

    fn unavailable(description: String) -> Self {
        let code = "service_unavailable";
        let fault =
            Self::new(StatusCode::SERVICE_UNAVAILABLE, code, class::MANAGEMENT, description);
        Self { retry_after: Some(Duration::from_secs(1)), ..fault }
    }

    /// The body of the answer, at `now_ms`.
    pub(crate) fn body(&self, now_ms: i64) -> Value {
        if self.code.is_empty() {
            return json!({});
        }
        let mut body = json!({ "error": self.code });
        if !self.oauth {
            body["timestamp"] = json!(now_ms);
            body["duration"] = json!(0);
            if let Some(exception) = self.exception {
                body["exception"] = json!(exception);
            }
        }
        if !self.description.is_empty() {
            body["error_description"] = json!(self.description);
        }
        body
    }

    /// The body, now.
    pub(crate) fn body_now(&self) -> Value {
        self.body(unix_ms(std::time::SystemTime::now()))
    }
}

impl From<DirectoryError> for Fault {
    fn from(error: DirectoryError) -> Self {
        let bad = StatusCode::BAD_REQUEST;
        match error {
            DirectoryError::Store(StoreError::NotReplicated { .. }) => {
                Self { reason: "not_replicated", ..Self::unavailable(NOT_REPLICATED.to_owned()) }
            }
            DirectoryError::Store(_) => Self::unavailable("the store cannot answer".to_owned()),
            DirectoryError::Busy(_) | DirectoryError::Contended => {
                Self { reason: "usergrid_busy", ..Self::unavailable(error.to_string()) }
            }
            DirectoryError::TooManyTries { retry_after } => Self {
                status: StatusCode::TOO_MANY_REQUESTS,
                retry_after: Some(retry_after),
                reason: "too_many_tries",
                ..Self::oauth(bad, "too_many_requests", &error.to_string())
            },
            // Trying again does not help: the operator's secret, or the system, is not what it was.
            DirectoryError::Vault(_) | DirectoryError::Random(_) => {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Self::new(status, "internal_server_error", class::MANAGEMENT, error.to_string())
            }
            DirectoryError::Missing { kind, name } => Self::missing(kind, &name),
            DirectoryError::Taken { kind: Kind::Application, value, .. } => {
                let text = format!("Application named {value} already exists");
                let code = "application_already_exists";
                Self::new(StatusCode::CONFLICT, code, class::APPLICATION, text)
            }
            DirectoryError::Taken { kind, property, value } => {
                let entity = entity(kind);
                let text = format!(
                    "Entity \"{entity}\" requires that property named \"{property}\" be unique, \
                     value of {value} exists"
                );
                Self::new(bad, "duplicate_unique_property_exists", class::DUPLICATE, text)
            }
            DirectoryError::Invalid { message } => Self::argument(message),
            DirectoryError::Needed { kind: Kind::Organization, .. } => {
                Self::argument("The organization parameter was missing")
            }
            DirectoryError::Needed { kind: Kind::Admin, .. } => {
                Self::argument("email form parameter is required")
            }
            DirectoryError::Needed { kind: Kind::Application, .. } => {
                Self::argument("The 'name' parameter is required and cannot be empty: null")
            }
            DirectoryError::Needed { kind, property } => {
                let text = format!("Entity {} requires a property named {property}", entity(kind));
                Self::new(bad, "required_property_not_found", class::REQUIRED, text)
            }
            DirectoryError::WeakPassword(text) => {
                let code = "error_password_policy_violation";
                Self { exception: None, ..Self::new(bad, code, class::ARGUMENT, text) }
            }
            DirectoryError::LastAdmin => {
                let text = "Organizations must have at least one member.";
                Self::new(bad, "unable_to_leave_organization", class::LEAVE, text)
            }
        }
    }
}

impl Fault {
    fn missing(kind: Kind, name: &str) -> Self {
        match kind {
            Kind::Organization => Self::management("organization", name),
            Kind::Admin => Self::management("user", name),
            Kind::Application => {
                let text = format!("Could not find application {name}");
                Self::new(StatusCode::NOT_FOUND, "entity_not_found", class::ENTITY, text)
            }
            Kind::User | Kind::Role | Kind::Group => Self::not_found(name),
        }
    }
}

impl From<LoginError> for Fault {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Wrong => Self::grant(),
            LoginError::NotActivated | LoginError::Disabled => {
                Self::oauth(StatusCode::BAD_REQUEST, "invalid_grant", &error.to_string())
            }
            LoginError::Directory(error) => error.into(),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        DirectoryError::from(error).into()
    }
}

impl From<std::sync::Arc<StoreError>> for Fault {
    fn from(error: std::sync::Arc<StoreError>) -> Self {
        DirectoryError::Store((*error).clone()).into()
    }
}

fn entity(kind: Kind) -> &'static str {
    match kind {
        Kind::Organization => "organization",
        Kind::Application => "application",
        Kind::Admin | Kind::User => "user",
        Kind::Role => "role",
        Kind::Group => "group",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory;

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn only_what_the_store_cannot_answer_is_blamed_on_it_and_may_be_tried_again() {
        let store = StoreError::BadRecord { field: "x".to_owned() };
        let unreplicated = StoreError::NotReplicated { store: "x".to_owned(), wanted: 1, had: 0 };
        for (error, status, reason, again) in [
            (DirectoryError::Store(store),                                  503, "store_unavailable", true),
            (DirectoryError::Store(unreplicated),                           503, "not_replicated",    true),
            (DirectoryError::Contended,                                     503, "usergrid_busy",     true),
            (DirectoryError::Vault(directory::vault::VaultError::NoKey),    500, "usergrid_error",    false),
            (DirectoryError::Random(getrandom::Error::UNSUPPORTED),         500, "usergrid_error",    false),
        ] {
            let fault = Fault::from(error);
            let told = (fault.status.as_u16(), fault.reason, fault.retry_after.is_some());
            assert_eq!(told, (status, reason, again), "{fault:?}");
        }
        let text = "Organization delete is not allowed yet";
        let fault = Fault::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", class::UNSUPPORTED, text);
        assert_eq!(fault.reason, "usergrid_error");
    }
}
