//! A server that is known by a name: where the name leads, the requests go.

use std::{fs, net::SocketAddr, path::PathBuf};

use super::{
    super::harness::{backend::Latch, library},
    *,
};

const NAME: &str = "shop.test";

/// What the gateway's system says of [`NAME`], as the test would have it.
struct Names {
    file: PathBuf,
    folder: tempfile::TempDir,
}

impl Names {
    fn new(addresses: &[SocketAddr]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = Self { file: folder.path().join("hosts"), folder };
        names.set(addresses);
        names
    }

    /// In one step.
    fn set(&self, addresses: &[SocketAddr]) {
        let new = self.folder.path().join("new");
        let lines = addresses.iter().map(|address| format!("{} {NAME}\n", address.ip()));
        fs::write(&new, lines.collect::<String>()).unwrap();
        fs::rename(new, &self.file).unwrap();
    }
}

/// Two servers on one port of two addresses, and a gateway that knows their name.
fn world(latch: &Latch) -> (Backend, Backend, Names, Gateway) {
    let first = holding(latch, LOCAL, 0);
    let port = first.address().port();
    let second = holding(latch, [127, 0, 0, 2], port);
    let names = Names::new(&[first.address()]);
    let gate = setup(&[format!("http://{NAME}:{port}")], "resolve = \"100ms\"")
        .variable("LD_PRELOAD", library("libnss_wrapper.so"))
        .variable("NSS_WRAPPER_HOSTS", &names.file)
        .start();
    (first, second, names, gate)
}

#[test]
fn requests_follow_a_name_that_leads_elsewhere_and_what_was_begun_is_ended_where_it_was() {
    let latch = Latch::default();
    let (first, second, names, gate) = world(&latch);
    let mut client = gate.connect();
    assert_eq!(client.ask(get("/open/1", "")).verdict(), "200");
    assert_eq!((came(&first, "/open/1"), came(&second, "/open/1")), (1, 0));
    let mut held = gate.connect();
    held.send(get("/open/hold", ""));
    until("the request that takes long", || (came(&first, "/open/hold") == 1).then_some(()));

    names.set(&[second.address()]);
    until("requests at the other address", || {
        assert_eq!(client.ask(get("/open/2", "")).verdict(), "200");
        (came(&second, "/open/2") > 0).then_some(())
    });
    let before = came(&first, "/open/3");
    for _ in 0..10 {
        assert_eq!(client.ask(get("/open/3", "")).verdict(), "200");
    }
    assert_eq!((before, came(&first, "/open/3"), came(&second, "/open/3")), (0, 0, 10));
    latch.open();
    assert_eq!(held.answer().text(), "held");
}

#[test]
fn a_name_with_several_addresses_is_several_servers_and_one_that_leads_nowhere_changes_nothing() {
    let (first, second, names, gate) = world(&Latch::default());
    let mut client = gate.connect();
    names.set(&[first.address(), second.address()]);
    until("both to be used", || {
        assert_eq!(client.ask(get("/open/1", "")).verdict(), "200");
        (came(&first, "/open/1") > 0 && came(&second, "/open/1") > 0).then_some(())
    });
    let port = first.address().port();
    for address in ["127.0.0.1", "127.0.0.2"] {
        assert!(is_up(&gate, &format!("http://{NAME}:{port} at {address}")));
    }
    names.set(&[]);
    for _ in 0..20 {
        assert_eq!(client.ask(get("/open/2", "")).verdict(), "200");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
