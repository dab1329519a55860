//! The files in `config/`: a new user copies the examples first, and looks everything up in the reference.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use tempfile::TempDir;

use super::{now, variables};
use crate::config::{Config, Report, check, context::Context, load::parse};

const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";

/// Loads a shipped file with secrets where it looks for them, in a folder that stands in for `/run/secrets`.
fn load(name: &str) -> Result<Config, Report> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("tollgate")).unwrap();
    fs::write(folder.path().join("tollgate/key"), SECRET).unwrap();
    fs::write(folder.path().join("tollgate/redis-password"), "p@ss").unwrap();
    fs::write(folder.path().join("key"), SECRET).unwrap();
    let text = fs::read_to_string(Path::new("config").join(name)).unwrap();
    let secrets = folder.path().display();
    let text = text
        .replace("${file:/run/secrets/tollgate/", &format!("${{file:{secrets}/tollgate/"))
        .replace("${file:/run/secrets/tollgate}", &format!("${{file:{secrets}/key}}"));
    let variables = |name: &str| (name == "TOLLGATE_SECRET").then(|| SECRET.to_owned());
    let path = Path::new("config").join(name);
    parse(&Context::new(&path, &variables, now()), &path, text)
}

#[track_caller]
fn good(name: &str) -> Config {
    load(name).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn every_shipped_file_loads_and_its_expectations_hold() {
    for entry in fs::read_dir("config").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let config = good(&name);
        assert!(!config.backends.is_empty());
        assert!(name == "reference.toml" || config.expectations >= 4, "{name} shows [expect]");
    }
}

#[test]
fn the_smallest_file_is_small() {
    let text = fs::read_to_string("config/tollgate.toml").unwrap();
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    assert!(lines.count() <= 12);
}

#[test]
fn the_example_for_foreign_tokens_needs_no_secret() {
    let config = good("existing-tokens-in-redis.toml");
    assert!(config.secrets.is_empty());
    assert!(config.tokens.foreign.is_some());
}

/// A reader trusts the reference: what it shows at its default is the default.
#[test]
fn the_reference_says_the_defaults() {
    let reference = good("reference.toml");
    let text = format!("backend = \"http://127.0.0.1:9000\"\nsecret = \"{SECRET}\"\n");
    let path = Path::new("config/reference.toml");
    let defaults = parse(&Context::new(path, &variables, now()), path, text).unwrap();
    assert_eq!(reference.listen, defaults.listen);
    assert_eq!(reference.health, defaults.health);
    assert_eq!(reference.admin, defaults.admin);
    assert_eq!(reference.workers, defaults.workers);
    assert_eq!(reference.backends, defaults.backends);
    assert_eq!(reference.store, defaults.store);
    assert_eq!(reference.identity, defaults.identity);
    assert_eq!(reference.tokens, defaults.tokens);
    assert_eq!(reference.paths, defaults.paths);
    assert_eq!(reference.trust, defaults.trust);
    assert_eq!(reference.cors, defaults.cors);
    assert_eq!(reference.limits, defaults.limits);
    assert_eq!(reference.log, defaults.log);
    assert_eq!(reference.ready_requires_store, defaults.ready_requires_store);
    assert_eq!(reference.rules.rules().len(), 0);
    assert_eq!(reference.warnings, defaults.warnings);
}

/// What a commented-out line shows of a default holds too.
#[test]
fn the_commented_tables_of_the_reference_say_the_defaults() {
    let all = everything();
    let path = Path::new("config/reference.toml");
    let config = parse(&Context::new(path, &variables, now()), path, all).unwrap();
    let [default, reports] = config.backends.as_slice() else { panic!("two backends") };
    assert_eq!(
        (default.host, default.connect_timeout, default.first_byte_timeout, default.idle_timeout),
        (reports.host, reports.connect_timeout, reports.first_byte_timeout, reports.idle_timeout)
    );
    assert_eq!((default.pool_max, default.pool_idle), (reports.pool_max, reports.pool_idle));
    assert_eq!(default.http, reports.http);
    let short = super::read("[cors]\norigins = \"*\"\n").unwrap().cors.unwrap();
    let cors = config.cors.unwrap();
    assert_eq!((cors.credentials, cors.max_age), (short.credentials, short.max_age));
}

#[test]
fn the_reference_says_the_defaults_of_tenants() {
    let path = Path::new("config/reference.toml");
    let mut shown = parse(&Context::new(path, &variables, now()), path, tenants()).unwrap();
    let short = super::read("[usergrid]\n").unwrap();
    assert!(shown.usergrid.as_mut().unwrap().bootstrap.take().is_some());
    assert_eq!(shown.usergrid, short.usergrid);
    assert_eq!(super::read("").unwrap().usergrid, None);
}

#[test]
fn the_reference_has_every_key_that_the_reader_knows_and_no_other() {
    let text = everything();
    let path = Path::new("config/reference.toml");
    let cx = Context::new(path, &variables, now());
    parse(&cx, path, text.clone()).unwrap_or_else(|report| panic!("{report}"));
    parse(&cx, path, tenants()).unwrap_or_else(|report| panic!("{report}"));
    let known: BTreeSet<String> = cx.known.borrow().iter().map(|path| schema(path)).collect();
    let mut written = BTreeSet::new();
    collect("", &text.parse().unwrap(), &mut written);
    collect("", &tenants().parse().unwrap(), &mut written);
    let missing: Vec<_> = known.difference(&written).collect();
    let strange: Vec<_> = written.difference(&known).collect();
    assert!(missing.is_empty() && strange.is_empty(), "missing {missing:?}, strange {strange:?}");
}

