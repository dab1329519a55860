//! Why a rule holds or fails for a caller, term by term, as values for whoever prints them.
//!
//! Never decides: it asks the very functions that `decide` asks, and says what they answered.

#[cfg(test)]
mod tests;

use std::fmt::Write;

use super::{
    Match,
    decide::{self, Asker, Presented},
    requirement::{Attribute, Requirement, Term},
    tenant::{DEFAULT_ROLE, GUEST_ROLE, TenantRequest},
};
use crate::principal::{Certificate, CertificateName, Principal, PrincipalKind};

/// One term and how it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TermCheck {
    /// As one writes it: `role:support`.
    pub term: String,
    /// Whether it holds for the caller.
    pub holds: bool,
    /// Whether the answer depends on who the caller is.
    pub of_caller: bool,
    /// ``no: {id} is `bob`, the caller is `eve` ``
    pub says: String,
}

/// The terms of the rule, grouped as `|` groups them: it suffices that one group holds whole. Empty
/// for `public`, `guest` and `deny`, which ask nothing of the caller.
#[must_use]
pub fn explain(
    found: &Match<'_>,
    presented: Presented<'_>,
    tenant: Option<&TenantRequest<'_>>,
    certificate: Option<&Certificate>,
) -> Vec<Vec<TermCheck>> {
    let asker = Asker { found, caller: decide::caller(presented), tenant, certificate };
    let check = |term: &Term| {
        let holds = asker.meets(term);
        let sentence = match asker.caller {
            _ if term.is_certificate() => shown(certificate),
            None if *term == Term::Permissions => permissions(&asker, holds),
            None => "there is no credential".to_owned(),
            Some(caller) => sentence(term, &asker, caller),
        };
        TermCheck {
            term: term.text(found.rule.left.captures()),
            holds,
            of_caller: !term.is_certificate(),
            says: format!("{}: {sentence}", if holds { "yes" } else { "no" }),
        }
    };
    lists(found).iter().map(|list| list.iter().map(check).collect()).collect()
}

/// What would let this caller pass, one way for each group of terms: ``give eve role `support` `` or
/// `ask for /users/eve/cart`. Empty where nothing would, and where nothing is missing.
#[must_use]
pub fn remedies(
    found: &Match<'_>,
    presented: Presented<'_>,
    tenant: Option<&TenantRequest<'_>>,
    certificate: Option<&Certificate>,
) -> Vec<String> {
    let asker = Asker { found, caller: decide::caller(presented), tenant, certificate };
    if lists(found).iter().any(|list| list.iter().all(|term| asker.meets(term))) {
        return Vec::new();
    }
    let Some(caller) = asker.caller else {
        return remedies_of_nobody(found, &asker);
    };
    if asker.is_stranger(caller) {
        return Vec::new();
    }
    let ways = lists(found).iter().filter(|list| !list.is_empty()).filter_map(|list| {
        let failing = list.iter().filter(|term| !asker.meets(term));
        let steps: Option<Vec<String>> = failing.map(|term| remedy(term, &asker, caller)).collect();
        steps.map(|steps| steps.join(" and "))
    });
    ways.collect()
}

/// What would let nobody pass: a credential, whoever it proves, and certificates where they are missing.
fn remedies_of_nobody(found: &Match<'_>, asker: &Asker<'_>) -> Vec<String> {
    let mut ways: Vec<String> = Vec::new();
    for list in lists(found) {
        let mut steps: Vec<String> = Vec::new();
        for term in list.iter().filter(|term| !asker.meets(term)) {
            let step = match term {
                Term::Certificate(name) => show_one(name.as_ref()),
                Term::Authenticated
                | Term::Role(_)
                | Term::Scope(_)
                | Term::SelfIs { .. }
                | Term::Permissions
                | Term::Level(_)
                | Term::Of { .. } => "present a credential".to_owned(),
            };
            if !steps.contains(&step) {
                steps.push(step);
            }
        }
        let way = steps.join(" and ");
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    ways
}

fn show_one(name: Option<&CertificateName>) -> String {
    name.map_or_else(
        || "show a client certificate".to_owned(),
        |name| format!("show a client certificate for `{name}`"),
    )
}

/// What a client's certificate says.
fn shown(certificate: Option<&Certificate>) -> String {
    let Some(certificate) = certificate else { return "there is no certificate".to_owned() };
    let names: Vec<String> = certificate.names.iter().map(ToString::to_string).collect();
    match names.as_slice() {
        [] => "the certificate has no name".to_owned(),
        names => format!("the certificate is for {}", names.join(", ")),
    }
}

fn lists<'a>(found: &Match<'a>) -> &'a [Vec<Term>] {
    match &found.rule.requirement {
        Requirement::Public | Requirement::Guest | Requirement::Deny => &[],
        Requirement::Any(lists) => lists,
    }
}

