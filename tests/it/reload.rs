//! A configuration takes over while requests run, or changes nothing.

use std::{
    net::SocketAddr,
    os::unix::fs::symlink,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use rustix::process::Signal;

use super::harness::{
    backend::{Backend, Latch, Step, ok},
    client::{Client, bearer, get},
    gateway::{Gateway, Setup},
    http2::Http2,
    redis::Redis,
    until,
};

const OLD: &str = "[rules]\n\"GET /old\" = \"public\"\n\"GET /always\" = \"public\"";
const NEW: &str = "[rules]\n\"GET /new\" = \"public\"\n\"GET /always\" = \"public\"";

/// A gateway that runs [`OLD`], and the text of its file with [`NEW`] instead.
fn gateway(backend: &Backend) -> (Gateway, String) {
    let setup = Setup::new(&backend.url()).tables(OLD);
    let new = setup.text().replace(OLD, NEW);
    (setup.start(), new)
}

fn serves(gate: &Gateway, target: &str) -> bool {
    gate.ask(get(target, "")).status == 200
}

fn takes_over(gate: &Gateway) {
    until("the new rules", || serves(gate, "/new").then_some(()));
    assert!(!serves(gate, "/old"));
}

fn reloads(gate: &Gateway, result: &str) -> f64 {
    gate.metric(&format!("tollgate_reloads_total{{result=\"{result}\"}}"))
}

#[test]
fn sighup_reads_the_file_again_even_when_nothing_seems_changed() {
    let backend = Backend::plain();
    let (gate, _) = gateway(&backend);
    gate.signal(Signal::HUP);
    until("the reload", || (reloads(&gate, "ok") == 1.0).then_some(()));
    assert!(serves(&gate, "/old"));
}

#[test]
fn a_changed_file_takes_over_by_itself_written_in_place_or_renamed() {
    let backend = Backend::plain();
    let (gate, new) = gateway(&backend);
    let old = std::fs::read_to_string(&gate.config).unwrap();
    gate.rewrite(&new);
    takes_over(&gate);
    std::fs::write(&gate.config, old).unwrap();
    until("the old rules", || serves(&gate, "/old").then_some(()));
}

#[test]
fn a_mounted_configmap_takes_over_when_its_link_is_swapped() {
    let backend = Backend::plain();
    let setup = Setup::new(&backend.url()).tables(OLD);
    let new = setup.text().replace(OLD, NEW);
    let mount = setup.folder().join("mount");
    for (folder, target) in [("..data_1", None), ("..data_2", Some(&new)), ("..data_3", Some(&new))]
    {
        std::fs::create_dir_all(mount.join(folder)).unwrap();
        if let Some(text) = target {
            std::fs::write(mount.join(folder).join("tollgate.toml"), text).unwrap();
        }
    }
    symlink("..data_1", mount.join("..data")).unwrap();
    symlink("..data/tollgate.toml", mount.join("tollgate.toml")).unwrap();
    let gate = setup.start_from(mount.join("tollgate.toml"));
    let swap = |to: &str| {
        symlink(to, mount.join("..data_tmp")).unwrap();
        std::fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    assert!(serves(&gate, "/old"));
    swap("..data_2");
    takes_over(&gate);
    // The link leads elsewhere now; the next swap must be seen all the same.
    let third = new.replace("/new", "/third");
    std::fs::write(mount.join("..data_3/tollgate.toml"), third).unwrap();
    swap("..data_3");
    until("the third rules", || serves(&gate, "/third").then_some(()));
}

#[test]
fn a_faulty_file_changes_nothing_and_is_logged_and_counted() {
    let backend = Backend::plain();
    let (gate, new) = gateway(&backend);
    let before = gate.metric("tollgate_config_loaded_timestamp_seconds");
    let faulty = [
        (new.replace("[rules]", "[rules"), "tollgate.toml"),
        (new.replace("\"public\"", "\"pubic\""), "`pubic`"),
        (format!("{new}\n[expect]\n\"GET /new\" = \"403\"\n"), "expectation"),
        (new.replace("workers = 2", "workers = 3"), "`workers`"),
        (new.replace("health = \"127.0.0.1:0\"", "health = \"off\""), "`health`"),
        (new.replace("secret = ", "secret = \"${NOT_SET_ANYWHERE}\" #"), "NOT_SET_ANYWHERE"),
    ];
    let refused = "reload refused; the old configuration stays in force";
    for (before, (text, says)) in faulty.into_iter().enumerate() {
        gate.rewrite(&text);
        let events = until("the refusal", || {
            Some(gate.err.events(refused)).filter(|events| events.len() > before)
        });
        let error = events.last().unwrap()["error"].as_str().unwrap();
        assert!(error.contains(says), "{says}: {error}");
        assert!(serves(&gate, "/old") && !serves(&gate, "/new"), "{says}");
    }
    std::fs::remove_file(&gate.config).unwrap();
    until("the missing file", || (reloads(&gate, "refused") >= 7.0).then_some(()));
    assert_eq!(
        (reloads(&gate, "ok"), gate.metric("tollgate_config_loaded_timestamp_seconds")),
        (0.0, before)
    );
    gate.rewrite(&new);
    takes_over(&gate);
}

#[test]
fn a_listener_moves_without_a_moment_in_which_nobody_listens() {
    let backend = Backend::plain();
    let setup = Setup::new(&backend.url()).tables(OLD);
    let text = setup.text();
    let gate = setup.start();
    let mut kept = gate.connect();
    assert_eq!(kept.ask(get("/old", "")).verdict(), "200");
    let other = SocketAddr::from(([127, 0, 0, 2], gate.address.port()));
    assert!(std::net::TcpStream::connect(other).is_err());
    gate.rewrite(&text.replace("\"127.0.0.1:0\"", &format!("{:?}", other.to_string())).replacen(
        &format!("health = {:?}", other.to_string()),
        "health = \"127.0.0.1:0\"",
        1,
    ));
    until("the old address to close", || {
        let old = std::net::TcpStream::connect(gate.address).is_ok();
        let new = std::net::TcpStream::connect(other).is_ok();
        assert!(old || new, "nobody listened");
        (!old).then_some(())
    });
    assert_eq!(Client::connect(other).ask(get("/old", "")).verdict(), "200");
    assert_eq!(kept.ask(get("/old", "")).verdict(), "200", "its connections live on");
}

#[test]
fn a_request_ends_under_the_configuration_it_began_with() {
    let latch = Latch::default();
    let held = latch.clone();
    let backend = Backend::scripted(move |head| match head.word(1) {
        "/old" => vec![Step::Body, Step::Wait(held.clone()), Step::Write(ok("held"))],
        _ => vec![Step::Body, Step::Write(ok("hello"))],
    });
    let other = Backend::plain();
    let (gate, new) = gateway(&backend);
    let mut client = gate.connect();
    client.send(get("/old", ""));
    backend.wait("the held request", |_| true);
    gate.rewrite(&new.replace(&backend.url(), &other.url()));
    until("the new rules", || serves(&gate, "/new").then_some(()));
    latch.open();
    assert_eq!(client.answer().text(), "held");
    assert_eq!(client.ask(get("/new", "")).text(), "hello");
    assert_eq!(other.last().line(), "GET /new", "its next request goes to the new backend");
}

#[test]
fn a_new_store_or_secret_forgets_who_was_known() {
    let backend = Backend::plain();
    let (one, two) = (Redis::start(), Redis::start());
    let token = one.issue("ann");
    let rules = "[rules]\n\"GET /orders\" = \"authenticated\"\n[tokens]\n\
        near-cache = { ttl = \"60s\", ttl-without-push = \"60s\" }";
    let setup = Setup::new(&backend.url()).key("store", &format!("{:?}", one.url())).tables(rules);
    let text = setup.text();
    let gate = setup.start();
    let verdict = || gate.ask(get("/orders", &bearer(&token.text))).verdict();
    assert_eq!(verdict(), "200");
    gate.rewrite(&text.replace(&one.url(), &two.url()));
    until("the other store", || (verdict() == "401 token_unknown").then_some(()));
    gate.rewrite(&text);
    until("the first store", || (verdict() == "200").then_some(()));
    gate.rewrite(&text.replace("secret = \"it-", "secret = \"another-"));
    until("the other secret", || (verdict() == "401 token_forged").then_some(()));
}

/// What each client does until told to stop; every answer must be there, on the same connection.
fn load(address: SocketAddr, stop: &AtomicBool, answered: &AtomicUsize, http2: bool) {
    let mut one = Client::connect(address);
    let mut two = http2.then(|| Http2::connect(address));
    while !stop.load(SeqCst) {
        match &mut two {
            Some(two) => assert_eq!(two.get("/always", &[]).text(), "hello"),
            None => {
                let answer = one.ask(get("/always", ""));
                assert_eq!((answer.text(), answer.field("connection")), ("hello", None));
            }
        }
        answered.fetch_add(1, SeqCst);
    }
}

#[test]
fn ten_thousand_requests_across_twenty_reloads_lose_nothing_and_keep_their_connections() {
    let backend = Backend::plain();
    let setup = Setup::new(&backend.url()).tables(OLD).tables("[log]\naccess = \"off\"");
    let (old, new) = (setup.text(), setup.text().replace(OLD, NEW));
    let gate = setup.start();
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            let address = gate.address;
            std::thread::spawn(move || load(address, &stop, &answered, number % 4 == 3))
        })
        .collect();
    for reload in 0_u32..20 {
        gate.rewrite(if reload % 2 == 0 { &new } else { &old });
        gate.signal(Signal::HUP);
        until("the reload", || (reloads(&gate, "ok") > f64::from(reload)).then_some(()));
        let share = 500 * (reload as usize + 1);
        until("its share of requests", || (answered.load(SeqCst) >= share).then_some(()));
        assert!(clients.iter().all(|client| !client.is_finished()), "a client has failed");
    }
    stop.store(true, SeqCst);
    for client in clients {
        client.join().unwrap();
    }
    assert!(answered.load(SeqCst) >= 10_000);
}

#[test]
fn a_file_that_appears_in_an_included_folder_takes_over_and_goes_again() {
    let backend = Backend::plain();
    let setup = Setup::new(&backend.url()).key("include", "[\"rules.d/*.toml\"]").tables(OLD);
    let folder = setup.folder().join("rules.d");
    std::fs::create_dir(&folder).unwrap();
    let gate = setup.start();
    assert!(!serves(&gate, "/new"));
    let file = folder.join("more.toml");
    std::fs::write(&file, "[rules]\n\"GET /new\" = \"public\"\n").unwrap();
    until("the new rule", || serves(&gate, "/new").then_some(()));
    std::fs::write(&file, "[rules]\n\"GET /newer\" = \"public\"\n").unwrap();
    until("the newer rule", || serves(&gate, "/newer").then_some(()));
    std::fs::remove_file(&file).unwrap();
    until("the rule to go", || (!serves(&gate, "/newer")).then_some(()));
    assert!(serves(&gate, "/old"));
}
