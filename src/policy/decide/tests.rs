use std::time::Duration;

use proptest::prelude::*;

use super::{Denial::*, *};
use crate::{
    policy::testing::{self, Line},
    request::path::CanonicalPath,
};

/// Every case decides at second 100.
const NOW: u64 = 100;

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

fn caller(id: &str, roles: &[&str], scopes: &[&str]) -> Principal {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Principal {
        kind: PrincipalKind::User,
        id: id.to_owned(),
        name: None,
        email: None,
        roles: owned(roles),
        scopes: owned(scopes),
        home: None,
    }
}

/// Decides about `GET /u/PATH` under the one rule `* /u/{id}`. What the permit goes on as, and what it waives.
fn outcome(
    line: Line,
    path: &str,
    presented: Presented<'_>,
) -> Result<(Option<Principal>, Option<Denial>), Denial> {
    let set = testing::rules(vec![line]);
    let path = CanonicalPath::parse(&format!("/u/{path}"), &testing::STRICT).unwrap();
    let found = set.find(&http::Method::GET, "x", &path).expect("the rule takes every such path");
    decide(Some(&found), presented, at(NOW), None, None).map(|permit| {
        assert_eq!(permit.rule().asks, set.rules()[0].asks);
        (permit.principal().cloned(), permit.waived())
    })
}

fn asks(requirement: &str) -> Line {
    Line::new("* /u/{id}", requirement)
}