fn sentence(term: &Term, asker: &Asker<'_>, caller: &Principal) -> String {
    let found = asker.found;
    if let Some(tenant) = asker.tenant.filter(|_| asker.is_stranger(caller)) {
        let tenant = tenant.tenant.name();
        return format!("the caller belongs to {}, this is {tenant}", home(caller));
    }
    let (attribute, capture) = match term {
        Term::Of { term, at } if decide::belongs_to(caller, at) => {
            // The tenant is right: what is said is about the rest.
            return of_tenant(term, caller);
        }
        Term::Of { .. } => return format!("the caller belongs to {}", home(caller)),
        _ if asker.is_unplaced(caller) => return "the path names no tenant".to_owned(),
        Term::Authenticated => return format!("the caller is `{}`", caller.id),
        Term::Role(_) | Term::Level(_) => return of_tenant(term, caller),
        Term::Scope(_) => return holding(&caller.scopes, "scope"),
        Term::Permissions => return permissions(asker, asker.meets(term)),
        Term::SelfIs { attribute, capture } => (*attribute, *capture),
        Term::Certificate(_) => return shown(asker.certificate),
    };
    let name = found.rule.left.captures().get(capture).map_or("", String::as_str);
    let asked = found.capture(capture);
    match (attribute, decide::own(caller, attribute).filter(|own| !own.is_empty())) {
        (Attribute::Id, Some(id)) if id == asked => format!("{{{name}}} is the caller, `{id}`"),
        (Attribute::Id, Some(id)) => format!("{{{name}}} is `{asked}`, the caller is `{id}`"),
        (Attribute::Id, None) => format!("{{{name}}} is `{asked}`, the caller has no id"),
        (_, Some(own)) if own == asked => {
            format!("{{{name}}} is the caller's {}, `{own}`", noun(attribute))
        }
        (_, Some(own)) => {
            format!("{{{name}}} is `{asked}`, the caller's {} is `{own}`", noun(attribute))
        }
        (_, None) => format!("{{{name}}} is `{asked}`, the caller has no {}", noun(attribute)),
    }
}

/// What is said of a term that the right tenant alone does not settle.
fn of_tenant(term: &Term, caller: &Principal) -> String {
    match term {
        Term::Level(_) => format!("the caller's kind is `{}`", caller.kind.label()),
        Term::Role(_) => match caller.kind {
            PrincipalKind::ApplicationUser => {
                let all = [DEFAULT_ROLE.to_owned()].into_iter().chain(caller.roles.iter().cloned());
                holding(&all.collect::<Vec<_>>(), "role")
            }
            PrincipalKind::Guest
            | PrincipalKind::User
            | PrincipalKind::Application
            | PrincipalKind::Organization
            | PrincipalKind::AdminUser => holding(&caller.roles, "role"),
        },
        Term::Authenticated
        | Term::Scope(_)
        | Term::SelfIs { .. }
        | Term::Permissions
        | Term::Certificate(_)
        | Term::Of { .. } => format!("the caller is `{}`", caller.id),
    }
}

/// What the tenant lets the caller do.
fn permissions(asker: &Asker<'_>, holds: bool) -> String {
    let Some(request) = asker.tenant else { return "the path names no tenant".to_owned() };
    let tenant = request.tenant.name();
    let asked = permission(request);
    let verb = if holds { "allows" } else { "does not allow" };
    match asker.caller {
        None => format!("the role `{GUEST_ROLE}` of {tenant} {verb} `{asked}`"),
        Some(caller) if holds && !request.is_user(caller) => {
            format!("the caller may do everything in {tenant}")
        }
        Some(_) if holds => format!("a role or permission of the caller allows `{asked}`"),
        Some(_) => format!("no role and no permission of the caller allows `{asked}`"),
    }
}

/// What is asked for, as a permission is written: `get:/orders/7`.
fn permission(request: &TenantRequest<'_>) -> String {
    let method = request.method.as_str().to_ascii_lowercase();
    format!("{method}:/{}", request.rest.join("/"))
}

/// `acme/shop`, `acme`, or all organizations of an admin.
fn home(caller: &Principal) -> String {
    let Some(home) = caller.home.as_deref() else { return "no tenant".to_owned() };
    let names: Vec<&str> = home.organizations.iter().map(|one| one.name.as_str()).collect();
    match (&home.application, names.as_slice()) {
        (Some(application), [organization, ..]) => format!("{organization}/{}", application.name),
        (Some(application), []) => application.name.clone(),
        (None, []) => "no organization".to_owned(),
        (None, names) => names.join(", "),
    }
}

fn holding(held: &[String], what: &str) -> String {
    if held.is_empty() {
        format!("the caller holds no {what}")
    } else {
        format!("the caller holds {}", held.join(", "))
    }
}

fn noun(attribute: Attribute) -> &'static str {
    match attribute {
        Attribute::Id => "id",
        Attribute::Name => "name",
        Attribute::Email => "e-mail address",
    }
}

/// What would make one failing term hold, if anything can.
fn remedy(term: &Term, asker: &Asker<'_>, caller: &Principal) -> Option<String> {
    let found = asker.found;
    match term {
        Term::Of { at, .. } if !decide::belongs_to(caller, at) => None,
        Term::Of { term, .. } => remedy(term, asker, caller),
        Term::Authenticated | Term::Level(_) => None,
        Term::Role(role) => {
            may_hold_roles(asker, caller).then(|| format!("give {} role `{role}`", caller.id))
        }
        Term::Certificate(name) => Some(show_one(name.as_ref())),
        Term::Scope(scope) => Some(format!("present a token with scope `{scope}`")),
        Term::Permissions => {
            let asked = permission(asker.tenant?);
            Some(format!("give {} a role or permission that allows `{asked}`", caller.id))
        }
        Term::SelfIs { attribute, capture } => {
            let own = decide::own(caller, *attribute).filter(|own| !own.is_empty())?;
            let place = found.rule.left.capture_place(*capture)?;
            Some(format!("ask for {}", with_segment(found, place, own)))
        }
    }
}

/// With `[usergrid]` only users of applications hold roles.
fn may_hold_roles(asker: &Asker<'_>, caller: &Principal) -> bool {
    let plain = asker.tenant.is_none() && caller.home.is_none();
    plain || caller.kind == PrincipalKind::ApplicationUser
}

/// The path that was asked for, with another value in one place.
fn with_segment(found: &Match<'_>, place: usize, value: &str) -> String {
    let mut path = String::new();
    for (index, text) in found.path().as_str().split('/').skip(1).enumerate() {
        path.push('/');
        if index == place { escape(value, &mut path) } else { path.push_str(text) }
    }
    path
}

fn escape(value: &str, path: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@:+".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
}
