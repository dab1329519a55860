//! Reloads under load: every kind of change, and no connection ends.

use std::net::SocketAddr;

use super::{
    super::harness::{
        backend::Backend,
        client::{Client, get},
        free_port, until,
    },
    RULES,
    load::{Expect, Load},
};

#[test]
fn reloads_of_rules_backends_and_addresses_end_no_connection() {
    let (backend, second) = (Backend::plain(), Backend::plain());
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let other = SocketAddr::from(([127, 0, 0, 2], address.port()));
    let listen = format!("[{:?}]", address.to_string());
    let both = format!("[{:?}, {:?}]", address.to_string(), other.to_string());
    let setup = super::setup(&backend).key("listen", &listen);
    let text = setup.text();
    let gate = setup.start();
    let load = Load::start(address, Expect::Unnoticed);
    let mut reloads = 0;
    let mut reload = |text: &str| {
        reloads += 1;
        gate.rewrite(text);
        until("the reload", || (gate.err.events("reloaded").len() >= reloads).then_some(()));
        load.answers(100);
    };
    let mut kept = Vec::new();
    for round in 0..3 {
        reload(&text.replace(
            RULES,
            &format!("{RULES}\n# {round}").replace("[rules]", "[rules]\n\"POST /**\" = \"guest\""),
        ));
        reload(&text.replace(&backend.url(), &second.url()));
        reload(&text.replace(&listen, &both));
        let mut client = Client::connect(other);
        assert_eq!(client.ask(get("/", "")).text(), "hello");
        kept.push(client);
        reload(&text);
        until("the other address to close", || Client::try_connect(other).is_none().then_some(()));
        for client in &mut kept {
            let answer = client.ask(get("/", ""));
            assert_eq!((answer.text(), answer.field("connection")), ("hello", None));
        }
    }
    load.ends_well();
}
