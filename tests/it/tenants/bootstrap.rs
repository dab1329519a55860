//! `[usergrid.bootstrap]` where anybody may register: it makes what it names, and adopts nobody else's.

use super::{
    Answer, Backend, Gateway, OPEN, PASSWORD, Setup, call, grant, keys, request, token_of, told,
};
use crate::harness::until;

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const MALLORY: &str = "mallory-secret-1";

/// A gateway that stands empty, open to whoever comes first.
fn empty(backend: &Backend) -> Gateway {
    let tables = format!("[usergrid]\n{OPEN}");
    Setup::new(&backend.url()).key("store", "\"file:directory.redb\"").tables(&tables).start()
}

/// The same started again, with a section that wants acme and shop for olga.
fn bootstrapped(gate: &mut Gateway) {
    let before = std::fs::read_to_string(&gate.config).unwrap();
    gate.kill();
    gate.rewrite(&format!(
        r#"{before}
[usergrid.bootstrap]
organization = "acme"
application  = "shop"
username     = "olga"
email        = "olga@acme.example"
password     = "{PASSWORD}"
"#
    ));
    gate.start_again();
}

/// The answer to a request with a password, which a busy machine may not come to in time.
fn ask(gate: &Gateway, bytes: &str) -> Answer {
    until("a password's turn", || Some(gate.ask(bytes)).filter(|answer| answer.status != 503))
}

fn register(gate: &Gateway, target: &str, form: &str) {
    let answer = ask(gate, &request("POST", target, FORM, form));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// An admin's token, and the organizations that its login lists.
fn admitted(gate: &Gateway, name: &str, password: &str) -> (String, String) {
    let body = grant(name, password);
    let answer = ask(gate, &request("POST", "/management/token", "", &body));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    (token_of(&body), keys(&body["user"]["organizations"]))
}

#[test]
fn an_admin_of_another_address_or_password_is_not_made_the_owner() {
    for (email, password) in [
        ("mallory@evil.example", MALLORY),
        ("mallory@evil.example", PASSWORD),
        ("olga@acme.example", MALLORY),
    ] {
        let backend = Backend::plain();
        let mut gate = empty(&backend);
        let form = format!("username=olga&email={email}&password={password}");
        register(&gate, "/management/users", &form);
        bootstrapped(&mut gate);
        let told_of = gate.err.event("[usergrid.bootstrap] cannot be made");
        assert_eq!(told_of["level"], "error", "{told_of}");
        assert!(told_of["error"].as_str().unwrap().contains("the admin `olga`"), "{told_of}");
        let (olga, organizations) = admitted(&gate, "olga", password);
        assert_eq!(organizations, "", "{email} {password}");
        for target in ["/management/orgs/acme", "/acme/shop/users"] {
            let answer = call(&mut gate.connect(), &olga, "GET", target, "");
            assert_eq!(told(&answer), "401 unauthorized", "{target} {email} {password}");
        }
    }
}

#[test]
fn an_organization_of_somebody_else_is_not_adopted() {
    let backend = Backend::plain();
    let mut gate = empty(&backend);
    let form =
        format!("organization=acme&username=mallory&email=mallory@evil.example&password={MALLORY}");
    register(&gate, "/management/orgs", &form);
    bootstrapped(&mut gate);
    let told_of = gate.err.event("[usergrid.bootstrap] cannot be made");
    assert!(told_of["error"].as_str().unwrap().contains("the organization `acme`"), "{told_of}");
    let body = grant("olga", PASSWORD);
    let nobody = ask(&gate, &request("POST", "/management/token", "", &body));
    assert_eq!(told(&nobody), "400 invalid_grant");
    let (mallory, organizations) = admitted(&gate, "mallory", MALLORY);
    assert_eq!(organizations, "acme", "the gateway serves on");
    let apps = call(&mut gate.connect(), &mallory, "GET", "/management/orgs/acme/apps", "");
    assert_eq!(keys(&apps.json()["data"]), "acme/sandbox", "no shop was made in it");
}

#[test]
fn an_admin_of_the_same_address_and_password_is_the_owner() {
    let backend = Backend::plain();
    let mut gate = empty(&backend);
    let form = format!("username=olga&email=OLGA@acme.example&password={PASSWORD}");
    register(&gate, "/management/users", &form);
    bootstrapped(&mut gate);
    assert_eq!(gate.err.event("the first organization is made")["name"], "acme");
    let (olga, organizations) = admitted(&gate, "olga", PASSWORD);
    assert_eq!(organizations, "acme");
    let users = call(&mut gate.connect(), &olga, "GET", "/acme/shop/users", "");
    assert_eq!(told(&users), "200");
}
