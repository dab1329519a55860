//! The difference of two rule sets against every small request by every kind of caller.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::{
    super::*,
    oracle::{METHODS, Oracle, Spec, spec},
};
use crate::{
    policy::{
        Left, Presented, decide,
        requirement::Requirement,
        testing::{self, Line, STRICT},
    },
    principal::{Principal, PrincipalKind},
};

const NAMES: [&str; 2] = ["main", "other"];

fn side(rules: &RuleSet) -> Side<'_> {
    Side { rules, backends: &NAMES }
}

fn compared(old: &RuleSet, new: &RuleSet) -> Vec<Difference> {
    diff(side(old), side(new), Case::Exact, SystemTime::UNIX_EPOCH)
}

/// As many as stand together, each with a right side of its own.
fn sound() -> impl Strategy<Value = Vec<Spec>> {
    let rights = vec![
        "public",
        "guest",
        "deny",
        "authenticated",
        "role:a",
        "role:b",
        "role:a & role:b",
        "role:b | role:a",
    ];
    let one = (spec(), prop::sample::select(rights)).prop_map(|(mut spec, right)| {
        spec.right = right;
        spec
    });
    prop::collection::vec(one, 0..8).prop_map(|specs| {
        let mut kept: Vec<Spec> = Vec::new();
        for spec in specs {
            kept.push(spec);
            if testing::build(lines(&kept), &STRICT).is_err() {
                kept.pop();
            }
        }
        kept
    })
}

fn lines(specs: &[Spec]) -> Vec<Line> {
    specs.iter().map(Spec::line).collect()
}

/// Who may ask: with a bad credential, with none, and with each choice of the roles.
const CALLERS: [Option<Option<&[&str]>>; 6] = [
    None,
    Some(None),
    Some(Some(&[])),
    Some(Some(&["a"])),
    Some(Some(&["b"])),
    Some(Some(&["a", "b"])),
];

fn lets_in(found: Option<&Match<'_>>, caller: Option<Option<&[&str]>>) -> bool {
    let Some(caller) = caller else {
        return found.is_some_and(|found| found.rule.requirement == Requirement::Public);
    };
    let principal = caller.map(|roles| Principal {
        kind: PrincipalKind::User,
        id: "ann".to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ..Principal::guest()
    });
    let presented = principal.as_ref().map_or(Presented::Nothing, Presented::Proven);
    decide(found, presented, SystemTime::UNIX_EPOCH, None, None).is_ok()
}

/// Whether somebody gets in by the second alone, and by the first alone.
fn truth(sets: [&RuleSet; 2], verb: &str, host: &str, path: &CanonicalPath) -> (bool, bool) {
    let found = sets.map(|set| set.find(&method(verb), host, path));
    let of = |set: usize, caller| lets_in(found[set].as_ref(), caller);
    let alone = |to: usize| CALLERS.iter().any(|who| of(to, *who) && !of(1 - to, *who));
    (alone(1), alone(0))
}

/// Its line alone.
fn alone(left: &Left) -> RuleSet {
    testing::rules(vec![Line::new(&left.to_string(), "deny")])
}

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

fn parse(path: &str) -> CanonicalPath {
    CanonicalPath::parse(path, &STRICT).unwrap()
}

fn cut(example: &str) -> (&str, &str, &str) {
    let (verb, target) = example.split_once(' ').unwrap();
    let slash = target.find('/').unwrap();
    (verb, if slash == 0 { "no.rule.names.this" } else { &target[..slash] }, &target[slash..])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_opens_or_closes_for_anybody_is_told_and_every_example_shows_it(
        old in sound(), new in sound()
    ) {
        let (before, after) = (testing::rules(lines(&old)), testing::rules(lines(&new)));
        let found = compared(&before, &after);
        let all: Vec<Spec> = old.iter().chain(&new).cloned().collect();
        let sets = [&before, &after];
        let about: Vec<(&Difference, RuleSet)> =
            found.iter().map(|one| (one, alone(&one.left))).collect();
        for (host, path, _) in Oracle::new(&all).places() {
            let parsed = parse(&path);
            for verb in METHODS {
                let (opens, closes) = truth(sets, verb, host, &parsed);
                if !opens && !closes {
                    continue;
                }
                let told = about.iter().any(|(one, about)| {
                    (!opens || one.opens.is_some())
                        && (!closes || one.closes.is_some())
                        && about.find(&method(verb), host, &parsed).is_some()
                });
                prop_assert!(told, "{verb} {host}{path}: {found:#?}");
            }
        }
        for (one, about) in &about {
            let (verb, host, path) = cut(&one.example);
            let parsed = parse(path);
            let truth = truth(sets, verb, host, &parsed);
            prop_assert_eq!(truth, (one.opens.is_some(), one.closes.is_some()), "{:?}", one);
            prop_assert!(about.find(&method(verb), host, &parsed).is_some(), "{:?}", one);
        }
    }

    #[test]
    fn a_set_differs_from_itself_in_nothing_whatever_the_order_of_its_lines(specs in sound()) {
        let mut turned = lines(&specs);
        turned.reverse();
        let (one, two) = (testing::rules(lines(&specs)), testing::rules(turned));
        prop_assert_eq!(compared(&one, &two), vec![]);
    }
}

