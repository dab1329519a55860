//! What a good file means, and what holds between its parts.

use std::{fs, path::Path, time::Duration};

use super::{now, read, read_whole, variables};
use crate::{
    auth::credential::Source,
    config::{
        Address, Config, KeyPiece, LineForm, Listen, Manner, Network, Piece, RedisAddress,
        RedisLogin, RedisNode, Report, Server, Store, TimeUnit, WaitReplicas, check,
    },
};

#[track_caller]
fn good(text: &str) -> Config {
    read(text).unwrap_or_else(|report| panic!("{report}"))
}

#[track_caller]
fn bad(text: &str) -> Report {
    match read(text) {
        Ok(_) => panic!("loads: {text}"),
        Err(report) => report,
    }
}

fn plain(address: &str) -> Listen {
    Listen { address: Address::Tcp(address.parse().unwrap()), manner: Manner::default() }
}

#[test]
fn a_listener_is_an_address_or_a_table_and_there_may_be_several() {
    for (text, expected) in [
        ("listen = \"0.0.0.0:80\"", vec![plain("0.0.0.0:80")]),
        ("listen = { at = \"0.0.0.0:80\", tls = false }", vec![plain("0.0.0.0:80")]),
        (
            "listen = [\"0.0.0.0:80\", { at = \"0.0.0.0:81\", proxy-protocol = false }]",
            vec![plain("0.0.0.0:80"), plain("0.0.0.0:81")],
        ),
        ("[[listen]]\nat = \"0.0.0.0:80\"", vec![plain("0.0.0.0:80")]),
    ] {
        assert_eq!(good(text).listen, expected, "{text}");
    }
}

#[test]
fn a_file_of_two_lines_has_every_default() {
    let config = good("");
    assert_eq!(config.listen, [plain("127.0.0.1:8080")]);
    assert_eq!(config.health, Some(Address::Tcp("127.0.0.1:9902".parse().unwrap())));
    assert_eq!(config.admin, None);
    assert_eq!(config.store, Store::File("/etc/tollgate/tollgate.redb".into()));
    assert_eq!(config.tokens.from.len(), 2);
    assert_eq!(config.identity.len(), 3);
    assert_eq!(config.limits.body, 16 << 20);
    assert_eq!(config.request_policy().limits.fields, 100);
    assert_eq!(config.warnings, ["there are no rules: every request is denied"]);
}

#[test]
fn the_default_of_health_is_taken_too() {
    let report = bad("listen = \"127.0.0.1:9902\"").first_line();
    assert!(report.ends_with("`health` listens here unless told otherwise"), "{report}");
    assert!(read("listen = \"127.0.0.1:9902\"\nhealth = \"off\"").is_ok());
}

#[test]
fn a_store_is_a_url_or_a_table() {
    let redis = |text: &str| {
        let Store::Redis(redis) = good(text).store else { panic!("no Redis: {text}") };
        redis
    };
    let node = |host: &str, port| RedisNode { host: host.to_owned(), port };
    let url = redis("store = \"redis://gate:a%40b@Redis.example/3\"");
    assert_eq!(url.address, RedisAddress::One(node("redis.example", 6379)));
    assert_eq!(url.login.username.as_deref(), Some("gate"));
    assert_eq!(url.login.password.unwrap().expose(), "a@b");
    assert_eq!((url.database, url.prefix.as_str()), (3, "tollgate:"));
    let table =
        redis("store = { url = \"rediss://[::1]:7000\", prefix = \"x:\", timeout = \"1s\" }");
    assert_eq!(table.address, RedisAddress::One(node("::1", 7000)));
    assert_eq!((table.prefix.as_str(), table.timeout), ("x:", Duration::from_secs(1)));
    assert!(table.tls.is_some() && url.tls.is_none());
    let named = redis("store = \"redis+sentinel://a:b@s1,[::1]:7/main/4\"");
    let (sentinels, master) = (vec![node("s1", 26_379), node("::1", 7)], "main".to_owned());
    assert_eq!(named.address, RedisAddress::Sentinel { sentinels, master });
    assert_eq!((named.database, &named.login), (4, &named.sentinel_login));
    let login = |auth: &str| {
        redis(&format!(
            "store = {{ url = \"redis+sentinel://a:b@s/main\", sentinel-auth = \"{auth}\" }}"
        ))
        .sentinel_login
    };
    assert_eq!(login("none"), RedisLogin::default());
    assert_eq!(login(":c%40").password.unwrap().expose(), "c@");
    let cluster = redis("store = \"rediss+cluster://n1:7001,n2/0\"");
    assert_eq!(
        cluster.address,
        RedisAddress::Cluster { seeds: vec![node("n1", 7001), node("n2", 6379)] }
    );
    assert!(cluster.tls.is_some() && cluster.database == 0);
    let unix = redis("store = \"redis+unix:///run/redis.sock?db=2\"");
    assert_eq!(unix.address, RedisAddress::Unix("/run/redis.sock".into()));
    assert_eq!((unix.database, unix.login), (2, RedisLogin::default()));
    let secret = redis("store = \"redis://:${SECRET}@h\"").login.password.unwrap();
    assert_eq!(Some(secret.expose().to_owned()), variables("SECRET"));
    assert_eq!(good("store = \"memory:\"").store, Store::Memory);
    assert_eq!(good("store = \"file:x.redb\"").store, Store::File("/etc/tollgate/x.redb".into()));
}

