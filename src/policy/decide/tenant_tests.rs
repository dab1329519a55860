//! Decisions with `[usergrid]`: whose terms hold where.

use std::sync::Arc;

use http::Method;
use uuid::Uuid;

use super::{Denial::*, *};
use crate::{
    permission::PermissionSet,
    policy::{
        Tenant,
        testing::{self, Line},
    },
    principal::{Home, Named},
    request::path::CanonicalPath,
};

fn named(name: &str) -> Named {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(name.bytes()).for_each(|(byte, letter)| *byte = letter);
    Named { id: Uuid::from_bytes(bytes), name: name.to_owned() }
}

/// `acme/shop`. Its application's id is made of both names, as no two applications share one.
fn application(organization: &str, name: &str) -> Named {
    Named { name: name.to_owned(), ..named(&format!("{organization}/{name}")) }
}

fn of(kind: PrincipalKind, id: &str, organization: &str, app: Option<&str>) -> Principal {
    Principal {
        kind,
        id: id.to_owned(),
        home: Some(Arc::new(Home {
            organizations: vec![named(organization)],
            application: app.map(|app| application(organization, app)),
            permissions: PermissionSet::default(),
        })),
        ..Principal::guest()
    }
}

fn user(id: &str, organization: &str, app: &str, roles: &[&str]) -> Principal {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    Principal { roles, ..of(PrincipalKind::ApplicationUser, id, organization, Some(app)) }
}

/// Everybody that a rule may be about.
struct People {
    eve: Principal,
    rex: Principal,
    client: Principal,
    organization: Principal,
    olga: Principal,
    other_user: Principal,
    other_application: Principal,
    other_client: Principal,
    other_organization: Principal,
    other_admin: Principal,
}

fn people() -> People {
    use PrincipalKind::{AdminUser, Application, Organization};
    People {
        eve: user("eve", "acme", "shop", &["buyer"]),
        rex: user("rex", "acme", "shop", &[]),
        client: of(Application, "c1", "acme", Some("shop")),
        organization: of(Organization, "c2", "acme", None),
        olga: of(AdminUser, "olga", "acme", None),
        other_user: user("eve", "other", "shop", &["buyer"]),
        other_application: user("eve", "acme", "blog", &["buyer"]),
        other_client: of(Application, "c3", "acme", Some("blog")),
        other_organization: of(Organization, "c4", "other", None),
        other_admin: of(AdminUser, "otto", "other", None),
    }
}

/// A shop where users and buyers may do nothing, and guests as much.
fn shop() -> Tenant {
    let nothing = PermissionSet::default;
    let roles = ["default", "guest", "buyer"].map(|role| (role.to_owned(), nothing()));
    Tenant {
        organization: named("acme"),
        application: application("acme", "shop"),
        roles: roles.into(),
        open_roles: false,
    }
}

fn grant(role: &str, permission: &str) -> Tenant {
    let mut tenant = shop();
    tenant.roles.insert(role.to_owned(), PermissionSet::new([permission]));
    tenant
}

/// Decides about `GET` of a path, under the one rule `* left`.
fn outcome(
    (left, right): (&str, &str),
    path: &str,
    caller: Option<&Principal>,
    tenant: Option<&Tenant>,
) -> Result<Option<String>, Denial> {
    let set = testing::rules(vec![Line::of_tenants(&format!("* {left}"), right)]);
    let path = CanonicalPath::parse(path, &testing::STRICT).unwrap();
    let found = set.find(&Method::GET, "x", &path).expect("the rule takes the path");
    let rest: Vec<&str> = path.segments().skip(2).collect();
    let request = tenant.map(|tenant| TenantRequest {
        tenant,
        method: &Method::GET,
        rest: &rest,
        subject: None,
        protected: false,
    });
    let presented = caller.map_or(Presented::Nothing, Presented::Proven);
    decide(Some(&found), presented, SystemTime::UNIX_EPOCH, request.as_ref(), None)
        .map(|permit| permit.principal().map(|principal| principal.id.clone()))
}

