//! The gateway is killed between any two writes of whatever changes the directory: then there is nothing
//! of it, and it can be asked for again, or there is the whole.

use std::{sync::Mutex, thread};

use serde_json::json;

use super::{OPEN, World, call, grant};
use crate::harness::{dam::Dam, redis::Redis, until};

/// More writes than anything takes.
const WRITES_MAX: usize = 30;

/// Method, target and body of a request.
type Asked = (&'static str, String, String);

/// Something that is done to a thing of this name.
struct Act {
    name: &'static str,
    /// What has to be there before.
    before: fn(&World, &str),
    ask: fn(&str) -> Asked,
    by_admin: bool,
    /// What is true of it once it is done, and false before.
    facts: fn(&World, &str) -> Vec<(&'static str, bool)>,
    /// What the same request is answered once it is done.
    again: &'static [u16],
}

const SECRET: &str = "a-secret-of-1";

fn is_there(world: &World, target: &str) -> bool {
    world.call(&world.olga, "GET", target, "").status == 200
}

fn logs_in(world: &World, target: &str, name: &str) -> bool {
    world.call("", "POST", target, &grant(name, SECRET)).status == 200
}

fn user(name: &str) -> Asked {
    let body =
        json!({ "username": name, "email": format!("{name}@x.example"), "password": SECRET });
    ("POST", "/acme/shop/users".to_owned(), body.to_string())
}

fn make(world: &World, (method, target, body): Asked) {
    world.json(&world.olga, method, &target, &body);
}

fn user_facts(world: &World, name: &str) -> Vec<(&'static str, bool)> {
    let email = format!("{name}@x.example");
    vec![
        ("by name", is_there(world, &format!("/acme/shop/users/{name}"))),
        ("by e-mail", is_there(world, &format!("/acme/shop/users/{email}"))),
        ("logs in", logs_in(world, "/acme/shop/token", name)),
        (
            "listed",
            world
                .call(&world.olga, "GET", "/acme/shop/users?limit=1000", "")
                .text()
                .contains(&email),
        ),
    ]
}

fn group(name: &str) -> Asked {
    ("POST", "/acme/shop/groups".to_owned(), json!({ "path": name }).to_string())
}

fn no_longer(facts: Vec<(&'static str, bool)>) -> Vec<(&'static str, bool)> {
    facts.into_iter().map(|(what, is)| (what, !is)).collect()
}

const ACTS: [Act; 9] = [
    Act {
        name: "organization",
        before: |_, _| (),
        ask: |name| {
            let body = json!({ "organization": name, "username": name, "password": SECRET,
                "email": format!("{name}@x.example") });
            ("POST", "/management/orgs".to_owned(), body.to_string())
        },
        by_admin: false,
        facts: |world, name| {
            let login = world.call("", "POST", "/management/token", &grant(name, SECRET));
            let token = login.json()["access_token"].as_str().map(str::to_owned);
            let of = |target: String| {
                token
                    .as_ref()
                    .is_some_and(|token| world.call(token, "GET", &target, "").status == 200)
            };
            vec![
                ("its owner logs in", login.status == 200),
                ("read by its owner", of(format!("/management/orgs/{name}"))),
                ("its sandbox", of(format!("/{name}/sandbox/users"))),
                ("its credentials", of(format!("/management/orgs/{name}/credentials"))),
            ]
        },
        again: &[400],
    },
    Act {
        name: "application",
        before: |_, _| (),
        ask: |name| {
            ("POST", "/management/orgs/acme/apps".to_owned(), json!({ "name": name }).to_string())
        },
        by_admin: true,
        facts: |world, name| {
            let all =
                world.call(&world.olga, "GET", "/management/orgs/acme/apps", "").text().to_owned();
            vec![
                ("listed", all.contains(&format!("acme/{name}"))),
                ("its users", is_there(world, &format!("/acme/{name}/users"))),
                ("its roles", is_there(world, &format!("/acme/{name}/roles/default"))),
                ("its credentials", is_there(world, &format!("/acme/{name}/credentials"))),
            ]
        },
        again: &[409],
    },
    Act {
        name: "leaving-application",
        before: |world, name| make(world, (ACTS[1].ask)(name)),
        ask: |name| {
            let target = format!("/management/orgs/acme/apps/{name}");
            ("DELETE", format!("{target}?confirm_application_identifier={name}"), String::new())
        },
        by_admin: true,
        facts: |world, name| no_longer((ACTS[1].facts)(world, name)),
        again: &[404],
    },
    Act {
        name: "user",
        before: |_, _| (),
        ask: user,
        by_admin: true,
        facts: user_facts,
        again: &[400],
    },
    Act {
        name: "leaving-user",
        before: |world, name| make(world, user(name)),
        ask: |name| ("DELETE", format!("/acme/shop/users/{name}"), String::new()),
        by_admin: true,
        facts: |world, name| no_longer(user_facts(world, name)),
        again: &[404],
    },
    Act {
        name: "another-address",
        before: |world, name| make(world, user(name)),
        ask: |name| {
            let body = json!({ "email": format!("{name}@y.example") });
            ("PUT", format!("/acme/shop/users/{name}"), body.to_string())
        },
        by_admin: true,
        facts: |world, name| {
            let by = |at: &str| is_there(world, &format!("/acme/shop/users/{name}@{at}.example"));
            vec![("by the new one", by("y")), ("not by the old one", !by("x"))]
        },
        again: &[200],
    },
    Act {
        name: "member",
        before: |world, name| {
            make(world, user(name));
            make(world, group(name));
        },
        ask: |name| ("POST", format!("/acme/shop/groups/{name}/users/{name}"), String::new()),
        by_admin: true,
        facts: |world, name| {
            let holds = |target: String| {
                let said = world.json(&world.olga, "GET", &target, "");
                said["entities"].as_array().is_some_and(|all| !all.is_empty())
            };
            vec![
                ("the group's", holds(format!("/acme/shop/groups/{name}/users"))),
                ("the user's", holds(format!("/acme/shop/users/{name}/groups"))),
            ]
        },
        again: &[200],
    },
    Act {
        name: "leaving-group",
        before: |world, name| {
            (ACTS[6].before)(world, name);
            make(world, (ACTS[6].ask)(name));
        },
        ask: |name| ("DELETE", format!("/acme/shop/groups/{name}"), String::new()),
        by_admin: true,
        facts: |world, name| {
            let said =
                world.json(&world.olga, "GET", &format!("/acme/shop/users/{name}/groups"), "");
            vec![
                ("gone", !is_there(world, &format!("/acme/shop/groups/{name}"))),
                ("its user is free", said["entities"].as_array().is_some_and(Vec::is_empty)),
            ]
        },
        again: &[404],
    },
    Act {
        name: "admin",
        before: |_, _| (),
        ask: |name| {
            let body = json!({ "username": name, "password": SECRET,
                "email": format!("{name}@x.example") });
            ("POST", "/management/orgs/acme/users".to_owned(), body.to_string())
        },
        by_admin: true,
        facts: |world, name| {
            let all =
                world.call(&world.olga, "GET", "/management/orgs/acme/users", "").text().to_owned();
            let login = world.call("", "POST", "/management/token", &grant(name, SECRET));
            let token = login.json()["access_token"].as_str().map(str::to_owned);
            let reads = token.is_some_and(|token| {
                world.call(&token, "GET", "/acme/shop/users", "").status == 200
            });
            vec![("listed", all.contains(name)), ("logs in", login.status == 200), ("reads", reads)]
        },
        again: &[200, 400],
    },
];

/// Does it, the gateway being killed after so many writes; whether it was.
fn is_torn(world: &mut World, dam: &Dam, act: &Act, writes: usize) -> bool {
    let name = format!("{}{writes}", act.name);
    (act.before)(world, &name);
    let not_yet = (act.facts)(world, &name);
    assert!(not_yet.iter().all(|(_, is)| !is), "{name} before: {not_yet:?}");
    let (method, target, body) = (act.ask)(&name);
    let who = if act.by_admin { world.olga.clone() } else { String::new() };
    let (answered, mut client) = (Mutex::new(None), world.gate.connect());
    dam.let_through(writes);
    let torn = thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let fields =
                if who.is_empty() { String::new() } else { crate::harness::client::bearer(&who) };
            let bytes = crate::harness::client::request(method, &target, &fields, &body);
            client.try_send(bytes);
            *answered.lock().unwrap() = client.try_answer(false);
        });
        let held = until("a write that is held, or an answer", || {
            if dam.holds() { Some(true) } else { asking.is_finished().then_some(false) }
        });
        if held {
            world.gate.kill();
        }
        held
    });
    dam.open();
    if torn {
        world.gate.start_again();
    } else {
        let answer = answered.into_inner().unwrap().unwrap();
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    }
    let found = (act.facts)(world, &name);
    let whole = found.iter().all(|(_, is)| *is);
    assert!(whole || torn && found.iter().all(|(_, is)| !is), "{name}: {found:?}");
    let again = call(&mut world.gate.connect(), &who, method, &target, &body);
    let expected: &[u16] = if whole { act.again } else { &[200] };
    assert!(expected.contains(&again.status), "{name} again, {found:?}: {}", again.text());
    let found = (act.facts)(world, &name);
    assert!(found.iter().all(|(_, is)| *is), "{name} at last: {found:?}");
    torn
}

#[test]
fn a_gateway_that_is_killed_between_two_writes_leaves_nothing_or_the_whole() {
    let redis = Redis::start();
    let dam = Dam::before(&redis.address());
    let mut world = World::over(&dam.url(), OPEN, "");
    for act in &ACTS {
        let whole = (0..WRITES_MAX).find(|writes| !is_torn(&mut world, &dam, act, *writes));
        assert!(whole.is_some_and(|writes| writes > 0), "{}: {whole:?} writes", act.name);
    }
}