#[track_caller]
fn check(requirement: &str, presented: Presented<'_>, expected: Result<Option<&str>, Denial>) {
    let outcome = outcome(asks(requirement), "bob", presented);
    let goes_on_as = outcome.map(|(principal, waived)| {
        assert_eq!(waived, None);
        principal.map(|principal| principal.id)
    });
    assert_eq!(goes_on_as, expected.map(|id| id.map(str::to_owned)), "{requirement}");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn each_requirement_lets_through_whom_it_names() {
    use Presented::*;
    let bob = caller("bob", &["buyer"], &["read"]);
    let eve = caller("eve", &[], &[]);
    //    the rule wants                     the client shows   so
    check("public",                          Nothing,           Ok(None));
    check("public",                          Proven(&bob),      Ok(None));
    check("guest",                           Nothing,           Ok(None));
    check("guest",                           Proven(&bob),      Ok(Some("bob")));
    check("deny",                            Nothing,           Err(Denied));
    check("deny",                            Proven(&bob),      Err(Denied));
    check("authenticated",                   Nothing,           Err(Unauthenticated));
    check("authenticated",                   Proven(&eve),      Ok(Some("eve")));
    check("role:buyer",                      Nothing,           Err(Unauthenticated));
    check("role:buyer",                      Proven(&bob),      Ok(Some("bob")));
    check("role:buyer",                      Proven(&eve),      Err(RoleMissing));
    check("role:Buyer",                      Proven(&bob),      Err(RoleMissing));
    check("role:read",                       Proven(&bob),      Err(RoleMissing));
    check("scope:read",                      Proven(&bob),      Ok(Some("bob")));
    check("scope:read",                      Proven(&eve),      Err(ScopeMissing));
    check("scope:buyer",                     Proven(&bob),      Err(ScopeMissing));
    check("self:{id}",                       Nothing,           Err(Unauthenticated));
    check("self:{id}",                       Proven(&bob),      Ok(Some("bob")));
    check("self:{id}",                       Proven(&eve),      Err(NotSelf));
    check("role:buyer & scope:read",         Proven(&bob),      Ok(Some("bob")));
    check("role:buyer & scope:write",        Proven(&bob),      Err(ScopeMissing));
    check("role:x | role:buyer",             Proven(&bob),      Ok(Some("bob")));
    check("role:x & role:y | self:{id}",     Proven(&bob),      Ok(Some("bob")));
}

#[test]
#[rustfmt::skip] // a table is read by column
fn the_reason_is_what_is_most_easily_given() {
    let eve = caller("eve", &["a"], &["s"]);
    for (requirement, reason) in [
        ("self:{id} | role:support",            RoleMissing),
        ("role:support | self:{id}",            RoleMissing),
        ("self:{id} | scope:x",                 ScopeMissing),
        ("scope:x | role:y",                    RoleMissing),
        ("role:x & role:y",                     RoleMissing),
        ("role:a & role:y",                     RoleMissing),
        ("role:a & scope:y",                    ScopeMissing),
        ("role:x & scope:y",                    Forbidden),
        ("role:x & self:{id}",                  Forbidden),
        ("role:x & scope:y | self:{id}",        NotSelf),
        ("role:x & scope:y | authenticated & role:z", RoleMissing),
        ("role:x & scope:y | scope:z & self:{id}", Forbidden),
    ] {
        check(requirement, Presented::Proven(&eve), Err(reason));
    }
}

#[test]
fn self_compares_bytes_and_nothing_equals_what_is_not_there() {
    let mut bob = caller("bob", &[], &[]);
    let passes = |requirement, path, bob: &Principal| {
        outcome(asks(requirement), path, Presented::Proven(bob)).is_ok()
    };
    assert!(passes("self:{id}", "b%6Fb", &bob), "decoded once");
    assert!(!passes("self:{id}", "Bob", &bob));
    assert!(!passes("self.name:{id}", "bob", &bob), "no name");
    assert!(!passes("self.email:{id}", "bob", &bob), "no address");
    bob.name = Some("bob b".to_owned());
    bob.email = Some("bob@x.example".to_owned());
    assert!(passes("self.name:{id}", "bob%20b", &bob));
    assert!(passes("self.email:{id}", "bob@x.example", &bob));
    assert!(!passes("self:{id}", "bob@x.example", &bob));

    let nobody = Principal { name: Some(String::new()), ..caller("", &[], &[]) };
    assert!(!passes("self:{id}", "bob", &nobody));
    assert!(!passes("self.name:{id}", "bob", &nobody));
}

#[test]
fn even_where_case_does_not_count_self_compares_bytes() {
    let paths = crate::request::path::PathPolicy {
        case: crate::request::path::Case::Fold,
        ..testing::STRICT
    };
    let set = testing::build(vec![Line::new("* /U/{id}", "self:{id}")], &paths).unwrap();
    let decides = |path: &str| {
        let path = CanonicalPath::parse(path, &paths).unwrap();
        let found = set.find(&http::Method::GET, "x", &path);
        let bob = caller("bob", &[], &[]);
        decide(found.as_ref(), Presented::Proven(&bob), at(NOW), None, None).map(|_| ())
    };
    assert_eq!(decides("/u/bob"), Ok(()));
    assert_eq!(decides("/u/BOB"), Err(NotSelf));
}

#[test]
fn a_term_that_could_not_be_written_holds_for_nobody() {
    let bob = caller("bob", &["x"], &[]);
    let self_is = |capture| Term::SelfIs { attribute: Attribute::Id, capture };
    for (lists, expected) in [
        (vec![], Err(Forbidden)),
        (vec![vec![]], Err(Forbidden)),
        (vec![vec![self_is(7)]], Err(NotSelf)),
        (vec![vec![], vec![Term::Authenticated]], Ok(())),
    ] {
        let line = Line { requirement: Some(Requirement::Any(lists)), ..asks("deny") };
        let decision = outcome(line, "bob", Presented::Proven(&bob)).map(|_| ());
        assert_eq!(decision, expected);
    }
    // No capture and no id: two absences are not the same caller.
    let line = Line { requirement: Some(Requirement::Any(vec![vec![self_is(7)]])), ..asks("deny") };
    let nobody = caller("", &[], &[]);
    assert_eq!(outcome(line, "bob", Presented::Proven(&nobody)).map(|_| ()), Err(NotSelf));
}

#[test]
fn a_proven_guest_is_as_good_as_nothing_presented() {
    let guest = Principal { roles: ["buyer".to_owned()].into(), ..Principal::guest() };
    check("authenticated", Presented::Proven(&guest), Err(Unauthenticated));
    check("role:buyer", Presented::Proven(&guest), Err(Unauthenticated));
    check("guest", Presented::Proven(&guest), Ok(None));
}

#[test]
fn without_a_rule_nobody_passes() {
    let bob = caller("bob", &[], &[]);
    for presented in [Presented::Nothing, Presented::Proven(&bob)] {
        assert_eq!(decide(None, presented, at(NOW), None, None).map(|_| ()), Err(NoRule));
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_rule_refuses_from_the_instant_of_its_until() {
    for (until, requirement, expected) in [
        (NOW + 1,   "public",   Ok(())),
        (NOW,       "public",   Err(RuleExpired)),
        (NOW - 1,   "public",   Err(RuleExpired)),
        (NOW,       "guest",    Err(RuleExpired)),
        (NOW,       "deny",     Err(RuleExpired)),
        (NOW,       "role:x",   Err(RuleExpired)),
    ] {
        let line = Line { until: Some(at(until)), ..asks(requirement) };
        let decision = outcome(line, "bob", Presented::Nothing).map(|_| ());
        assert_eq!(decision, expected, "{requirement} until {until}");
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn audit_waives_what_would_be_refused_until_its_instant() {
    use Presented::*;
    let bob = caller("bob", &[], &[]);
    let as_bob = Some("bob".to_owned());
    for (requirement, presented, denial, goes_on_as) in [
        ("role:x",              Nothing,        Unauthenticated,    None),
        ("role:x",              Proven(&bob),   RoleMissing,        as_bob.clone()),
        ("scope:x",             Proven(&bob),   ScopeMissing,       as_bob.clone()),
        ("role:x & scope:x",    Proven(&bob),   Forbidden,          as_bob.clone()),
        ("deny",                Proven(&bob),   Denied,             as_bob),
        ("deny",                Nothing,        Denied,             None),
    ] {
        for second in [0, NOW - 1, NOW, NOW + 1] {
            let line = Line { audit: Some(at(second)), ..asks(requirement) };
            let outcome = outcome(line, "eve", presented)
                .map(|(principal, waived)| (principal.map(|principal| principal.id), waived));
            let in_audit = second > NOW;
            let expected = if in_audit { Ok((goes_on_as.clone(), Some(denial))) } else { Err(denial) };
            assert_eq!(outcome, expected, "{requirement}, audit until {second}");
        }
    }
}

#[test]
fn audit_waives_nothing_where_nothing_is_refused() {
    let bob = caller("bob", &["x"], &[]);
    let line = Line { audit: Some(at(NOW + 1)), ..asks("self:{id}") };
    assert_eq!(outcome(line, "bob", Presented::Proven(&bob)), Ok((Some(bob.clone()), None)));
}

#[test]
fn audit_never_outlives_the_rule() {
    let line = Line { audit: Some(at(NOW + 1)), until: Some(at(NOW)), ..asks("role:x") };
    assert_eq!(outcome(line, "bob", Presented::Nothing).map(|_| ()), Err(RuleExpired));
}

#[test]
fn every_denial_has_its_own_word_and_only_who_are_you_is_401() {
    let words: std::collections::HashSet<_> =
        Denial::ALL.iter().map(|denial| denial.reason()).collect();
    assert_eq!(words.len(), Denial::ALL.len());
    for denial in Denial::ALL {
        let expected = if denial == Unauthenticated { 401 } else { 403 };
        assert_eq!(denial.status().as_u16(), expected, "{}", denial.reason());
    }
}

fn requirement() -> impl Strategy<Value = String> {
    let term = prop_oneof!["role:[a-c]", "scope:[a-c]", Just("self:{id}".to_owned())];
    let list = prop::collection::vec(term, 1..3).prop_map(|terms| terms.join(" & "));
    prop::collection::vec(list, 1..4).prop_map(|lists| lists.join(" | "))
}

proptest! {
    #[test]
    fn more_roles_and_scopes_never_turn_a_permit_into_a_refusal(
        requirement in requirement(),
        id in "bob|eve",
        roles in prop::collection::vec("[a-c]", 0..3),
        scopes in prop::collection::vec("[a-c]", 0..3),
        extra in "[a-c]",
    ) {
        let more = |words: &[String]| words.iter().chain([&extra]).cloned().collect();
        let (roles_and_one, scopes_and_one) = (more(&roles), more(&scopes));
        let (roles, scopes) = (roles.into(), scopes.into());
        let mut holder = Principal { roles, scopes, ..caller(&id, &[], &[]) };
        let passes = |holder: &Principal| {
            outcome(asks(&requirement), "bob", Presented::Proven(holder)).is_ok()
        };
        let before = passes(&holder);
        holder.roles = roles_and_one;
        let with_role = passes(&holder);
        holder.scopes = scopes_and_one;
        prop_assert!(with_role || !before);
        prop_assert!(passes(&holder) || !with_role);
    }

    #[test]
    fn whoever_passes_a_requirement_passes_it_with_an_alternative_too(
        requirement in requirement(),
        other in requirement(),
        roles in prop::collection::vec("[a-c]", 0..3),
    ) {
        let holder = Principal { roles: roles.into(), ..caller("bob", &[], &[]) };
        let passes = |requirement: &str| {
            outcome(asks(requirement), "bob", Presented::Proven(&holder)).is_ok()
        };
        let either = passes(&format!("{requirement} | {other}"));
        prop_assert_eq!(either, passes(&requirement) || passes(&other));
    }
}