#[track_caller]
fn check(right: &str, caller: Option<&Principal>, expected: Result<Option<&str>, Denial>) {
    let rule = ("/{org}/{app}/carts/{id}", right);
    let outcome = outcome(rule, "/acme/shop/carts/eve", caller, Some(&shop()));
    assert_eq!(outcome, expected.map(|id| id.map(str::to_owned)), "{right} for {caller:?}");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn on_the_path_of_a_tenant_only_its_own_meet_a_requirement() {
    let p = people();
    //    the rule wants        the caller is               so
    check("public",             Some(&p.other_user),        Ok(None));
    check("guest",              None,                       Ok(None));
    check("guest",              Some(&p.other_user),        Ok(Some("eve")));
    check("deny",               Some(&p.eve),               Err(Denied));
    check("authenticated",      None,                       Err(Unauthenticated));
    check("authenticated",      Some(&p.eve),               Ok(Some("eve")));
    check("authenticated",      Some(&p.client),            Ok(Some("c1")));
    check("authenticated",      Some(&p.organization),      Ok(Some("c2")));
    check("authenticated",      Some(&p.olga),              Ok(Some("olga")));
    check("authenticated",      Some(&p.other_user),        Err(OtherTenant));
    check("authenticated",      Some(&p.other_application), Err(OtherTenant));
    check("authenticated",      Some(&p.other_client),      Err(OtherTenant));
    check("authenticated",      Some(&p.other_organization), Err(OtherTenant));
    check("authenticated",      Some(&p.other_admin),       Err(OtherTenant));
    check("role:buyer",         None,                       Err(Unauthenticated));
    check("role:buyer",         Some(&p.eve),               Ok(Some("eve")));
    check("role:buyer",         Some(&p.rex),               Err(RoleMissing));
    check("role:buyer",         Some(&p.olga),              Err(RoleMissing));
    check("role:buyer",         Some(&p.other_user),        Err(OtherTenant));
    check("role:buyer",         Some(&p.other_application), Err(OtherTenant));
    check("role:default",       Some(&p.rex),               Ok(Some("rex")));
    check("role:default",       Some(&p.client),            Err(RoleMissing));
    check("self:{id}",          Some(&p.eve),               Ok(Some("eve")));
    check("self:{id}",          Some(&p.rex),               Err(NotSelf));
    check("self:{id}",          Some(&p.other_application), Err(OtherTenant));
    check("user",               Some(&p.rex),               Ok(Some("rex")));
    check("user",               Some(&p.olga),              Err(Forbidden));
    check("application",        Some(&p.client),            Ok(Some("c1")));
    check("application",        Some(&p.eve),               Err(Forbidden));
    check("organization",       Some(&p.organization),      Ok(Some("c2")));
    check("organization",       Some(&p.olga),              Err(Forbidden));
    check("admin",              Some(&p.olga),              Ok(Some("olga")));
    check("admin",              Some(&p.other_admin),       Err(OtherTenant));
    check("admin",              None,                       Err(Unauthenticated));
    check("admin | role:buyer", Some(&p.rex),               Err(RoleMissing));
    check("user & role:buyer",  Some(&p.eve),               Ok(Some("eve")));
}

#[test]
fn no_tenant_behind_an_at_lets_another_tenant_in() {
    let p = people();
    for right in ["authenticated@*", "admin@other", "user@other/shop", "role:buyer@other"] {
        for stranger in [&p.other_user, &p.other_admin, &p.other_organization] {
            check(right, Some(stranger), Err(OtherTenant));
        }
    }
    check("admin@acme", Some(&p.olga), Ok(Some("olga")));
    check("admin@other", Some(&p.olga), Err(OtherTenant));
}

/// An identity that only looks like the tenant's, because its own tenant is called alike.
#[test]
fn belonging_is_a_matter_of_ids_and_not_of_names() {
    let mut tenant = shop();
    tenant.application.id = Uuid::from_u128(1);
    let rule = ("/{org}/{app}/**", "authenticated");
    let decide = |caller: &Principal| outcome(rule, "/acme/shop/x", Some(caller), Some(&tenant));
    assert_eq!(decide(&people().eve), Err(OtherTenant));
    assert_eq!(decide(&people().olga), Ok(Some("olga".to_owned())));
    tenant.organization.id = Uuid::from_u128(2);
    let decide = |caller: &Principal| outcome(rule, "/acme/shop/x", Some(caller), Some(&tenant));
    assert_eq!(decide(&people().olga), Err(OtherTenant));
}

#[test]
#[rustfmt::skip] // a table is read by column
fn permissions_ask_the_roles_of_the_tenant_and_judge_guests_too() {
    let p = people();
    let (nobody, guests) = (shop(), grant("guest", "get:/**"));
    let (users, buyers) = (grant("default", "get:/**"), grant("buyer", "get:/carts/*"));
    let posting = grant("default", "post:/**");
    for (tenant, caller, expected) in [
        (&nobody,   None,                       Err(Unauthenticated)),
        (&nobody,   Some(&p.eve),               Err(NotPermitted)),
        (&nobody,   Some(&p.client),            Ok(Some("c1"))),
        (&nobody,   Some(&p.organization),      Ok(Some("c2"))),
        (&nobody,   Some(&p.olga),              Ok(Some("olga"))),
        (&nobody,   Some(&p.other_admin),       Err(OtherTenant)),
        (&guests,   None,                       Ok(None)),
        (&guests,   Some(&p.rex),               Err(NotPermitted)),
        (&guests,   Some(&p.other_user),        Err(OtherTenant)),
        (&users,    None,                       Err(Unauthenticated)),
        (&users,    Some(&p.rex),               Ok(Some("rex"))),
        (&users,    Some(&p.other_application), Err(OtherTenant)),
        (&buyers,   Some(&p.eve),               Ok(Some("eve"))),
        (&buyers,   Some(&p.rex),               Err(NotPermitted)),
        (&posting,  Some(&p.eve),               Err(NotPermitted)),
    ] {
        let rule = ("/{org}/{app}/**", "permissions");
        let outcome = outcome(rule, "/acme/shop/carts/1", caller, Some(tenant));
        assert_eq!(outcome, expected.map(|id| id.map(str::to_owned)), "{caller:?}");
    }
}

#[test]
fn what_stands_beside_permissions_is_asked_of_guests_as_of_others() {
    let guests = grant("guest", "get:/**");
    let decide = |right, caller: Option<&Principal>| {
        outcome(("/{org}/{app}/**", right), "/acme/shop/x", caller, Some(&guests))
    };
    assert_eq!(decide("permissions & authenticated", None), Err(Unauthenticated));
    assert_eq!(decide("permissions | role:x", None), Ok(None));
    assert_eq!(decide("permissions | role:x", Some(&people().rex)), Err(RoleMissing));
    assert_eq!(decide("permissions & role:x", Some(&people().rex)), Err(Forbidden));
}

#[test]
#[rustfmt::skip] // a table is read by column
fn where_the_path_names_no_tenant_a_term_names_it() {
    let p = people();
    for (right, caller, expected) in [
        ("authenticated@*",         None,                        Err(Unauthenticated)),
        ("authenticated@*",         Some(&p.other_user),         Ok("eve")),
        ("authenticated@acme",      Some(&p.other_application),  Ok("eve")),
        ("authenticated@acme",      Some(&p.other_user),         Err(OtherTenant)),
        ("authenticated@acme/shop", Some(&p.eve),                Ok("eve")),
        ("authenticated@acme/shop", Some(&p.client),             Ok("c1")),
        ("authenticated@acme/shop", Some(&p.organization),       Ok("c2")),
        ("authenticated@acme/shop", Some(&p.olga),               Ok("olga")),
        ("authenticated@acme/shop", Some(&p.other_application),  Err(OtherTenant)),
        ("authenticated@acme/shop", Some(&p.other_client),       Err(OtherTenant)),
        ("authenticated@acme/shop", Some(&p.other_user),         Err(OtherTenant)),
        ("authenticated@acme/shop", Some(&p.other_admin),        Err(OtherTenant)),
        ("admin@acme",              Some(&p.olga),               Ok("olga")),
        ("admin@acme",              Some(&p.organization),       Err(Forbidden)),
        ("admin@acme",              Some(&p.other_admin),        Err(OtherTenant)),
        ("admin@*",                 Some(&p.other_admin),        Ok("otto")),
        ("organization@other",      Some(&p.other_organization), Ok("c4")),
        ("role:buyer@acme/shop",    Some(&p.eve),                Ok("eve")),
        ("role:buyer@acme/shop",    Some(&p.rex),                Err(RoleMissing)),
        ("role:buyer@acme/shop",    Some(&p.other_user),         Err(OtherTenant)),
        ("role:default@acme",       Some(&p.rex),                Ok("rex")),
        ("role:default@acme",       Some(&p.olga),               Err(RoleMissing)),
        ("admin@acme | user@*",     Some(&p.other_user),         Ok("eve")),
        ("admin@acme & user@*",     Some(&p.eve),                Err(Forbidden)),
    ] {
        let outcome = outcome(("/status", right), "/status", caller, None);
        assert_eq!(outcome, expected.map(|id| Some(id.to_owned())), "{right} for {caller:?}");
    }
}

/// `/{org}/{app}/**` takes `/status/x/y` as well, where no tenant is.
#[test]
fn a_term_without_a_tenant_holds_for_nobody_where_there_is_none() {
    let p = people();
    for right in ["authenticated", "role:buyer", "user", "permissions", "self:{id}"] {
        let decide = |caller| outcome(("/{org}/{app}/{id}", right), "/status/x/eve", caller, None);
        assert_eq!(decide(Some(&p.eve)), Err(OtherTenant), "{right}");
        assert_eq!(decide(None), Err(Unauthenticated), "{right}");
    }
}

#[test]
fn somebody_without_a_home_is_a_stranger_to_every_tenant() {
    let plain = Principal {
        kind: PrincipalKind::User,
        id: "eve".to_owned(),
        roles: ["buyer".to_owned()].into(),
        ..Principal::guest()
    };
    for right in ["authenticated", "role:buyer", "self:{id}", "permissions", "authenticated@*"] {
        check(right, Some(&plain), Err(OtherTenant));
    }
    let outside = outcome(("/status", "authenticated@*"), "/status", Some(&plain), None);
    assert_eq!(outside, Err(OtherTenant));
}

#[test]
fn audit_waives_what_tenants_refuse_too() {
    let eve = people().other_user;
    let tenant = shop();
    let line = Line {
        audit: Some(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1)),
        ..Line::of_tenants("* /{org}/{app}/**", "permissions")
    };
    let set = testing::rules(vec![line]);
    let path = CanonicalPath::parse("/acme/shop/x", &testing::STRICT).unwrap();
    let found = set.find(&Method::GET, "x", &path);
    let request = TenantRequest {
        tenant: &tenant,
        method: &Method::GET,
        rest: &["x"],
        subject: None,
        protected: false,
    };
    let presented = Presented::Proven(&eve);
    let permit = decide(found.as_ref(), presented, SystemTime::UNIX_EPOCH, Some(&request), None);
    assert_eq!(permit.unwrap().waived(), Some(OtherTenant));
}