#[test]
fn replicas_are_waited_for_by_themselves_or_so_many_or_none() {
    let waits = |value: &str| {
        let table = format!("store = {{ url = \"redis://h\"{value} }}");
        let Store::Redis(redis) = good(&table).store else { panic!("{table}") };
        redis.wait_replicas
    };
    assert_eq!(waits(""), WaitReplicas::Auto);
    assert_eq!(waits(", wait-replicas = \"auto\""), WaitReplicas::Auto);
    assert_eq!(waits(", wait-replicas = 0"), WaitReplicas::Never);
    assert_eq!(waits(", wait-replicas = 2"), WaitReplicas::Always(2));
}

#[test]
fn a_check_says_how_many_connections_a_redis_will_hold() {
    #[rustfmt::skip] // a table is read by column
    let rows = [
        ("workers = 4\nstore = \"redis://h\"", "to it:  4 workers + 1 = 5; as many more to it for writes that replicas must have\n"),
        ("workers = 4\nstore = { url = \"redis://h\", wait-replicas = 0 }", "to it:  4 workers + 1 = 5\n"),
        ("workers = 1\nstore = \"redis+sentinel://a,b,c/m\"", "to the master, and as many to each of 3 sentinels:  1 worker + 1 = 2; as many more to the master for writes that replicas must have\n"),
        ("store = \"redis+cluster://a,b\"", "to each node that has slots:  a worker per core (at most 8) + 1; as many more to each of them for writes that replicas must have\n"),
    ];
    for (text, expected) in rows {
        let said = check::render(&good(text));
        assert!(said.contains(&format!("holds so many connections {expected}")), "{said}");
    }
    assert!(!check::render(&good("store = \"memory:\"")).contains("connections"));
}

