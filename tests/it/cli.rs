//! The commands as a person or a script runs them: what they print, how they exit, and that what they
//! say to do next can be done.

use std::{
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::harness::{
    backend::Backend,
    client::{bearer, get},
    gateway::{Gateway, Setup},
};

/// A folder to run commands in.
pub(crate) struct Shop {
    pub(crate) folder: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Shop {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    /// A folder with this configuration.
    pub(crate) fn with(config: &str) -> Self {
        let shop = Self::new();
        shop.write("tollgate.toml", config);
        shop
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        run_in(self.folder.path(), args, "")
    }
}

/// Runs `tollgate args` in `folder`, with `input` on its standard input.
pub(crate) fn run_in(folder: &Path, args: &[&str], input: &str) -> Said {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes()); // it may not read
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Every command with its subcommands, as one types them.
fn commands() -> Vec<Vec<String>> {
    fn visit(command: &clap::Command, way: &[String], found: &mut Vec<Vec<String>>) {
        found.push(way.to_vec());
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            visit(sub, &[way, &[sub.get_name().to_owned()]].concat(), found);
        }
    }
    let mut found = Vec::new();
    visit(&tollgate::cli::command(), &[], &mut found);
    found
}

const SHOP: &str = r#"
backend = "http://127.0.0.1:9000"
store = "file:tollgate.redb"
secret = "0123456789abcdef0123456789abcdef"

[rules]
"GET  /status"       = "public"
"GET  /catalog/**"   = "guest"
"*    /orders/**"    = "authenticated"
"POST /orders"       = "role:buyer"
"*    /users/{id}/**" = "self:{id} | role:support & scope:desk"
"*    /old/**"       = "deny"

[expect]
"GET /orders" = "401"
"#;

/// Minted with the secret of [`SHOP`], and never expires: what an explanation says of it is always the same.
pub(crate) fn timeless() -> String {
    use tollgate::{secret::Secret, token::keyring::Keyring};
    let ring = Keyring::new(&[Secret::new("0123456789abcdef0123456789abcdef")]);
    ring.mint(uuid::Uuid::from_u128(7), i64::MAX).unwrap().expose().to_owned()
}

#[test]
fn every_help_begins_with_what_the_command_is_for_and_ends_with_two_examples() {
    for way in commands() {
        let mut args: Vec<&str> = way.iter().map(String::as_str).collect();
        args.push("--help");
        let said = Shop::new().run(&args);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{way:?}");
        let first = said.out.lines().next().unwrap();
        assert!(first.starts_with(char::is_uppercase) && first.contains(' '), "{way:?}: {first}");
        let (_, examples) =
            said.out.split_once("\nExamples:\n").unwrap_or_else(|| panic!("{way:?}"));
        let examples: Vec<&str> =
            examples.lines().take_while(|line| line.starts_with("  ")).collect();
        assert_eq!(examples.len(), 2, "{way:?}: {examples:?}");
        assert!(examples.iter().all(|line| line.contains("tollgate")), "{way:?}: {examples:?}");
    }
}

/// A folder with a tenant to run the directory's examples in.
struct Tenants {
    shop: Shop,
}

impl Tenants {
    /// What the examples speak of.
    fn new() -> Self {
        const MADE: [&str; 9] = [
            "org create acme --owner-username olga --owner-email olga@acme.example",
            "admin create --username pete --email pete@acme.example --org acme",
            "admin create --username rita --email rita@acme.example",
            "app create acme/shop --uuid 42b848fc-5db6-4111-8a11-0123456789ab",
            "app create acme/gone --uuid 7c0ff1b2-0000-11e4-8a11-0123456789ab",
            "app delete acme/gone --confirm gone",
            "role create acme/shop buyer",
            "user create acme/shop nora --email nora@shop.example",
            "org create spare --owner rita",
        ];
        let config = SHOP.split("[rules]").next().unwrap().to_owned() + "[usergrid]\n";
        let shop = Shop::with(&config);
        shop.write("password.txt", "kept-for-one-test\n");
        shop.write("secret.txt", "YXA6kept-for-one-test\n");
        for line in MADE {
            let said = shop.run(&line.split(' ').collect::<Vec<_>>());
            assert_eq!(said.code, 0, "{line}: {said:?}");
        }
        let file = |name| shop.folder.path().join(name);
        std::fs::copy(file("tollgate.redb"), file("before.redb")).unwrap();
        Self { shop }
    }

    /// The folder, as if nothing had happened in it.
    fn again(&self) -> &Path {
        let folder = self.shop.folder.path();
        std::fs::copy(folder.join("before.redb"), folder.join("tollgate.redb")).unwrap();
        folder
    }
}

/// The examples are pasted as they stand, in one folder and one after the other, but for the two that
/// stay: `demo` and `serve`. Those about the directory find the same tenant each.
#[test]
fn the_examples_of_every_help_work_as_pasted() {
    let shop = Shop::new();
    let bin = Path::new(env!("CARGO_BIN_EXE_tollgate")).parent().unwrap().display();
    let home = shop.folder.path().display();
    // As a reader would: first a configuration, then a token, then what needs both.
    shop.write("token.txt", "");
    let plain = format!(
        "export PATH={bin}:$PATH HOME={home}\n\
         mkdir -p ~/.local/share/bash-completion/completions ~/.config/fish/completions\n"
    );
    let run = |line: &str, before: &str, folder: &Path| {
        let script = format!("{before}{line}\n");
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let here = shop.folder.path();
    run("tollgate init --backend http://127.0.0.1:9000", &plain, here);
    run("tollgate token issue --subject ann > token.txt", &plain, here);
    let before = format!("{plain}TOKEN=$(tollgate token issue --subject ann)\n");
    let tenants = Tenants::new();
    for way in commands() {
        let mut args: Vec<&str> = way.iter().map(String::as_str).collect();
        args.push("--help");
        let help = shop.run(&args).out;
        let nouns = ["org", "app", "admin", "user", "role", "client"];
        let directory = nouns.contains(&args[0]);
        let (_, examples) = help.split_once("\nExamples:\n").unwrap();
        for line in examples.lines().take_while(|line| line.starts_with("  ")) {
            if directory {
                run(line.trim(), &plain, tenants.again());
                continue;
            }
            // `init` has been pasted; another one would find its file there.
            let stays = ["demo", "serve", "init --backend http"];
            let shell = line.contains("TOKEN=$(") || line.contains("$TOKEN");
            if stays.iter().any(|word| line.contains(word)) && !shell {
                continue;
            }
            run(line.trim(), &before, here);
            if line.contains("token revoke") && line.contains("--subject") {
                run("tollgate token issue --subject ann > token.txt", &plain, here);
            }
        }
    }
}

#[test]
fn completions_are_made_for_the_common_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let said = Shop::new().run(&["completions", shell]);
        assert_eq!(said.code, 0);
        assert!(said.out.contains("explain") && said.out.len() > 1000, "{shell}: {}", said.out);
    }
}

