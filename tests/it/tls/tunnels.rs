//! WebSockets through TLS on both sides of the gateway.

use std::sync::Arc;

use super::TLS;
use crate::harness::{
    client::Client,
    gateway::Setup,
    pki::{Authority, shake},
    tls::{self, Front},
    until,
    websocket::{closing, echo, frame, lives, open},
};

#[test]
fn a_websocket_passes_through_tls_on_both_sides_and_is_judged_again() {
    let (backend, authority) = (echo(), Authority::new("our authority"));
    let theirs = tls::Authority::new();
    let front = Front::before(backend.address(), theirs.vouch("127.0.0.1").server(None));
    let setup = Setup::new("app")
        .key("listen", r#"{ at = "127.0.0.1:0", tls = true }"#)
        .tables(TLS)
        .tables(&format!(
            "[rules]\n\"GET /**\" = {{ who = \"guest\", upgrade = \"websocket\" }}\n\
             [backends.app]\nurl = \"{}\"\ntls = {{ ca = \"ca.pem\" }}\n",
            front.url()
        ));
    authority.vouch(&["shop.example"]).write(setup.folder(), "shop");
    authority.vouch(&["other.example"]).write(setup.folder(), "other");
    std::fs::write(setup.folder().join("ca.pem"), &theirs.pem).unwrap();
    let text = setup.text();
    let gate = setup.start();
    let config = Arc::new(authority.client().config());
    let connect = || Client::connect_tls(shake(gate.address, &config, "shop.example").unwrap());
    let mut client = open(connect(), "/chat", "");
    lives(&mut client);
    // More than one record, and more than any buffer of a direction.
    let large = frame(0x82, &vec![b'x'; 100_000]);
    client.send(&large);
    assert!(client.bytes(large.len()).unwrap() == large);
    gate.rewrite(&text.replace("who = \"guest\"", "who = \"role:x\""));
    assert_eq!(closing(&client.rest()).0, 1008);
    let line = until("the access line", || gate.out.json().pop());
    assert_eq!((&line["ended"], &line["status"]), (&"gateway".into(), &101.into()));
}
