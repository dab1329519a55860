//! The embedded file: a disk without room, and a file that is damaged or somebody else's.

use std::{fs, path::Path, time::Instant};

use rustix::process::Resource;

use super::{
    super::harness::{
        backend::Backend,
        gateway::{Gateway, Setup, command, refused},
        until,
    },
    HEALED, Load, RULES, check, complaints, issue, revoke, verdict,
};

/// A gateway over a file of its own, and tokens of it: good ones and a revoked one.
fn gateway(backend: &Backend) -> (Gateway, Vec<String>, String) {
    let setup = Setup::new(&backend.url()).key("store", "\"file:own.redb\"");
    let gate = setup.key("admin", r#""unix:admin.sock""#).tables(RULES).start();
    let good: Vec<String> = (0..5).map(|_| until("a token", || issue(&gate, "ann"))).collect();
    let revoked = until("a token", || issue(&gate, "eve"));
    until("its end", || revoke(&gate, &revoked).then_some(()));
    (gate, good, revoked)
}

#[track_caller]
fn check_tokens(gate: &Gateway, good: &[String], revoked: &str) {
    for token in good {
        assert_eq!(verdict(gate, token), "200");
    }
    assert_eq!(verdict(gate, revoked), "401 token_unknown");
}

#[test]
fn on_a_full_disk_tokens_are_read_and_nothing_is_acknowledged_that_is_not_kept() {
    let backend = Backend::plain();
    let (mut gate, good, revoked) = gateway(&backend);
    let load = Load::start(gate.address, &good[0], &revoked, good[1..].to_vec());
    // No file may grow beyond what the database writes first of all.
    gate.limit(Resource::Fsize, Some(4096));
    assert_eq!(issue(&gate, "zoe"), None);
    assert!(!revoke(&gate, &good[4]));
    until("the trouble to be named", || complaints(&gate).contains("takes no more").then_some(()));
    assert_eq!(gate.probe("/readyz").status, 200);
    assert_eq!(gate.metric("tollgate_store_up"), 1.0, "it is read as ever");
    let during = load.look();
    check(
        &during,
        "during",
        &[
            ("hot", &["200"]),
            ("cold", &["200"]),
            ("revoked", &["401 token_unknown"]),
            ("forged", &["401 token_forged"]),
            ("guest", &["200"]),
            ("public", &["200"]),
        ],
    );
    load.end();

    gate.limit(Resource::Fsize, None);
    let mended = Instant::now();
    let more = until("tokens to be issued again", || issue(&gate, "zoe"));
    until("the complaint to go", || complaints(&gate).is_empty().then_some(()));
    assert!(mended.elapsed() < HEALED, "{:?}", mended.elapsed());
    until("its end", || revoke(&gate, &good[4]).then_some(()));
    gate.kill();
    gate.start_again();
    check_tokens(&gate, &good[..4], &revoked);
    check_tokens(&gate, &[more], &good[4]);
}

#[test]
fn a_gateway_that_is_killed_on_a_full_disk_has_lost_nothing_acknowledged() {
    let backend = Backend::plain();
    let (mut gate, good, revoked) = gateway(&backend);
    gate.limit(Resource::Fsize, Some(4096));
    assert_eq!(issue(&gate, "zoe"), None);
    gate.kill();
    gate.start_again();
    check_tokens(&gate, &good, &revoked);
    assert!(issue(&gate, "zoe").is_some());
}

/// The commands go by the same door: the file belongs to the gateway that has it open.
#[test]
fn a_file_that_another_process_holds_is_refused_with_words_that_help() {
    let backend = Backend::plain();
    let (gate, ..) = gateway(&backend);
    let elsewhere = gate.folder().join("second.toml");
    let text = fs::read_to_string(&gate.config).unwrap().replace("admin.sock", "other.sock");
    fs::write(&elsewhere, text).unwrap();
    let (code, said) = refused(&elsewhere);
    assert_ne!(code, 0);
    assert!(said.contains("in use by another process") && said.contains("admin"), "{said}");
    let (code, out) = command(&elsewhere, &["token", "issue", "--subject", "ann"], "");
    assert_ne!(code, 0);
    assert_eq!(out, "");
}

/// Whatever was done to the file: either a start is refused, and says that it is the store, or everything
/// that was acknowledged is there.
#[test]
fn a_damaged_file_is_refused_or_whole_and_never_a_fresh_one() {
    let backend = Backend::plain();
    let (mut gate, good, revoked) = gateway(&backend);
    gate.kill();
    let file = gate.folder().join("own.redb");
    let whole = fs::read(&file).unwrap();
    let middle = whole.len() / 2;
    let mut refusals = 0;
    for (what, bytes) in [
        ("half of it", whole[..middle].to_vec()),
        ("all but its last bytes", whole[..whole.len() - 100].to_vec()),
        ("a page", whole[..4096].to_vec()),
        ("a few bytes", whole[..10].to_vec()),
        ("a tail of zeros", [&whole[..middle], &vec![0; whole.len() - middle]].concat()),
        ("a tail of noise", [&whole[..middle], &vec![0xa5; whole.len() - middle]].concat()),
        ("a head of noise", [&vec![0xa5; 4096][..], &whole[4096..]].concat()),
        (
            "first pages of noise",
            [&whole[..320], &vec![0xa5; 100_000][..], &whole[100_320..]].concat(),
        ),
        ("noise after its end", [&whole[..], &[0xa5; 5000]].concat()),
        ("noise alone", vec![0xa5; whole.len()]),
    ] {
        fs::write(&file, &bytes).unwrap();
        if let Some(said) = refusal(&gate.config) {
            assert!(said.contains("own.redb failed: it "), "{what}: {said}");
            assert_eq!(fs::read(&file).unwrap().len(), bytes.len(), "{what}: it was left alone");
            refusals += 1;
            continue;
        }
        gate.start_again();
        check_tokens(&gate, &good, &revoked);
        gate.kill();
    }
    assert!(refusals > 5, "only {refusals} were noticed");
}

/// What a start says that is refused; `None` when it is not.
fn refusal(config: &Path) -> Option<String> {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["serve", "--config"])
        .arg(config)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let mut said = String::new();
    // It says that it listens, or why not, and ends.
    let refused = loop {
        match lines.next() {
            Some(Ok(line)) if line.contains("\"listening\"") => break None,
            Some(Ok(line)) => said.push_str(&line),
            Some(Err(_)) | None => break Some(said),
        }
    };
    let _ = child.kill();
    let _ = child.wait();
    refused
}