#[test]
fn a_backend_may_be_named_and_then_stands_first() {
    let text = "backend = \"b\"\nsecret = \"${SECRET}\"\n\
        [backends.a]\nurl = \"http://a\"\n[backends.b]\nurl = [\"http://b\", \"unix:b.sock\"]\n\
        [rules]\n\"GET /a\" = { who = \"guest\", backend = \"a\" }\n\"GET /b\" = \"guest\"\n";
    let config = read_whole(text).unwrap_or_else(|report| panic!("{report}"));
    let names: Vec<_> = config.backends.iter().map(|backend| backend.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
    assert_eq!(config.backends[0].servers[1], Server::Unix("/etc/tollgate/b.sock".into()));
    let backend_of = |name: &str| {
        config.rules.rules().iter().find(|rule| rule.name == name).map(|rule| rule.backend)
    };
    assert_eq!((backend_of("GET /a"), backend_of("GET /b")), (Some(1), Some(0)));
}

#[test]
fn one_named_backend_needs_no_other() {
    let text = "secret = \"${SECRET}\"\n[backends.a]\nurl = \"http://a\"\nstrip = \"/x/y/\"\n";
    let config = read_whole(text).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(config.backends[0].strip.as_deref(), Some("/x/y"));
}

#[test]
fn tokens_and_identity_read_as_written() {
    let config = good(
        "store = \"redis://h\"\n[identity]\nX-Who = \"user:{principal.id} {principal.kind}\"\n\
         [tokens]\nfrom = [\"basic\", \"client-params\", \"header:X-Api-Key\", \"cookie:s\"]\n\
         ttl = \"never\"\nkey = \"s:{sha256}:x\"\nrecord = \"hash\"\n\
         fields = { subject = \"id\", expires = { at = \"exp\", unit = \"ms\" } }\n\
         near-cache = { ttl = \"500ms\" }\n",
    );
    let text = |text: &str| Piece::Text(text.to_owned());
    assert_eq!(config.identity[0].value, [text("user:"), Piece::Id, text(" "), Piece::Kind]);
    let cookie = Source::Cookie("s".to_owned());
    assert_eq!(config.tokens.from[0..2], [Source::Basic, Source::ClientParams]);
    assert_eq!(config.tokens.from[3], cookie);
    assert_eq!(config.tokens.ttl, None);
    assert_eq!(config.tokens.near_ttl_without_push, Duration::from_millis(500));
    let foreign = config.tokens.foreign.unwrap();
    assert_eq!(foreign.key[1], KeyPiece::Sha256);
    assert_eq!(foreign.expires.unwrap().unit, TimeUnit::Milliseconds);
}

#[test]
fn a_secret_is_needed_unless_another_service_keeps_the_tokens() {
    let text = "backend = \"http://a\"\nstore = \"redis://h\"\n[tokens]\nkey = \"s:{token}\"\n\
        record = \"text\"\n";
    let config = read_whole(text).unwrap_or_else(|report| panic!("{report}"));
    assert!(config.secrets.is_empty());
    assert!(read_whole("backend = \"http://a\"\n").is_err());
}

#[test]
fn trusted_networks_and_origins_are_values() {
    let config = good(
        "[trust]\nproxies = [\"10.0.0.0/8\", \"unix\"]\n\
         [cors]\norigins = \"*\"\nmethods = [\"GET\", \"PUT\"]\n",
    );
    assert_eq!(config.trust[1], Network::Unix);
    let cors = config.cors.unwrap();
    assert_eq!(cors.origins, None);
    assert_eq!(cors.methods.unwrap(), "GET, PUT");
}

#[test]
fn rules_and_expectations_of_included_files_join_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("main.toml");
    let rules = folder.path().join("rules.d");
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("b.toml"), "[rules]\n\"GET /b\" = \"guest\"\n").unwrap();
    fs::write(rules.join("a.toml"), "[expect]\n\"GET /b\" = \"guest\"\n").unwrap();
    fs::write(rules.join(".hidden.toml"), "nonsense").unwrap();
    fs::write(rules.join("c.txt"), "nonsense").unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "0123456789012345678901234567890123456789\n").unwrap();
    let text = "include = [\"rules.d/*.toml\", \"none.d/*.toml\"]\nbackend = \"http://a\"\n\
        secret = \"${file:secret}\"\n[expect]\n\"GET /b/\" = \"guest\"\n";
    fs::write(&main, text).unwrap();
    let config = Config::load_with(&main, &variables, now()).unwrap();
    assert_eq!((config.rules.rules().len(), config.expectations), (1, 2));
    assert!(config.rules.rules()[0].place.ends_with("rules.d/b.toml:2"));
    let sources: Vec<&Path> =
        config.sources.iter().map(|path| path.strip_prefix(folder.path()).unwrap()).collect();
    let expected = ["main.toml", "rules.d", "rules.d/a.toml", "rules.d/b.toml", "none.d", "secret"];
    assert_eq!(sources, expected.map(Path::new));
}

