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

/// Deployed clients keep their secrets through a rotation, those of a deleted application too.
#[test]
fn a_new_first_secret_seals_every_clients_secret_anew_and_changes_none() {
    let backend = Backend::plain();
    let mut gate = empty(&backend);
    bootstrapped(&mut gate);
    let (olga, _) = admitted(&gate, "olga", PASSWORD);
    let credentials = |gate: &Gateway, olga: &str, of: &str| {
        let target = format!("/management/orgs/acme{of}/credentials");
        call(&mut gate.connect(), olga, "GET", &target, "").json()["credentials"].clone()
    };
    let places = ["", "/apps/shop", "/apps/sandbox"];
    let before = places.map(|of| credentials(&gate, &olga, of));
    let sandbox = call(&mut gate.connect(), &olga, "GET", "/management/orgs/acme/apps/sandbox", "");
    let id = sandbox.json()["application"].as_str().unwrap().to_owned();
    let delete = "/management/orgs/acme/apps/sandbox?confirm_application_identifier=sandbox";
    assert_eq!(call(&mut gate.connect(), &olga, "DELETE", delete, "").status, 200);

    const NEW: &str = "new-0123456789abcdef0123456789abcdef";
    let old = std::fs::read_to_string(&gate.config).unwrap();
    let line = old.lines().find(|line| line.starts_with("secret = ")).unwrap();
    let secret = line.strip_prefix("secret = ").unwrap();
    gate.kill();
    gate.rewrite(&old.replace(line, &format!("secret = [\"{NEW}\", {secret}]")));
    gate.start_again();
    assert_eq!(gate.err.event("client secrets are sealed anew")["count"], "3");
    gate.kill();
    gate.rewrite(&old.replace(line, &format!("secret = \"{NEW}\"")));
    gate.start_again();

    let (olga, _) = admitted(&gate, "olga", PASSWORD);
    let restore = format!("/management/orgs/acme/apps/{id}");
    assert_eq!(call(&mut gate.connect(), &olga, "PUT", &restore, "{}").status, 200);
    assert_eq!(places.map(|of| credentials(&gate, &olga, of)), before);
}
