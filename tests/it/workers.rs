//! Every worker has its share, however few connections there are.

use super::harness::{
    backend::Backend,
    client::{Client, get},
    gateway::{Gateway, Setup},
    until,
};

const RULES: &str = "[rules]\n\"GET /status\" = \"public\"";

fn open(gate: &Gateway) -> Vec<f64> {
    let series = |worker| format!("tollgate_worker_connections{{worker=\"{worker}\"}}");
    (0..).map_while(|worker| gate.try_metric(&series(worker))).collect()
}

fn become_open(gate: &Gateway, expected: &[f64]) {
    until(&format!("{expected:?} open connections"), || (open(gate) == expected).then_some(()));
}

fn connect(gate: &Gateway, count: usize) -> Vec<Client> {
    let mut clients: Vec<Client> = (0..count).map(|_| gate.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.ask(get("/status", "")).verdict(), "200");
    }
    clients
}

#[test]
fn four_long_lived_connections_use_both_of_two_workers() {
    let backend = Backend::plain();
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    for _ in 0..5 {
        let clients = connect(&gate, 4);
        become_open(&gate, &[2.0, 2.0]);
        drop(clients);
        become_open(&gate, &[0.0, 0.0]);
    }
}

#[test]
fn a_connection_goes_to_the_worker_with_the_fewest_wherever_it_was_accepted() {
    let backend = Backend::plain();
    let gate = Setup::new(&backend.url()).key("workers", "3").tables(RULES).start();
    let mut kept = Vec::new();
    for round in 1_u8..=4 {
        kept.extend(connect(&gate, 3));
        become_open(&gate, &[f64::from(round); 3]);
    }
    kept.truncate(6);
    kept.extend(connect(&gate, 3));
    until("the gap to be filled", || {
        let open = open(&gate);
        (open.iter().sum::<f64>() == 9.0 && open.iter().all(|open| *open <= 4.0)).then_some(())
    });
    for client in &mut kept {
        assert_eq!(client.ask(get("/status", "")).verdict(), "200");
    }
}

#[test]
fn connections_of_a_shared_unix_socket_are_spread_too() {
    let backend = Backend::plain();
    let setup = Setup::new(&backend.url()).tables(RULES);
    let socket = setup.folder().join("gate.sock");
    let gate = setup.key("listen", &format!("\"unix:{}\"", socket.display())).start();
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect_unix(&socket)).collect();
    for client in &mut clients {
        assert_eq!(client.ask(get("/status", "")).verdict(), "200");
    }
    become_open(&gate, &[2.0, 2.0]);
}