#[test]
fn a_file_that_cannot_be_read_is_reported_too() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.toml");
    let report = Config::load_with(&missing, &variables, now()).err().unwrap().render(false);
    assert!(report.contains("there is no such file") && report.contains("tollgate init"));
    let binary = folder.path().join("binary.toml");
    fs::write(&binary, [0xff, 0xfe]).unwrap();
    let report = Config::load_with(&binary, &variables, now()).err().unwrap().render(false);
    assert!(report.contains("it is not UTF-8 text"), "{report}");
}

#[test]
fn what_a_variable_held_is_not_told_by_the_name_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.toml"), "[rules]\n\"GET /a\" = \"nonsense\"\n").unwrap();
    let main = folder.path().join("t.toml");
    let variables = |name: &str| match name {
        "FOLDER" => Some(folder.path().display().to_string()),
        other => variables(other),
    };
    for (include, told) in [
        ("${FOLDER}/a.toml", "${FOLDER}/a.toml:2"),
        ("${FOLDER}/a*", "${FOLDER}/a.toml:2"),
        ("${FOLDER}/b.toml", "cannot read `${FOLDER}/b.toml`"),
        ("${ADDRESS}", "cannot read `${ADDRESS}`"),
    ] {
        fs::write(&main, format!("include = [\"{include}\"]\n")).unwrap();
        let report = Config::load_with(&main, &variables, now()).err().unwrap().render(false);
        assert!(report.contains(told), "{report}");
        assert!(!report.contains("interpolated"), "{report}");
    }
}

#[test]
fn a_file_without_an_end_does_not_fill_the_memory() {
    let backend = "[backends.x]\nurl = \"https://a\"\ntls = { ca = \"/dev/zero\" }";
    for text in [
        "include = [\"/dev/zero\"]",
        "store = { url = \"rediss://h\", ca = \"/dev/zero\" }",
        "[tls]\ncertificates = [{ certificate = \"/dev/zero\", key = \"/dev/zero\" }]",
        backend,
    ] {
        let report = read(text).err().unwrap().render(false);
        assert!(report.contains("it is too large"), "{report}");
    }
    let report = Config::load_with(Path::new("/dev/zero"), &variables, now()).err().unwrap();
    assert!(report.first_line().contains("it is too large"));
}

#[test]
#[rustfmt::skip] // a table is read by column
fn an_expectation_is_what_the_gateway_would_do() {
    const RULES: &str = "[rules]\n\"GET /catalog/**\" = \"guest\"\n\"GET /status\" = \"public\"\n\
        \"* /orders/**\" = \"authenticated\"\n\"* /users/{id}/**\" = \"self:{id} | role:support\"\n\
        \"GET api.example.com/only\" = \"guest\"\n\"GET /old\" = \"deny\"\n\
        \"GET /audited\" = { who = \"role:x\", audit = 2027-01-01T00:00:00Z }\n[expect]\n";
    for (request, answers) in [
        ("GET /catalog/1",                            &["guest", "allow"][..]),
        ("HEAD /catalog/1",                           &["guest", "allow"]),
        ("GET /catalog/1?page=2",                     &["guest", "allow"]),
        ("GET /status as user eve",                   &["public", "allow"]),
        ("GET /orders",                               &["401", "unauthenticated", "deny"]),
        ("GET /orders as guest",                      &["401", "unauthenticated", "deny"]),
        ("GET /orders as user eve",                   &["allow"]),
        ("GET /users/bob as user eve",                &["403", "role_missing", "deny"]),
        ("GET /users/bob as user eve role=support",   &["allow"]),
        ("GET /users/eve as user eve",                &["allow"]),
        ("GET api.example.com/only",                  &["guest", "allow"]),
        ("GET /only",                                 &["403", "no_rule", "deny"]),
        ("GET /old as user eve",                      &["403", "denied", "deny"]),
        ("GET /audited",                              &["allow"]),
        ("GET /a/../b",                               &["400", "path_dot_segment", "deny"]),
        ("GET /a%2fb",                                &["400", "path_encoded_slash", "deny"]),
        ("TRACE /status",                             &["405", "method_not_allowed", "deny"]),
    ] {
        for answer in ["guest", "public", "allow", "deny", "400", "401", "403", "405", "unauthenticated",
            "role_missing", "no_rule", "denied", "path_dot_segment", "path_encoded_slash", "method_not_allowed"]
        {
            let holds = read(&format!("{RULES}\"{request}\" = \"{answer}\"\n")).is_ok();
            assert_eq!(holds, answers.contains(&answer), "{request} = {answer}");
        }
    }
}