/// The reference, and the part of it about tenants, which excludes tokens of another service.
fn reference() -> (String, String) {
    let text = fs::read_to_string("config/reference.toml").unwrap();
    let (all, tenants) = text.split_once("# [usergrid]").unwrap();
    (all.to_owned(), format!("# [usergrid]{tenants}"))
}

/// What every file needs, and `[usergrid]` as the reference shows it.
fn tenants() -> String {
    let needed = "backend = \"http://127.0.0.1:9000\"\nsecret = \"${SECRET}\"\n";
    let text = uncommented(&reference().1);
    needed.to_owned() + &text.replace("${file:/run/secrets/admin-password}", "${SECRET}")
}

/// The reference with every `# key = value` and `# [table]` in force, but for tenants.
fn everything() -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let certificate = format!("{root}/tests/golden/config/store-ca-without-tls.d/ca.pem");
    let expectation = "\"GET /reports/2026\" = \"allow\"";
    let text = uncommented(&reference().0)
        .replace("/etc/ssl/certs/ca-certificates.crt", &certificate)
        .replace("/etc/tollgate/", &format!("{}/", identity().display()))
        .replace("${file:/run/secrets/tollgate}", "${SECRET}")
        .replace("site.pem", &pki("site.pem"))
        .replace("site.key", &pki("site.key"))
        .replace("clients.pem", &pki("site.pem"));
    assert!(text.contains(expectation));
    text
}

/// A folder with the files that `tls` of the reference names.
fn identity() -> PathBuf {
    static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        for name in ["ca.pem", "us.pem"] {
            fs::write(folder.path().join(name), certificate.pem()).unwrap();
        }
        fs::write(folder.path().join("us.key"), key.serialize_pem()).unwrap();
        folder
    });
    FOLDER.path().to_owned()
}

/// A file of a certificate that nobody else has.
fn pki(name: &str) -> String {
    static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
        let folder = TempDir::new().unwrap();
        let made = rcgen::generate_simple_self_signed(["site.example".to_owned()]).unwrap();
        fs::write(folder.path().join("site.pem"), made.cert.pem()).unwrap();
        fs::write(folder.path().join("site.key"), made.signing_key.serialize_pem()).unwrap();
        folder
    });
    FOLDER.path().join(name).display().to_string()
}

/// `text` with every `# key = value` and `# [table]` in force. Where a key stands there in two forms,
/// the commented one counts.
fn uncommented(text: &str) -> String {
    let commented = |line: &str| {
        let rest = line.strip_prefix("# ")?.to_owned();
        let bare = |c: char| c.is_ascii_lowercase() || c == '-' || c == '.';
        let key = rest.split(" = ").next().filter(|key| *key != rest)?;
        let is_key = key.starts_with('"') || key.chars().all(bare);
        is_key.then_some(rest)
    };
    let table = |line: &str| {
        let rest = line.strip_prefix("# ")?;
        (rest.starts_with('[') && rest.ends_with(']')).then(|| rest.to_owned())
    };
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let line = match commented(line).or_else(|| table(line)) {
            Some(line) => {
                let key = line.split(" = ").next().unwrap_or_default();
                let twice = matches!(key, "listen" | "store");
                lines.retain(|other| !twice || !other.starts_with(&format!("{key} = ")));
                line
            }
            None => line.to_owned(),
        };
        lines.push(line);
    }
    lines.join("\n")
}

/// A key's path with `*` for names that are the operator's.
fn schema(path: &str) -> String {
    if let Some(rest) = path.strip_prefix("rules.\"") {
        let key = rest.rsplit("\".").next().unwrap_or_default();
        return format!("rules.*.{key}");
    }
    path.replace("backends.reports.", "backends.*.")
}

fn collect(path: &str, table: &toml::Table, written: &mut BTreeSet<String>) {
    let named = matches!(path, "rules" | "expect" | "identity" | "backends");
    for (key, value) in table {
        let key = if named { "*" } else { key.as_str() };
        let full = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        if !named {
            written.insert(full.clone());
        }
        let tables = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for table in tables.iter().filter_map(toml::Value::as_table) {
            collect(&full, table, written);
        }
    }
}

#[test]
fn a_good_file_is_described_as_agreed() {
    let golden = "tests/golden/config/check.d/legacy-api.txt";
    let text = check::render(&good("legacy-api.toml"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all("tests/golden/config/check.d").unwrap();
        fs::write(golden, &text).unwrap();
    }
    let expected = fs::read_to_string(golden).unwrap_or_default();
    assert_eq!(text, expected, "UPDATE_GOLDEN=1 writes it anew");
}

#[test]
fn a_script_learns_the_same_of_a_good_file() {
    let json = check::to_json(&good("legacy-api.toml"));
    assert_eq!(json["public"], serde_json::json!(["GET /images/**"]));
    assert_eq!(json["guest"], serde_json::json!(["GET /catalog/**"]));
    assert_eq!(json["expectations"], 11);
    assert_eq!(json["rules"].as_array().unwrap().len(), 9);
}
