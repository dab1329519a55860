//! A process without free descriptors.

use std::time::Instant;

use rustix::process::Resource;

use super::{
    super::harness::{
        backend::Backend,
        client::{Client, get},
        gateway::Setup,
        until,
    },
    RULES,
};

#[test]
fn without_free_descriptors_open_connections_are_served_and_new_ones_wait() {
    let backend = Backend::plain();
    let gate = Setup::new(&backend.url()).key("workers", "1").tables(RULES).start();
    let mut client = gate.connect();
    let mut ask = || {
        let answer = client.ask(get("/orders/1", &gate.bearer("ann")));
        (answer.status == 200).then_some(())
    };
    until("a pooled connection to the backend", &mut ask);
    gate.limit(Resource::Nofile, Some(gate.descriptors() as u64));
    let (cpu, began) = (gate.cpu_time(), Instant::now());
    let mut waiting: Vec<Client> = (0..20).map(|_| gate.connect()).collect();
    for other in &mut waiting {
        other.send(get("/status", ""));
    }
    until("some tries", || (gate.err.events("accept failed").len() >= 6).then_some(()));
    for _ in 0..20 {
        assert_eq!(ask(), Some(()), "an open connection is served");
    }
    let (cpu, took) = (gate.cpu_time() - cpu, began.elapsed());
    assert!(cpu < took / 2, "{cpu:?} of a processor in {took:?}");
    assert!(gate.err.events("accept failed").len() < 100, "pauses grow");

    gate.limit(Resource::Nofile, None);
    for other in &mut waiting {
        assert_eq!(other.answer().verdict(), "200", "who waited in the kernel is served");
    }
    drop(waiting);
    until("descriptors to be free again", || {
        (gate.descriptors() < gate.descriptors().max(40)).then_some(())
    });
}