/// `opens|closes LEFT for WHOM, e.g. EXAMPLE`
fn told(old: &[Line], new: &[Line]) -> Vec<String> {
    let (old, new) = (testing::rules(old.to_vec()), testing::rules(new.to_vec()));
    let said = |one: &Difference| {
        let mut words = Vec::new();
        words.extend(one.opens.as_ref().map(|whom| format!("opens for {whom}")));
        words.extend(one.closes.as_ref().map(|whom| format!("closes for {whom}")));
        words.extend(one.otherwise.iter().cloned());
        format!("{}: {}, e.g. {}", one.left, words.join(", "), one.example)
    };
    compared(&old, &new).iter().map(said).collect()
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_difference_says_for_whom_and_gives_a_request() {
    let line = Line::new;
    let rows: [(&[Line], &[Line], &[&str]); 12] = [
        (&[line("GET /reports/{year}", "role:finance")], &[line("GET /reports/{year}", "authenticated")],
            &["GET /reports/{year}: opens for any user, e.g. GET /reports/x"]),
        (&[line("* /legacy/**", "authenticated")], &[],
            &["* /legacy/**: closes for any user, e.g. GET /legacy/x"]),
        (&[line("* /a/**", "role:a")], &[line("* /a/**", "role:b")],
            &["* /a/**: opens for whoever holds role:b, closes for whoever holds role:a, e.g. GET /a/x"]),
        (&[line("* /a/**", "role:a & role:b")], &[line("* /a/**", "role:b & role:a")], &[]),
        (&[line("* /a/**", "role:a")], &[line("* /a/**", "role:a | role:a & scope:s")], &[]),
        (&[line("* /a/**", "role:a")], &[line("* /a/**", "role:a"), line("GET /a/b", "role:a")], &[]),
        (&[line("* /a/**", "role:a")], &[line("* /a/**", "role:a"), line("* /a/b", "guest")],
            &["* /a/b: opens for a guest, e.g. GET /a/b"]),
        (&[line("* /a", "guest")], &[line("* /a", "public")],
            &["* /a: opens for whoever presents a bad credential, e.g. GET /a"]),
        (&[line("* /u/{id}", "self:{id}")], &[line("* /u/{name}", "self:{name}")], &[]),
        (&[line("* /u/{id}/{x}", "self:{id}")], &[line("* /u/{id}/{x}", "self:{x}")],
            &["* /u/{id}/{x}: opens for whoever holds self:{segment 3}, closes for whoever holds self:{segment 2}, e.g. GET /u/x/x"]),
        (&[line("* /a", "role:a")], &[Line { backend: 1, ..line("* /a", "role:a") }],
            &["* /a: backend main → other, e.g. GET /a"]),
        // Only where the two meet is anything new.
        (&[line("* /{t}/admin/**", "role:a"), line("* /acme/**", "deny"), line("* /acme/admin/**", "deny")],
         &[line("* /{t}/admin/**", "role:a"), line("* /acme/**", "deny"), line("* /acme/admin/**", "role:a")],
            &["* /acme/admin/**: opens for whoever holds role:a, e.g. GET /acme/admin/x"]),
    ];
    for (old, new, expected) in rows {
        assert_eq!(told(old, new), expected);
    }
}

#[test]
fn what_an_instant_will_change_is_a_difference_already() {
    let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    let plain = Line::new("* /a", "role:a");
    let audited = Line { audit: at(10), ..plain.clone() };
    let ending = Line { until: at(10), ..plain.clone() };
    let over = Line { until: at(0), ..plain.clone() };
    let rows = [
        (&plain, &audited, "* /a: opens for a guest, e.g. GET /a"),
        (&audited, &plain, "* /a: closes for a guest, e.g. GET /a"),
        (&ending, &plain, "* /a: opens for whoever holds role:a, e.g. GET /a"),
        (&plain, &ending, "* /a: closes for whoever holds role:a, e.g. GET /a"),
        (&plain, &over, "* /a: closes for whoever holds role:a, e.g. GET /a"),
    ];
    for (old, new, expected) in rows {
        assert_eq!(told(std::slice::from_ref(old), std::slice::from_ref(new)), [expected]);
    }
}
