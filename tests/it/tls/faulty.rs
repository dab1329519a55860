//! Files that are not what they should be: no start, a reason at its place, and nothing of a key.

use std::time::Duration;

use super::{Stage, TLS};
use crate::harness::{Rows, gateway::refused, pki::Authority, until};

/// What is said of a faulty file, with everything else as it should be.
fn said(file: &str, content: Option<&str>) -> String {
    let stage = Stage::with("client-ca = \"clients.pem\"");
    let folder = stage.setup.folder();
    std::fs::write(folder.join("clients.pem"), Authority::new("clients").pem()).unwrap();
    let secret = std::fs::read_to_string(folder.join("shop.key")).unwrap();
    match content {
        Some(content) => std::fs::write(folder.join(file), content).unwrap(),
        None => std::fs::remove_file(folder.join(file)).unwrap(),
    }
    let config = folder.join("tollgate.toml");
    std::fs::write(&config, stage.setup.text()).unwrap();
    let (code, said) = refused(&config);
    assert_eq!(code, 78, "{said}");
    for line in secret.lines().filter(|line| !line.starts_with('-')) {
        assert!(!said.contains(line), "{said}");
    }
    said.lines().next().unwrap().to_owned()
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_faulty_file_is_no_start_and_is_named() {
    let mut rows = Rows::default();
    let pair = Authority::new("a").vouch(&["shop.example"]);
    let torn = &pair.certificate[..200];
    for (file, content, expected) in [
        ("shop.pem",    None,                    "cannot read `shop.pem`: there is no such file"),
        ("shop.pem",    Some(""),                "`shop.pem` holds no certificate that can be read"),
        ("shop.pem",    Some(torn),              "`shop.pem` holds no certificate that can be read"),
        ("shop.pem",    Some(&*pair.key),        "`shop.pem` holds no certificate that can be read"),
        ("shop.key",    None,                    "cannot read `shop.key`: there is no such file"),
        ("shop.key",    Some(""),                "`shop.key` holds no private key that can be read"),
        ("shop.key",    Some(&*pair.certificate),"`shop.key` holds no private key that can be read"),
        ("shop.key",    Some(&*pair.key),        "`shop.key` is not the key of this certificate"),
        ("clients.pem", None,                    "cannot read `clients.pem`: there is no such file"),
        ("clients.pem", Some(""),                "`clients.pem` holds no certificate that can be read"),
        ("clients.pem", Some(&*pair.key),        "`clients.pem` holds no certificate that can be read"),
    ] {
        rows.check(file, &said(file, content), &format!("error: {expected}"));
    }
}

#[test]
fn an_expired_certificate_is_a_warning() {
    let stage = Stage::new();
    let past = Some(Duration::from_secs(1_700_000_000));
    stage.authority.vouch_until(&["shop.example"], past).write(stage.setup.folder(), "shop");
    let run = stage.start();
    let warning = until("the warning", || {
        let warnings = run.gate.err.events("warning");
        warnings.iter().find_map(|warning| Some(warning["is"].as_str()?.to_owned()))
    });
    assert!(warning.contains("`shop.pem` expired at 2023-11-14"), "{warning}");
}

#[test]
fn a_tls_section_that_nobody_uses_is_a_warning_too() {
    let stage = Stage::new();
    let setup = stage.setup.key("listen", "\"127.0.0.1:0\"");
    assert!(setup.text().contains(TLS));
    let run = Stage { setup, ..stage }.start();
    until("the warning", || {
        let warnings = run.gate.err.events("warning");
        warnings.iter().find(|warning| warning["is"].as_str().unwrap().contains("no listener"))?;
        Some(())
    });
}
