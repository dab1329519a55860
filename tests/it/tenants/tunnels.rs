//! WebSockets of a tenant's callers last for as long as the tenant lets them in.

use super::{
    super::harness::{
        client::{Client, bearer},
        http2::Http2,
        until,
        websocket::{closing, echo, lives, open},
    },
    World, setup,
};

const RULES: &str =
    "[rules]\n\"* /{org}/{app}/**\" = { who = \"permissions\", upgrade = \"websocket\" }";

const APPLICATION: &str = "/management/orgs/acme/apps/shop?confirm_application_identifier=shop";

fn world() -> World {
    let backend = echo();
    let gate = setup(&backend.url(), "memory:", "", RULES).start();
    let world = World::begun(backend, gate);
    world.permit("/acme/shop", "default", &[]);
    world.permit("/acme/shop", "talker", &["get:/chat/**"]);
    world
}

/// A tunnel of a new user who may open it by a role.
fn talker(world: &World, name: &str) -> Client {
    let user = world.user("/acme/shop", name);
    let role = format!("/acme/shop/roles/talker/users/{name}");
    world.json(&world.olga, "POST", &role, "");
    let mut client = open(world.gate.connect(), "/acme/shop/chat/1", &bearer(&user.token));
    lives(&mut client);
    client
}

#[test]
fn whom_a_tenant_shuts_out_loses_the_tunnel_and_nobody_else_does() {
    let world = world();
    let mut other = talker(&world, "other");
    for (name, method, target) in [
        ("fred", "DELETE", "/acme/shop/roles/talker/users/fred"),
        ("barney", "POST", "/acme/shop/users/barney/deactivate"),
        ("wilma", "DELETE", "/acme/shop/users/wilma"),
    ] {
        let client = talker(&world, name);
        world.json(&world.olga, method, target, "");
        is_shut_out(&world, client, name);
        lives(&mut other);
    }
    let permission = "/acme/shop/roles/talker/permissions?permission=get:/chat/**";
    world.json(&world.olga, "DELETE", permission, "");
    is_shut_out(&world, other, "a role that permits it no more");
    world.permit("/acme/shop", "talker", &["get:/chat/**"]);
    let last = talker(&world, "dino");
    world.json(&world.olga, "DELETE", APPLICATION, "");
    is_shut_out(&world, last, "an application that is gone");
    until("the backend to hear of each", || {
        let heard = world.backend.received().into_iter().filter(|received| received.gone);
        (heard.count() == 5).then_some(())
    });
}

fn is_shut_out(world: &World, mut client: Client, what: &str) {
    let (code, reason) = closing(&client.rest());
    assert_eq!(code, 1008, "{what}: {reason}");
    let line = until("the access line", || {
        let lines = world.gate.out.json();
        lines.into_iter().find(|line| line["reason"] == reason.as_str())
    });
    assert_eq!((&line["ended"], &line["status"]), (&"gateway".into(), &101.into()), "{what}");
}

/// What the gateway answers itself has nothing to switch to.
#[test]
fn an_extended_connect_to_what_is_ours_is_refused() {
    let world = world();
    let authorization = format!("Bearer {}", world.olga);
    let fields = [("sec-websocket-version", "13"), ("authorization", &*authorization)];
    let mut h2 = Http2::connect(world.gate.address);
    assert_eq!(h2.get("/management/me", &fields[1..]).status, 200);
    for target in ["/management/me", "/acme/shop/users", "/acme/shop"] {
        let answer = h2.extended(target, "websocket", &fields).unwrap();
        assert_eq!(answer.status, 403, "{target}: {}", answer.text());
    }
    assert!(world.backend.received().is_empty());
}