#[test]
fn exit_codes_tell_what_to_do_about_it() {
    let shop = Shop::with(SHOP);
    shop.write("bad.toml", "backend = 7\n");
    shop.write("memory.toml", &SHOP.replace("file:tollgate.redb", "memory:"));
    shop.write("away.toml", &SHOP.replace("file:tollgate.redb", "redis://127.0.0.1:1/0"));
    #[rustfmt::skip]
    let rows: [(&[&str], i32, &str); 15] = [
        // arguments                                                      code  what it says
        (&["--version"],                                                  0,    "tollgate 0."),
        (&["check", "tollgate.toml"],                                     0,    "tollgate.toml is good: 6 rules"),
        (&[],                                                             64,   "Usage:"),
        (&["chekc"],                                                      64,   "similar subcommand exists: 'check'"),
        (&["check", "--jsno"],                                            64,   "similar argument exists: '--json'"),
        (&["check", "bad.toml"],                                          78,   "bad.toml:1:11"),
        (&["check", "none.toml"],                                         78,   "tollgate init --backend"),
        (&["serve", "--config", "bad.toml"],                              78,   "nothing was started"),
        (&["explain", "GET", "/x", "-H", "no colon"],                     64,   "-H 'Accept:"),
        (&["explain", "G(T", "/x"],                                       65,   "`G(T` is no method"),
        (&["explain", "/x", "--live", "http://127.0.0.1:1"],              69,   "no gateway answers at 127.0.0.1:1"),
        (&["token", "issue", "--subject", "ann", "--ttl", "1w"],          64,   "or `never`"),
        (&["token", "issue", "--subject", ""],                            65,   "belongs to a subject"),
        (&["token", "issue", "--subject", "ann", "--config", "memory.toml"], 69, "add `admin ="),
        (&["token", "issue", "--subject", "ann", "--config", "away.toml"],   69, "redis://127.0.0.1:1/0"),
    ];
    for (args, code, says) in rows {
        let said = shop.run(args);
        assert_eq!(said.code, code, "{args:?}: {said:?}");
        assert!(said.out.contains(says) || said.err.contains(says), "{args:?}: {said:?}");
    }
}

