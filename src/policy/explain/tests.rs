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
        roles: vec!["buyer".to_owned(), "clerk".to_owned()],
        scopes: Vec::new(),
    }
}

/// The lines about `GET /users/bob/cart` under the one rule `* /users/{id}/**`, and the ways out.
fn explained(requirement: &str, presented: Presented<'_>) -> (Vec<String>, Vec<String>) {
    let set = testing::rules(vec![Line::new("* /users/{id}/**", requirement)]);
    let path = CanonicalPath::parse("/users/bob/cart", &testing::STRICT).unwrap();
    let found = set.find(&http::Method::GET, "x", &path).unwrap();
    let lines = explain(&found, presented).concat();
    let lines = lines.into_iter().map(|check| {
        assert_eq!(check.says.starts_with("yes: "), check.holds);
        format!("{} {}", check.term, check.says)
    });
    (lines.collect(), remedies(&found, presented))
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
