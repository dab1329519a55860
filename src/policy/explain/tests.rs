use super::*;
use crate::{
    policy::testing::{self, Line},
    principal::PrincipalKind,
    request::path::CanonicalPath,
};

fn eve() -> Principal {
    Principal {
        kind: PrincipalKind::User,
        id: "eve".to_owned(),
        name: Some("Eve".to_owned()),
        email: None,
        roles: ["buyer".to_owned(), "clerk".to_owned()].into(),
        scopes: [].into(),
        home: None,
    }
}

/// The lines about `GET /users/bob/cart` under the one rule `* /users/{id}/**`, and the ways out.
fn explained(requirement: &str, presented: Presented<'_>) -> (Vec<String>, Vec<String>) {
    let set = testing::rules(vec![Line::new("* /users/{id}/**", requirement)]);
    let path = CanonicalPath::parse("/users/bob/cart", &testing::STRICT).unwrap();
    let found = set.find(&http::Method::GET, "x", &path).unwrap();
    let lines = explain(&found, presented, None, None).concat();
    let lines = lines.into_iter().map(|check| {
        assert_eq!(check.says.starts_with("yes: "), check.holds);
        format!("{} {}", check.term, check.says)
    });
    (lines.collect(), remedies(&found, presented, None, None))
}

#[test]
#[rustfmt::skip] // a table is read by column
fn every_term_says_why() {
    let eve = eve();
    for (term, says) in [
        ("authenticated",       "yes: the caller is `eve`"),
        ("role:support",        "no: the caller holds buyer, clerk"),
        ("role:buyer",          "yes: the caller holds buyer, clerk"),
        ("scope:read",          "no: the caller holds no scope"),
        ("self:{id}",           "no: {id} is `bob`, the caller is `eve`"),
        ("self.name:{id}",      "no: {id} is `bob`, the caller's name is `Eve`"),
        ("self.email:{id}",     "no: {id} is `bob`, the caller has no e-mail address"),
    ] {
        let (lines, _) = explained(term, Presented::Proven(&eve));
        assert_eq!(lines, [format!("{term} {says}")]);
    }
    let bob = Principal { id: "bob".to_owned(), ..eve };
    let (lines, ways) = explained("self:{id}", Presented::Proven(&bob));
    assert_eq!(lines, ["self:{id} yes: {id} is the caller, `bob`"]);
    assert!(ways.is_empty());
}

#[test]
fn each_group_of_terms_names_its_way_out() {
    let eve = eve();
    let (lines, ways) = explained("self:{id} | role:support & scope:x", Presented::Proven(&eve));
    assert_eq!(lines.len(), 3);
    assert_eq!(
        ways,
        ["ask for /users/eve/cart", "give eve role `support` and present a token with scope `x`"]
    );
    let (_, ways) = explained("self.email:{id} | role:x", Presented::Proven(&eve));
    assert_eq!(ways, ["give eve role `x`"], "who has no address cannot ask for it");
    let odd = Principal { id: "a/b c".to_owned(), ..eve };
    let (_, ways) = explained("self:{id}", Presented::Proven(&odd));
    assert_eq!(ways, ["ask for /users/a%2Fb%20c/cart"]);
}

#[test]
fn without_a_credential_the_way_out_is_to_present_one() {
    let (lines, ways) = explained("role:x", Presented::Nothing);
    assert_eq!(lines, ["role:x no: there is no credential"]);
    assert_eq!(ways, ["present a credential"]);
}

#[test]
fn a_rule_that_asks_nothing_of_the_caller_has_no_terms() {
    for requirement in ["public", "guest", "deny"] {
        let eve = eve();
        for presented in [Presented::Nothing, Presented::Proven(&eve)] {
            assert_eq!(explained(requirement, presented), (Vec::new(), Vec::new()));
        }
    }
}

mod tenants {
    use std::sync::Arc;

    use http::Method;
    use uuid::Uuid;

    use super::*;
    use crate::{
        permission::PermissionSet,
        policy::Tenant,
        principal::{Home, Named},
    };

    fn named(number: u128, name: &str) -> Named {
        Named { id: Uuid::from_u128(number), name: name.to_owned() }
    }

    fn user(application: Named) -> Principal {
        let home = Home {
            organizations: vec![named(1, "acme")],
            application: Some(application),
            permissions: PermissionSet::default(),
        };
        Principal {
            kind: PrincipalKind::ApplicationUser,
            id: "eve".to_owned(),
            roles: ["buyer".to_owned()].into(),
            home: Some(Arc::new(home)),
            ..Principal::guest()
        }
    }

    /// What is said of `GET /acme/shop/orders/7`, and the ways out.
    fn explained(right: &str, caller: Option<&Principal>) -> (Vec<String>, Vec<String>) {
        let set = testing::rules(vec![Line::of_tenants("* /{org}/{app}/orders/{id}", right)]);
        let path = CanonicalPath::parse("/acme/shop/orders/7", &testing::STRICT).unwrap();
        let found = set.find(&Method::GET, "x", &path).unwrap();
        let tenant = Tenant {
            organization: named(1, "acme"),
            application: named(2, "shop"),
            roles: std::collections::HashMap::new(),
            open_roles: false,
        };
        let request = TenantRequest {
            tenant: &tenant,
            method: &Method::GET,
            rest: &["orders", "7"],
            subject: None,
            protected: false,
        };
        let presented = caller.map_or(Presented::Nothing, Presented::Proven);
        let lines = explain(&found, presented, Some(&request), None).concat();
        let lines = lines.into_iter().map(|check| format!("{} {}", check.term, check.says));
        (lines.collect(), remedies(&found, presented, Some(&request), None))
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn every_term_says_why() {
        let eve = user(named(2, "shop"));
        for (right, says, way) in [
            ("authenticated",      "yes: the caller is `eve`", None),
            ("user",               "yes: the caller's kind is `application_user`", None),
            ("admin",              "no: the caller's kind is `application_user`", None),
            ("role:x",             "no: the caller holds default, buyer", Some("give eve role `x`")),
            ("permissions",        "no: no role and no permission of the caller allows `get:/orders/7`",
                Some("give eve a role or permission that allows `get:/orders/7`")),
            ("self:{id}",          "no: {id} is `7`, the caller is `eve`",
                Some("ask for /acme/shop/orders/eve")),
            ("admin@other",        "no: the caller belongs to acme/shop", None),
            ("role:x@acme",        "no: the caller holds default, buyer", Some("give eve role `x`")),
        ] {
            let (lines, ways) = explained(right, Some(&eve));
            assert_eq!(lines, [format!("{right} {says}")]);
            assert_eq!(ways, way.into_iter().collect::<Vec<_>>(), "{right}");
        }
    }

    #[test]
    fn a_stranger_is_told_where_it_belongs_and_no_way_in() {
        let eve = user(named(3, "blog"));
        let (lines, ways) = explained("role:buyer", Some(&eve));
        assert_eq!(lines, ["role:buyer no: the caller belongs to acme/blog, this is acme/shop"]);
        assert_eq!(ways, Vec::<String>::new());
    }

    #[test]
    fn a_guest_is_judged_by_its_role() {
        let (lines, ways) = explained("permissions", None);
        let says = "no: the role `guest` of acme/shop does not allow `get:/orders/7`";
        assert_eq!(lines, [format!("permissions {says}")]);
        assert_eq!(ways, ["present a credential"]);
    }
}