#[test]
fn check_speaks_json_to_scripts() {
    let shop = Shop::with(SHOP);
    shop.write("bad.toml", "backend = 7\n");
    let good: serde_json::Value =
        serde_json::from_str(&shop.run(&["check", "--json"]).out).unwrap();
    assert_eq!(good["good"], true);
    assert_eq!(good["rules"].as_array().unwrap().len(), 6);
    let said = shop.run(&["check", "bad.toml", "--json"]);
    assert_eq!(said.code, 78);
    let bad: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(bad["good"], false);
    let mistakes = bad["mistakes"].as_array().unwrap();
    assert!(mistakes.iter().any(|mistake| mistake["line"] == 1), "{bad}");
}

#[test]
fn what_init_writes_checks_serves_and_lets_the_right_ones_in() {
    let backend = Backend::plain();
    let shop = Shop::new();
    let said = shop.run(&["init", "--backend", &backend.url()]);
    assert_eq!(said.code, 0, "{said:?}");
    for word in ["tollgate check", "tollgate serve", "tollgate token issue", "curl -i"] {
        assert!(said.out.contains(word), "{}", said.out);
    }
    let mode = |name: &str| {
        std::fs::metadata(shop.folder.path().join(name)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode("tollgate.secret"), 0o600);
    assert_eq!(shop.run(&["check"]).code, 0);

    let again = shop.run(&["init", "--backend", &backend.url()]);
    assert_eq!(again.code, 65);
    assert!(again.err.contains("is there already"), "{again:?}");

    let token = shop.run(&["token", "issue", "--subject", "ann"]);
    assert_eq!(token.code, 0, "{token:?}");
    // The ports of the file may be taken on this machine.
    let file = shop.folder.path().join("tollgate.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text =
        text.replace("127.0.0.1:8080", "127.0.0.1:0").replace("127.0.0.1:9902", "127.0.0.1:0");
    std::fs::write(&file, text).unwrap();
    let gateway = Gateway::serve(shop.folder, file);
    let token = bearer(token.out.trim());
    for (target, fields, status) in [
        ("/status", "", 200),
        ("/", "", 401),
        ("/", token.as_str(), 200),
        ("/admin/x", token.as_str(), 403),
        ("/users/ann", token.as_str(), 200),
        ("/users/bob", token.as_str(), 403),
    ] {
        assert_eq!(gateway.ask(get(target, fields)).status, status, "{target}");
    }
}

#[test]
fn a_backend_that_is_none_leaves_nothing_behind() {
    let shop = Shop::new();
    let said = shop.run(&["init", "--backend", "ftp://x"]);
    assert_eq!(said.code, 65);
    assert!(said.err.contains("http://host:port"), "{said:?}");
    assert_eq!(std::fs::read_dir(shop.folder.path()).unwrap().count(), 0);
}

#[test]
fn a_new_secret_is_long_enough_and_never_the_same() {
    let shop = Shop::new();
    let (one, two) = (shop.run(&["keygen"]), shop.run(&["keygen"]));
    assert_eq!((one.code, one.out.trim().len()), (0, 43));
    assert_ne!(one.out, two.out);
    shop.write("k.secret", &one.out);
    shop.write(
        "tollgate.toml",
        &SHOP.replace("0123456789abcdef0123456789abcdef", "${file:k.secret}"),
    );
    assert_eq!(shop.run(&["check"]).code, 0);
}

#[test]
fn tokens_are_issued_shown_and_revoked_without_a_gateway() {
    let shop = Shop::with(SHOP);
    let issued =
        shop.run(&["token", "issue", "--subject", "ann", "--role", "buyer", "--ttl", "1h"]);
    assert_eq!(issued.code, 0, "{issued:?}");
    let token = issued.out.trim();
    assert_eq!(token.len(), 63, "standard output is the token and nothing else: {issued:?}");
    assert!(!issued.err.contains(token), "it is shown once");
    assert!(issued.err.contains("token revoke --config tollgate.toml --id "), "{issued:?}");

    let folder = shop.folder.path();
    let shown = run_in(folder, &["token", "show"], token);
    assert_eq!(shown.code, 0, "{shown:?}");
    for part in ["good", "ann", "buyer"] {
        assert!(shown.out.contains(part), "{shown:?}");
    }
    let id = shown.out.lines().find_map(|line| line.strip_prefix("id")).unwrap().trim();
    assert_eq!(shop.run(&["token", "show", "--id", id]).code, 0);

    assert_eq!(run_in(folder, &["token", "revoke"], token).code, 0);
    let shown = run_in(folder, &["token", "show"], token);
    assert_eq!((shown.code, shown.out.contains("token_unknown")), (65, true), "{shown:?}");
    let again = run_in(folder, &["token", "revoke"], token);
    assert_eq!((again.code, again.err.contains("nothing was revoked")), (65, true), "{again:?}");

    let token = shop.run(&["token", "issue", "--subject", "ann"]).out;
    shop.write("token.txt", &token);
    assert_eq!(shop.run(&["token", "revoke", "--subject", "ann"]).code, 0);
    let shown = shop.run(&["token", "show", "--token-file", "token.txt", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!((&json["good"], &json["state"]), (&false.into(), &"token_revoked".into()), "{json}");
}

#[test]
fn a_store_that_a_gateway_without_admin_holds_names_what_to_add() {
    let backend = Backend::plain();
    let gateway =
        Setup::new(&backend.url()).tables("[rules]\n\"* /**\" = \"authenticated\"").start();
    let config = gateway.config.to_str().unwrap();
    let said =
        run_in(gateway.folder(), &["token", "issue", "--config", config, "--subject", "ann"], "");
    assert_eq!(said.code, 69, "{said:?}");
    assert!(said.err.contains("add `admin = "), "{said:?}");
}

/// Text and order of an explanation are what people learn the gateway from.
/// `UPDATE_GOLDEN=1` writes what is printed now.
#[test]
fn explanations_read_as_they_should() {
    let shop = Shop::with(SHOP);
    shop.write("token.txt", &timeless());
    let token = timeless();
    let query = format!("/orders/7?access_token={token}&page=2");
    let forged = format!("/catalog/1?access_token={}", token.replace("YWMtA", "YWMtB"));
    #[rustfmt::skip]
    let rows: Vec<Vec<&str>> = vec![
        vec!["explain", "/status"],
        vec!["explain", "GET", "/catalog/1"],
        vec!["explain", "HEAD", "/orders"],
        vec!["explain", "POST", "/orders", "--as", r#"{"id":"ann"}"#],
        vec!["explain", "POST", "/orders", "--as", r#"{"id":"bob","name":"Bob","roles":["buyer"]}"#, "-H", "X_Auth-Subject: admin", "-H", "Accept: */*"],
        vec!["explain", "GET", "/users/bob/cart?page=2", "--as", r#"{"id":"eve","roles":["support"]}"#],
        vec!["explain", "GET", "/users/eve/cart", "--as", "eve"],
        vec!["explain", "GET", &query],
        vec!["explain", "POST", "/orders", "--token-file", "token.txt"],
        vec!["explain", "GET", &forged],
        vec!["explain", "GET", "/%6fld/x", "--host", "Shop.Example:80"],
        vec!["explain", "GET", "/nothing/here"],
        vec!["explain", "GET", "/catalog/../orders"],
        vec!["explain", "GET", "/orders", "-H", "Authorization: Basic eDp5"],
    ];
    let text = screens(&shop, &rows, &token);
    golden("tests/golden/explain.txt", &text);
}

/// The same shop after somebody's change.
const BRANCH: &str = r#"
backend = "http://127.0.0.1:9000"
store = "file:tollgate.redb"
secret = "0123456789abcdef0123456789abcdef"

[rules]
"GET  /status"       = { who = "public", backend = "reports" }
"GET  /catalog/**"   = "guest"
"GET  /catalog/new"  = "guest"
"*    /orders/**"    = "authenticated"
"POST /orders"       = "authenticated"
"*    /users/{name}/**" = "role:support & scope:desk | self:{name} | role:auditor"

[trust]
proxies = ["10.0.0.0/8"]

[backends.reports]
url = "http://127.0.0.1:9001"
"#;

#[test]
fn a_difference_reads_as_it_should_and_a_widening_can_be_forbidden() {
    let shop = Shop::with(SHOP);
    shop.write("branch.toml", BRANCH);
    let rows = [
        vec!["diff", "tollgate.toml", "branch.toml"],
        vec!["diff", "branch.toml", "tollgate.toml"],
        vec!["diff", "tollgate.toml", "tollgate.toml", "--no-widening"],
        vec!["diff", "tollgate.toml", "branch.toml", "--json"],
    ];
    golden("tests/golden/diff.txt", &screens(&shop, &rows, &timeless()));
    let widened = shop.run(&["diff", "tollgate.toml", "branch.toml", "--no-widening"]);
    assert_eq!(widened.code, 1, "{widened:?}");
    assert!(
        widened.err.starts_with("error: 2 of these lines open something\nhelp: "),
        "{widened:?}"
    );
    let narrowed = shop.run(&["diff", "tollgate.toml", "tollgate.toml", "--no-widening"]);
    assert_eq!((narrowed.code, narrowed.err.as_str()), (0, ""), "{narrowed:?}");
}

#[test]
fn what_cannot_be_compared_is_no_difference_of_nothing() {
    let shop = Shop::with(SHOP);
    shop.write("fold.toml", &SHOP.replace("[rules]", "[paths]\ncase = \"fold\"\n[rules]"));
    shop.write("bad.toml", &SHOP.replace("\"guest\"", "\"guess\""));
    let rows = [
        ("fold.toml", 65, "cannot be compared: `[paths] case` differs"),
        ("bad.toml", 78, "guess"),
        ("missing.toml", 78, "missing.toml"),
    ];
    for (file, code, says) in rows {
        let said = shop.run(&["diff", "tollgate.toml", file]);
        assert_eq!(said.code, code, "{said:?}");
        assert!(said.err.contains(says), "{file}: {said:?}");
    }
}

/// What commands print, each below its line; tokens cut.
pub(crate) fn screens(shop: &Shop, rows: &[Vec<&str>], token: &str) -> String {
    let mut text = String::new();
    for row in rows {
        let said = shop.run(row);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{row:?}: {said:?}");
        assert!(!said.out.contains(&token[4..]), "a token is never printed: {}", said.out);
        let words: Vec<String> = row
            .iter()
            .map(|word| {
                if word.contains([' ', '{', '&', '*']) {
                    format!("'{word}'")
                } else {
                    (*word).to_owned()
                }
            })
            .map(|word| {
                word.replace(token, "YWMt…").replace(&token.replace("YWMtA", "YWMtB"), "YWMtB…")
            })
            .collect();
        text.push_str(&format!("$ tollgate {}\n{}\n", words.join(" "), said.out));
    }
    text
}

#[test]
fn an_explanation_as_json_has_what_its_text_has() {
    let shop = Shop::with(SHOP);
    let said = shop.run(&["explain", "POST", "/orders", "--as", "ann", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json["decision"]["outcome"], "refuse");
    assert_eq!(json["decision"]["status"], 403);
    assert_eq!(json["decision"]["reason"], "role_missing");
    assert_eq!(json["rule"]["rule"], "POST /orders");
    assert_eq!(json["rule"]["next_best"]["rule"], "* /orders/**");
    assert_eq!(json["rule"]["terms"][0][0]["holds"], false);
}

/// `docs/cli.md` is made from the definitions of the commands; `UPDATE_GOLDEN=1` makes it again.
#[test]
fn the_reference_of_the_command_line_is_up_to_date() {
    let mut text = String::from(
        "# The command line\n\n\
         Made from the program's own help by a test; `UPDATE_GOLDEN=1 cargo test --test it \
         the_reference_of` makes it again.\n",
    );
    let root = tollgate::cli::command().term_width(100);
    for way in commands() {
        let mut command = root.clone();
        for name in &way {
            command = command.find_subcommand(name).unwrap().clone();
        }
        let name = [&["tollgate".to_owned()], way.as_slice()].concat().join(" ");
        let help = command.bin_name(&name).term_width(100).render_long_help().to_string();
        let help: String = help.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        text.push_str(&format!("\n## `{name}`\n\n```text\n{}\n```\n", help.trim_end()));
    }
    golden("docs/cli.md", &text);
}

/// Compares `text` with the file, or writes it there.
pub(crate) fn golden(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{} is stale: UPDATE_GOLDEN=1 writes it anew\n{text}", path.display());
}
