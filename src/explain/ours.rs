//! Paths of `[usergrid]` that the gateway answers itself: what does, and what guards it, in words.

use http::Method;

use super::{Decision, Outcome};
use crate::{
    request::{Canonical, query::pairs},
    usergrid::place::Place,
};

/// What answers a path before any rule is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ours {
    /// `token office` or `directory`.
    desk: &'static str,
    /// Whom it lets do what.
    guard: &'static str,
}

const ADMIN_GRANT: &str = "a grant decides: an admin's name and password, or the id and secret of a \
    client of any kind; without one, an admin's own token is told back";
const GRANT: &str =
    "a grant decides: a user's name and password, or the id and secret of a client of any kind";
const ADMINISTERS: &str = "only the organization's admins and client, and the application's client";
const PERMITTED: &str = "the caller's permissions in this application decide";
const NAMED: &str = "the caller's permissions in this application decide; a user's that begin with \
    a wildcard do not reach this";
const PASSWORD: &str = "the old password decides, except for the organization's admins and client, \
    and the application's client";
const ONESELF: &str = "the user itself; else the caller's permissions in this application decide";
const ACCOUNT: &str = "the user itself may look; else the caller's permissions in this application \
    decide";
const ADMIN_PASSWORD: &str = "whoever knows the old password";
const ADMIN_TOKEN: &str = "whoever has the token, which is given in `?token=`";
const ORGANIZATIONS: &str = "`[usergrid] registration` decides whether anybody may register one";
const ORGANIZATION: &str = "only the organization's admins and client";
const ADMINS: &str = "only the admin itself; `[usergrid] registration` decides whether anybody may \
    register";

impl Ours {
    /// `/management/…` and `/token`. `None` for other places.
    pub(super) fn outside(place: &Place) -> Option<Self> {
        let rest = match place {
            Place::Token => return Some(Self { desk: "token office", guard: ADMIN_GRANT }),
            Place::Management(rest) => rest,
            Place::System | Place::Tenant(_) | Place::Other => return None,
        };
        let words: Vec<&str> = rest.iter().map(String::as_str).collect();
        let (desk, guard) = match words.as_slice() {
            ["token" | "me"] => ("token office", ADMIN_GRANT),
            ["orgs" | "organizations"] => ("directory", ORGANIZATIONS),
            ["orgs" | "organizations", ..] => ("directory", ORGANIZATION),
            ["users", _, "password"] => ("directory", ADMIN_PASSWORD),
            ["users", _, "revoketoken"] => ("token office", ADMIN_TOKEN),
            ["users", ..] => ("directory", ADMINS),
            _ => ("directory", "there is nothing here: 404"),
        };
        Some(Self { desk, guard })
    }

    /// An owned path of a tenant, by its segments after the tenant. `open_roles`: of `[usergrid]`.
    pub(super) fn of_tenant(rest: &[&str], open_roles: bool) -> Self {
        let (desk, guard) = match rest {
            ["token"] => ("token office", GRANT),
            ["credentials"] => ("directory", ADMINISTERS),
            ["users", _, "token"] => ("token office", ADMINISTERS),
            ["users", _, "password"] => ("directory", PASSWORD),
            ["users", _, "revoketoken" | "revoketokens"] => ("token office", ONESELF),
            ["users", _] => ("directory", ACCOUNT),
            ["users", _, _, ..] | ["roles" | "permissions", ..] | ["groups", _, _, ..] => {
                ("directory", if open_roles { PERMITTED } else { NAMED })
            }
            _ => ("directory", PERMITTED),
        };
        Self { desk, guard }
    }

    /// Whether a grant is what counts here, and not who is calling.
    pub(super) fn takes_grant(self) -> bool {
        self.guard == GRANT || self.guard == ADMIN_GRANT
    }

    /// What is said of it. `named`: whether the tenant, if it is about one, is known by name.
    pub(super) fn decision(self, named: bool) -> Decision {
        let guard = match named {
            true => self.guard.to_owned(),
            false => format!("{}; only the running gateway knows the tenant's names", self.guard),
        };
        Decision {
            outcome: Outcome::Answered,
            status: None,
            reason: "owned".to_owned(),
            says: format!("answered by the gateway itself ({}), before any rule", self.desk),
            because: Some(guard),
            to_pass: Vec::new(),
        }
    }
}

/// Whether a request for a token brings a grant, as far as its head tells: a body is taken for one.
pub(super) fn has_grant(request: &Canonical) -> bool {
    let query = request.query.as_str().unwrap_or_default();
    let asked = pairs(query).any(|pair| pair.name().as_deref() == Some("grant_type"));
    asked || request.method == Method::POST
}
