//! Client libraries that people still have installed, and a standard OAuth 2.0 client, run unchanged.
//!
//! The programs are in `tests/sdk`; each says one line per case. What they need is installed once, into
//! the target directory.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::json;

use super::harness::{
    backend::{Backend, Received, Step, answer},
    client::{bearer, get, request},
    gateway::{Gateway, PASSWORD, SHOP, Setup},
};

const TENANT: &str = r#"
[identity]
X-Auth-Subject = "{principal.id}"
X-Auth-Name    = "{principal.name}"
X-Auth-Kind    = "{principal.kind}"

[usergrid]
registration = "open"
"#;

#[test]
fn the_node_library_runs_unchanged() {
    let folder = folder("node");
    install(&folder, "package-lock.json", |folder| {
        fs::copy(sources("node").join("package.json"), folder.join("package.json")).unwrap();
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder));
    });
    // Beside the packages, where the program looks for them.
    let suite = folder.join("suite.js");
    fs::copy(sources("node").join("suite.js"), &suite).unwrap();
    every_case_holds(Command::new("node").arg("--no-warnings").arg(suite), 67);
}

#[test]
fn the_python_library_runs_unchanged() {
    every_case_holds(&mut python("python"), 40);
}

#[test]
fn a_standard_oauth_client_runs() {
    every_case_holds(&mut python("oauth"), 21);
}

/// Where the programs are.
fn sources(suite: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(suite)
}

/// Where a program's packages are installed.
fn folder(suite: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk").join(suite);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Installs unless this very list of packages is installed already.
fn install(folder: &Path, list: &str, packages: impl Fn(&Path)) {
    let wanted = sources(folder.file_name().and_then(OsStr::to_str).unwrap()).join(list);
    let wanted = fs::read(wanted).unwrap();
    let installed = folder.join("installed");
    if fs::read(&installed).is_ok_and(|known| known == wanted) {
        return;
    }
    fs::write(folder.join(list), &wanted).unwrap();
    packages(folder);
    fs::write(installed, wanted).unwrap();
}

/// The program of a suite in Python, in an environment of its own.
pub(crate) fn python(suite: &str) -> Command {
    let folder = folder(suite);
    install(&folder, "requirements.txt", |folder| {
        run(Command::new("python3").args(["-m", "venv", "--clear", "venv"]).current_dir(folder));
        run(Command::new(folder.join("venv/bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["-r", "requirements.txt"])
            .current_dir(folder));
    });
    let mut program = Command::new(folder.join("venv/bin/python"));
    program.arg("-B").arg(sources(suite).join("suite.py"));
    program
}

/// Runs an installer to its end.
fn run(installer: &mut Command) {
    let output = installer.stdin(Stdio::null()).output().unwrap_or_else(|error| {
        panic!("{installer:?}: {error}; `make packages` installs what is missing")
    });
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{installer:?}: {}", String::from_utf8_lossy(&said));
}

/// Runs a program against a gateway of its own.
fn every_case_holds(program: &mut Command, cases: usize) {
    let backend = Backend::scripted(|_| vec![Step::Body, Step::Reply(tell)]);
    // Not the file that `Setup` fills with tokens of the plain mode.
    let setup = Setup::new(&backend.url()).key("store", r#""file:directory.redb""#);
    let gateway = setup.tables(TENANT).bootstrap(SHOP).start();
    let keys = Keys::ask(&gateway);
    let output = program
        .env("TOLLGATE_URL", format!("http://{}", gateway.address))
        .env("TOLLGATE_ORG", "acme")
        .env("TOLLGATE_APP", "shop")
        .env("TOLLGATE_ADMIN", "olga")
        .env("TOLLGATE_ADMIN_EMAIL", "olga@acme.example")
        .env("TOLLGATE_ADMIN_PASSWORD", PASSWORD)
        .env("TOLLGATE_ORG_CLIENT_ID", &keys.organization.0)
        .env("TOLLGATE_ORG_CLIENT_SECRET", &keys.organization.1)
        .env("TOLLGATE_APP_CLIENT_ID", &keys.application.0)
        .env("TOLLGATE_APP_CLIENT_SECRET", &keys.application.1)
        // Neither a proxy nor somebody's stored passwords are part of the case.
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .env("NETRC", "/dev/null")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let failed: Vec<&str> = said.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert!(failed.is_empty(), "{failed:#?}\n{said}\n{told}");
    assert!(output.status.success(), "{}: {said}\n{told}", output.status);
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), cases, "{said}");
    nothing_secret_came(&backend.received(), &keys);
}

/// Client credentials, as the admin reads them.
struct Keys {
    organization: (String, String),
    application: (String, String),
}

impl Keys {
    fn ask(gateway: &Gateway) -> Self {
        let grant = json!({ "grant_type": "password", "username": "olga", "password": PASSWORD });
        let login = gateway.ask(request("POST", "/management/token", "", &grant.to_string()));
        assert_eq!(login.status, 200, "{}", login.text());
        let token = bearer(login.json()["access_token"].as_str().unwrap());
        let pair = |target: &str| {
            let answer = gateway.ask(get(target, &token));
            assert_eq!(answer.status, 200, "{target}: {}", answer.text());
            let told = &answer.json()["credentials"];
            let word = |name: &str| told[name].as_str().unwrap().to_owned();
            (word("client_id"), word("client_secret"))
        };
        Self {
            organization: pair("/management/orgs/acme/credentials"),
            application: pair("/acme/shop/credentials"),
        }
    }
}

/// The backend's answer: the platform's envelope around one entity, which tells what came in.
fn tell(received: &Received) -> Vec<u8> {
    let (method, target) = received.line().split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let collection = path.split('/').nth(3).unwrap_or_default();
    let mut entity = json!({
        "uuid": "3f0e1d2c-7d2a-11ee-8a11-0123456789ab",
        "type": "order",
        "name": "first",
        "received": format!("{method} {path}"),
        "query": query,
        "body": String::from_utf8_lossy(&received.body),
    });
    for (name, field) in [("subject", "x-auth-subject"), ("kind", "x-auth-kind")] {
        if let Some(value) = received.field(field) {
            entity[name] = value.into();
        }
    }
    let envelope = json!({
        "action": method.to_ascii_lowercase(),
        "path": format!("/{collection}"),
        "entities": [entity],
    });
    answer("200 OK", "Content-Type: application/json\r\n", &envelope.to_string())
}

/// No credential and no refused request came to the backend. The programs' passwords all hold `secret`,
/// and each request that must be refused has a segment `refused`.
fn nothing_secret_came(received: &[Received], keys: &Keys) {
    let (organization, application) = (&keys.organization, &keys.application);
    let words = [
        "/refused",
        "authorization:",
        "access_token",
        "client_",
        "secret",
        "YWMt",
        &*organization.0,
    ];
    let words = [&words[..], &[&organization.1, &application.0, &application.1]].concat();
    for request in received {
        let text = format!("{}\n{}", request.raw_head, String::from_utf8_lossy(&request.raw_body));
        let text = text.to_ascii_lowercase();
        for word in &words {
            assert!(!text.contains(&word.to_ascii_lowercase()), "{word} came: {text}");
        }
    }
    assert!(!received.is_empty());
}