#[test]
fn what_an_operator_should_know_is_said() {
    let config = good(
        "store = \"memory:\"\n[backends.idle]\nurl = \"http://idle\"\n[rules]\n\
         \"GET /a\" = { who = \"role:x\", audit = 2026-12-31T00:00:00Z }\n\
         \"GET /b\" = { who = \"role:x\", audit = 2026-01-01T00:00:00Z }\n\
         \"GET /c\" = { who = \"role:x\", until = 2026-11-22T13:00:00Z }\n\
         \"GET /d\" = { who = \"role:x\", until = 2026-11-20T12:00:00Z }\n\
         \"GET /e\" = { who = \"role:x\", until = 2027-11-20T12:00:00Z }\n",
    );
    assert_eq!(
        config.warnings,
        [
            "rule \"GET /a\" is in audit until 2026-12-31T00:00:00Z: 40 days left",
            "the audit of rule \"GET /b\" ended at 2026-01-01T00:00:00Z: remove `audit`",
            "rule \"GET /c\" closes at 2026-11-22T13:00:00Z: 2 days left",
            "rule \"GET /d\" closed at 2026-11-20T12:00:00Z: it refuses everything it matches",
            "no rule sends anything to the backend `idle`",
            "the store is this process's memory: every token ends with it",
        ]
    );
    let weak = "backend = \"http://a\"\nsecret = \"abababababababababababababababab\"\n\
        [rules]\n\"GET /a\" = \"guest\"\n";
    let config = read_whole(weak).unwrap_or_else(|report| panic!("{report}"));
    assert!(config.warnings[0].starts_with("secret 1 has few different characters"));
}

#[test]
fn what_a_variable_held_is_in_no_description_of_a_good_file() {
    let config = good("[rules]\n\"GET /a\" = \"role:'x${SHORT}'\"\n");
    assert_eq!(config.rules.rules()[0].asks, "role:'x${SHORT}'");
    assert!(!check::render(&config).contains("interpolated"));
    assert!(!check::to_json(&config).to_string().contains("interpolated"));
}

#[test]
fn the_fence_covers_the_identity_fields_in_every_spelling() {
    let config = good("[identity]\nX-Who = \"{principal.id}\"\n");
    let fence = config.request_policy().fence;
    assert!(fence.covers(&"x_who".parse().unwrap()));
    assert!(!fence.covers(&"x-auth-subject".parse().unwrap()));
}

#[test]
fn the_form_of_access_lines_follows_the_terminal_unless_the_file_says_it() {
    for (log, on_a_terminal, in_a_pipe) in [
        ("", Some(LineForm::Text), Some(LineForm::Json)),
        ("[log]\naccess = \"auto\"\n", Some(LineForm::Text), Some(LineForm::Json)),
        ("[log]\naccess = \"json\"\n", Some(LineForm::Json), Some(LineForm::Json)),
        ("[log]\naccess = \"text\"\n", Some(LineForm::Text), Some(LineForm::Text)),
        ("[log]\naccess = \"off\"\n", None, None),
    ] {
        let access = good(log).log;
        assert_eq!((access.form(true), access.form(false)), (on_a_terminal, in_a_pipe), "{log}");
    }
}

#[test]
fn a_report_counts_and_lists_for_logs_and_scripts() {
    let report = bad("listn = 1\n[log]\naccess = \"jsn\"\n");
    assert_eq!(report.mistakes(), 2);
    assert_eq!(report.first_line(), "/etc/tollgate/t.toml:3:1: unknown key `listn`");
    let json = report.to_json();
    assert_eq!(json[0]["help"], "did you mean `listen`?");
    assert_eq!((&json[1]["line"], &json[1]["column"]), (&5.into(), &10.into()));
    assert_eq!(report.to_string(), report.render(false));
    assert!(report.render(true).contains('\u{1b}'));
    assert!(!report.render(false).contains('\u{1b}'));
}
