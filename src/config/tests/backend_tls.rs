//! `tls` of a backend, with real certificates.

use std::{fs, path::Path};

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::{now, variables};
use crate::config::{Config, Report, Server, context::Context, load::parse};

/// A folder with two certificates, each its own root, and their keys.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in ["a", "b"] {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![format!("{name}.example")]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        fs::write(folder.path().join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(folder.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    folder
}

fn read(folder: &Path, settings: &str) -> Result<Config, Report> {
    let text = format!(
        "backend = \"app\"\nsecret = \"${{SECRET}}\"\n[backends.app]\nurl = \"https://App.example\"\n\
         tls = {{ {settings} }}\n"
    );
    let path = folder.join("t.toml");
    parse(&Context::new(&path, &variables, now()), &path, text)
}

fn server(config: &Config) -> &Server {
    &config.backends[0].servers[0]
}

#[test]
fn a_pool_outlives_a_reload_only_while_the_files_hold_the_same() {
    let folder = folder();
    let settings = r#"ca = "a.pem", certificate = "b.pem", key = "b.key""#;
    let first = read(folder.path(), settings).unwrap();
    assert_eq!(server(&first), server(&read(folder.path(), settings).unwrap()));
    for file in ["a.pem", "b.pem", "b.key"] {
        assert!(first.sources.contains(&folder.path().join(file)), "{file} is watched");
    }
    let other_name = format!(r#"{settings}, server-name = "b.example""#);
    assert_ne!(server(&first), server(&read(folder.path(), &other_name).unwrap()));
    let no_identity = read(folder.path(), r#"ca = "a.pem""#).unwrap();
    assert_ne!(server(&first), server(&no_identity));
    fs::copy(folder.path().join("b.pem"), folder.path().join("a.pem")).unwrap();
    assert_ne!(server(&first), server(&read(folder.path(), settings).unwrap()));
}

#[test]
fn nothing_that_can_be_printed_holds_the_key() {
    let folder = folder();
    let settings = r#"ca = "a.pem", certificate = "b.pem", key = "b.key""#;
    let config = read(folder.path(), settings).unwrap();
    let printed = format!("{:?}", config.backends);
    assert!(printed.contains("tls: BackendTls(..)"), "{printed}");
    let key = fs::read_to_string(folder.path().join("b.key")).unwrap();
    let line = key.lines().nth(1).unwrap();
    assert!(!printed.contains(line));
    let wrong = read(folder.path(), &settings.replace("b.pem", "a.pem"));
    assert!(!wrong.err().unwrap().to_string().contains(line));
}

#[test]
fn files_that_do_not_belong_together_do_not_load() {
    let folder = folder();
    fs::write(folder.path().join("empty.pem"), "").unwrap();
    for (settings, says) in [
        (
            r#"ca = "a.pem", certificate = "a.pem", key = "b.key""#,
            "`backends.app.tls.key` does not fit",
        ),
        (r#"ca = "a.pem", certificate = "a.pem", key = "a.pem""#, "holds no private key"),
        (r#"ca = "a.key""#, "`backends.app.tls.ca` holds no certificate"),
        (r#"ca = "empty.pem""#, "`backends.app.tls.ca` holds no certificate"),
    ] {
        let report = read(folder.path(), settings).err().unwrap().to_string();
        assert!(report.contains(says), "{settings}: {report}");
    }
}

#[test]
fn a_server_proves_the_name_in_its_url_unless_another_is_named() {
    let folder = folder();
    let proven = |settings: &str| {
        let config = read(folder.path(), settings).unwrap();
        let Server::Tls { name, port, .. } = server(&config) else { panic!("no TLS") };
        (name.to_str().into_owned(), *port)
    };
    assert_eq!(proven(r#"ca = "a.pem""#), ("app.example".to_owned(), 443));
    let named = proven(r#"ca = "a.pem", server-name = "10.0.0.1""#);
    assert_eq!(named, ("10.0.0.1".to_owned(), 443));
}
