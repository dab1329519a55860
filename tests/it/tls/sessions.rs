//! Coming back with a ticket: on any worker, over reloads, and never past the authority that vouched. And
//! what a session costs that nobody uses.

use std::{io::Write as _, sync::Arc};

use rustix::process::Signal;
use rustls::{
    HandshakeKind,
    version::{TLS12, TLS13},
};

use super::{Stage, ask, shake};
use crate::harness::{pki::Authority, until};

#[test]
fn a_client_gets_a_ticket_and_comes_back_with_it_and_never_with_early_data() {
    let run = Stage::new().start();
    for version in [&TLS12, &TLS13] {
        let config = Arc::new(run.client().only(version).config());
        let mut first = run.connect(&config, "shop.example");
        assert_eq!(ask(&mut first, "shop.example").status, 200);
        assert_eq!(first.tls().conn.handshake_kind(), Some(HandshakeKind::Full));
        if version.version == TLS13.version {
            assert!(first.tls().conn.tls13_tickets_received() >= 1);
        }
        // More often than there are workers: all of them read it.
        for _ in 0..8 {
            let mut again = run.connect(&config, "shop.example");
            assert_eq!(ask(&mut again, "shop.example").status, 200);
            assert_eq!(again.tls().conn.handshake_kind(), Some(HandshakeKind::Resumed));
            assert!(!again.tls().conn.is_early_data_accepted());
        }
    }
    assert_eq!(run.handshakes("resumed"), 16.0);
}

#[test]
fn no_ticket_allows_early_data() {
    let run = Stage::new().start();
    let config = Arc::new(run.client().only(&TLS13).config());
    assert_eq!(ask(&mut run.connect(&config, "shop.example"), "shop.example").status, 200);
    let name = "shop.example".try_into().unwrap();
    let mut again = rustls::ClientConnection::new(config, name).unwrap();
    // The client would send some if its ticket said that it may.
    assert!(again.early_data().is_none());
}

/// A session over a first connection, and what a second one makes of it.
fn comes_back(run: &super::Running, config: &Arc<rustls::ClientConfig>) -> Option<HandshakeKind> {
    let mut tls = shake(run.gate.address, config, "shop.example").unwrap();
    tls.write_all(b"GET /x HTTP/1.1\r\nHost: shop.example\r\n\r\n").unwrap();
    let kind = tls.conn.handshake_kind();
    assert_eq!(crate::harness::client::Client::connect_tls(tls).answer().status, 200);
    kind
}

fn reload(run: &super::Running) {
    let before = run.gate.metric("tollgate_reloads_total{result=\"ok\"}");
    run.gate.signal(Signal::HUP);
    until("the reload", || {
        (run.gate.metric("tollgate_reloads_total{result=\"ok\"}") > before).then_some(())
    });
}

#[test]
fn sessions_outlive_a_reload_but_not_a_change_of_who_vouches_for_clients() {
    let stage = Stage::with("client-ca = \"clients.pem\"");
    let file = stage.setup.folder().join("clients.pem");
    let clients = Authority::new("clients");
    std::fs::write(&file, clients.pem()).unwrap();
    let run = stage.start();
    let own = clients.vouch(&["app.example"]);
    let config = Arc::new(run.client().showing(&own).config());
    assert_eq!(comes_back(&run, &config), Some(HandshakeKind::Full));
    reload(&run);
    assert_eq!(comes_back(&run, &config), Some(HandshakeKind::Resumed));
    // The old one vouches still; a ticket that it vouched for alone would say so for ever.
    std::fs::write(&file, clients.pem() + &Authority::new("others").pem()).unwrap();
    reload(&run);
    assert_eq!(comes_back(&run, &config), Some(HandshakeKind::Full));
    std::fs::write(&file, Authority::new("others").pem()).unwrap();
    reload(&run);
    let refused = shake(run.gate.address, &config, "shop.example").map(|mut tls| {
        let _ = tls.write_all(b"GET /x HTTP/1.1\r\nHost: shop.example\r\n\r\n");
        std::io::Read::read(&mut tls, &mut [0; 1])
    });
    assert!(refused.is_err() || refused.is_ok_and(|read| read.is_err()));
    until("the count", || (run.handshakes("client_certificate") == 1.0).then_some(()));
}

/// Three times what was measured: pages of the allocator are shared with whatever else runs.
const IDLE_KIB: usize = 48;

#[test]
fn an_idle_connection_keeps_no_buffers() {
    let run = Stage::new().start();
    let config = Arc::new(run.client().config());
    let open = |count: usize| -> Vec<_> {
        let mut open: Vec<_> = (0..count).map(|_| run.connect(&config, "shop.example")).collect();
        open.iter_mut().for_each(|client| assert_eq!(ask(client, "shop.example").status, 200));
        open
    };
    let few = open(50);
    let before = run.gate.memory_kib();
    let many = open(300);
    let mut least = usize::MAX;
    until("idle connections to give their buffers up", || {
        least = least.min(run.gate.memory_kib().saturating_sub(before) / many.len());
        (least < IDLE_KIB).then_some(())
    });
    drop(few);
}
