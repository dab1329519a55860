//! Certificates of clients, beside and without a caller.

use std::time::Duration;

use super::{Denial::*, *};
use crate::{
    policy::testing::{self, Line},
    request::path::CanonicalPath,
};

/// Every case decides at second 100.
const NOW: Duration = Duration::from_secs(100);

fn certificate(names: &[CertificateName], until: Duration) -> Certificate {
    Certificate { names: names.to_vec(), until: SystemTime::UNIX_EPOCH + until }
}

/// Decides about `GET /u/bob` under the one rule `* /u/{id}`.
fn outcome(
    requirement: &str,
    caller: Option<&Principal>,
    certificate: Option<&Certificate>,
) -> Result<Option<String>, Denial> {
    let set = testing::rules(vec![Line::new("* /u/{id}", requirement)]);
    let path = CanonicalPath::parse("/u/bob", &testing::STRICT).unwrap();
    let found = set.find(&http::Method::GET, "x", &path);
    let presented = caller.map_or(Presented::Nothing, Presented::Proven);
    let now = SystemTime::UNIX_EPOCH + NOW;
    let permit = decide(found.as_ref(), presented, now, None, certificate)?;
    Ok(permit.principal().map(|principal| principal.id.clone()))
}

fn bob(role: &str) -> Principal {
    let roles = [role.to_owned()].into();
    Principal { kind: PrincipalKind::User, id: "bob".to_owned(), roles, ..Principal::guest() }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_certificate_is_a_term_like_any_other_and_asks_for_no_caller() {
    let app = certificate(&[CertificateName::dns("app.example")], NOW * 2);
    let (app, none) = (Some(&app), None);
    let (buyer, other) = (bob("buyer"), bob("other"));
    let (buyer, other, nobody) = (Some(&buyer), Some(&other), None);
    let as_bob = Ok(Some("bob".to_owned()));
    for (requirement, caller, shown, expected) in [
        ("cert",                               nobody, app,  Ok(None)),
        ("cert",                               nobody, none, Err(CertificateMissing)),
        ("cert",                               buyer,  app,  as_bob.clone()),
        ("cert",                               buyer,  none, Err(CertificateMissing)),
        ("cert:app.example",                   nobody, app,  Ok(None)),
        ("cert:APP.Example.",                  nobody, app,  Ok(None)),
        ("cert:other.example",                 nobody, app,  Err(CertificateMissing)),
        ("cert:other.example",                 nobody, none, Err(CertificateMissing)),
        // Whoever could present a token is asked for one.
        ("cert | authenticated",               nobody, none, Err(Unauthenticated)),
        ("cert | authenticated",               nobody, app,  Ok(None)),
        ("cert:app.example & role:buyer",      nobody, app,  Err(Unauthenticated)),
        ("cert:app.example & role:buyer",      nobody, none, Err(CertificateMissing)),
        ("cert:app.example & role:buyer",      buyer,  app,  as_bob.clone()),
        ("cert:app.example & role:buyer",      buyer,  none, Err(CertificateMissing)),
        ("cert:app.example & role:buyer",      other,  app,  Err(RoleMissing)),
        ("cert:app.example & role:buyer",      other,  none, Err(Forbidden)),
        ("cert:other.example | role:buyer",    other,  app,  Err(RoleMissing)),
        ("authenticated",                      nobody, app,  Err(Unauthenticated)),
    ] {
        assert_eq!(outcome(requirement, caller, shown), expected, "{requirement} {shown:?}");
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_name_is_equal_only_to_one_of_its_own_kind() {
    use CertificateName::{Dns, Email, Ip, Uri};
    let text = str::to_owned;
    for (requirement, name, expected) in [
        ("cert:10.0.0.1",                 Ip([10, 0, 0, 1].into()),            Ok(None)),
        ("cert:10.0.0.1",                 Dns(text("10.0.0.1")),               Err(CertificateMissing)),
        ("cert:spiffe://a/app",           Uri(text("spiffe://a/app")),         Ok(None)),
        ("cert:spiffe://a/app",           Dns(text("spiffe://a/app")),         Err(CertificateMissing)),
        ("cert:spiffe://a/App",           Uri(text("spiffe://a/app")),         Err(CertificateMissing)),
        ("cert:'ann@A.example'",          Email(text("ann@a.example")),        Ok(None)),
        ("cert:'ann@a.example'",          Email(text("Ann@a.example")),        Err(CertificateMissing)),
        ("cert:'ann@a.example'",          Dns(text("ann@a.example")),          Err(CertificateMissing)),
        ("cert:a.example",                Dns(text("*.example")),              Err(CertificateMissing)),
        ("cert:'*.example'",              Dns(text("a.example")),              Err(CertificateMissing)),
    ] {
        let shown = certificate(&[name], NOW * 2);
        assert_eq!(outcome(requirement, None, Some(&shown)), expected, "{requirement} {shown:?}");
    }
}

#[test]
fn a_certificate_is_nothing_from_the_moment_it_ends() {
    let second = Duration::from_secs(1);
    let (good, over) = (certificate(&[], NOW + second), certificate(&[], NOW));
    assert_eq!(outcome("cert", None, Some(&good)), Ok(None));
    assert_eq!(outcome("cert", None, Some(&over)), Err(CertificateMissing));
}
