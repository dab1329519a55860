//! What an operator sees: health, metrics, access lines.

use serde_json::Value;

use super::harness::{
    backend::Backend,
    client::{bearer, get, request},
    gateway::{Gateway, Setup},
    tokens, until,
};

const RULES: &str = r#"
[rules]
"GET /status"     = "public"
"GET /catalog/**" = "guest"
"*   /orders/**"  = "authenticated"
"#;

fn gateway(backend: &Backend) -> Gateway {
    Setup::new(&backend.url()).tables(RULES).start()
}

#[test]
#[rustfmt::skip] // a table is read by column
fn the_health_listener_has_three_pages_and_nothing_else() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    let live = gate.probe("/livez");
    assert_eq!((live.status, live.text()), (200, "live\n"));
    assert_eq!((gate.probe("/readyz").status, gate.probe("/readyz").json()), (200, serde_json::json!({ "ready": true })));
    for (target, status) in [
        ("/",             404),
        ("/livez/",       404),
        ("/status",       404),
        ("/orders",       404),
        ("/metrics/x",    404),
        ("/livez?x=1",    200),
    ] {
        assert_eq!(gate.probe(target).status, status, "{target}");
    }
    let mut client = super::harness::client::Client::connect(gate.health.unwrap());
    assert_eq!(client.ask(request("POST", "/livez", "", "")).status, 405);
    for target in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(gate.ask(get(target, "")).verdict(), "403 no_rule", "{target} on the clients' port");
    }
    assert!(backend.received().is_empty());
}

/// Dashboards and alerts are written against these names; changing one is a breaking change.
#[test]
fn the_metrics_have_their_documented_names_and_count_what_happened() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    for _ in 0..3 {
        assert_eq!(gate.ask(get("/orders", &gate.bearer("ann"))).verdict(), "200");
    }
    assert_eq!(gate.ask(get("/orders", "")).status, 401);
    assert_eq!(gate.ask(get("/orders", &bearer(&tokens::forged()))).status, 401);
    assert_eq!(gate.ask(get("/a//b", "")).status, 400);
    until("all to be counted", || {
        (gate.try_metric("tollgate_request_duration_seconds_count") == Some(6.0)).then_some(())
    });
    for (series, value) in [
        (r#"tollgate_requests_total{decision="permit",reason="ok"}"#, 3.0),
        (r#"tollgate_requests_total{decision="deny",reason="unauthenticated"}"#, 1.0),
        (r#"tollgate_requests_total{decision="deny",reason="token_forged"}"#, 1.0),
        (r#"tollgate_requests_total{decision="deny",reason="path_empty_segment"}"#, 1.0),
        (r#"tollgate_responses_total{class="2xx"}"#, 3.0),
        (r#"tollgate_responses_total{class="4xx"}"#, 3.0),
        (r#"tollgate_reloads_total{result="ok"}"#, 0.0),
        (r#"tollgate_reloads_total{result="refused"}"#, 0.0),
        ("tollgate_store_up", 1.0),
        ("tollgate_access_lines_dropped_total", 0.0),
    ] {
        assert_eq!(gate.metric(series), value, "{series}");
    }
    let answer = gate.probe("/metrics");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.field("content-type"), Some(kind));
    let mut names: Vec<&str> =
        answer.text().lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    names.sort_unstable();
    let documented = [
        "tollgate_access_lines_dropped counter",
        "tollgate_backend_server_up gauge",
        "tollgate_build_info gauge",
        "tollgate_config_loaded_timestamp_seconds gauge",
        "tollgate_connections gauge",
        "tollgate_identities counter",
        "tollgate_near_cache_entries gauge",
        "tollgate_near_cache_hits counter",
        "tollgate_near_cache_invalidations counter",
        "tollgate_near_cache_misses counter",
        "tollgate_reloads counter",
        "tollgate_request_duration_seconds histogram",
        "tollgate_requests counter",
        "tollgate_responses counter",
        "tollgate_revocation_lag_seconds histogram",
        "tollgate_store_lookups gauge",
        "tollgate_store_lookups_refused counter",
        "tollgate_store_lookups_waiting gauge",
        "tollgate_store_up gauge",
        "tollgate_tls_handshakes counter",
        "tollgate_tunnels gauge",
        "tollgate_worker_connections gauge",
        "tollgate_would_deny counter",
    ];
    assert_eq!(names, documented);
    assert!(answer.text().ends_with("# EOF\n"));
}

#[test]
fn an_access_line_is_one_json_object_with_the_documented_fields() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    let fields = format!("{}{trace}", gate.bearer("ann"));
    let answer = gate.ask(request("POST", "/orders/%7e?b=1", &fields, "hello"));
    assert_eq!(answer.verdict(), "200");
    let line = gate.access_line(&answer);
    let names: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    let documented = [
        "ts",
        "status",
        "method",
        "path",
        "rule",
        "reason",
        "principal",
        "client",
        "request_id",
        "trace_id",
        "ms",
        "store_ms",
        "backend_ms",
        "cache",
        "bytes_in",
        "bytes_out",
    ];
    assert_eq!(names, documented);
    for (name, value) in [
        ("status", Value::from(200)),
        ("method", "POST".into()),
        ("path", "/orders/~?b=1".into()),
        ("rule", "* /orders/**".into()),
        ("reason", "ok".into()),
        ("principal", "ann".into()),
        ("client", "127.0.0.1".into()),
        ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736".into()),
        ("bytes_in", 5.into()),
        ("bytes_out", 5.into()),
    ] {
        assert_eq!(line[name], value, "{name}");
    }
    for name in ["ms", "store_ms", "backend_ms"] {
        assert!(line[name].is_f64(), "{name}: {line}");
    }
    assert_eq!(backend.last().field("traceparent"), trace.trim_end().split_once(": ").map(|t| t.1));

    let refused = gate.ask(get("/a/../b", ""));
    let line = gate.access_line(&refused);
    for name in ["path", "rule", "principal", "trace_id", "backend_ms", "cache"] {
        assert_eq!(line[name], Value::Null, "{name}: {line}");
    }
    assert_eq!(line["reason"], "path_dot_segment");
}

#[test]
fn access_lines_can_be_text_or_off() {
    let backend = Backend::plain();
    let text = Setup::new(&backend.url()).tables(RULES).tables("[log]\naccess = \"text\"").start();
    assert_eq!(text.ask(get("/orders", &text.bearer("ann"))).verdict(), "200");
    assert_eq!(text.ask(get("/catalog/1", &bearer(&tokens::forged()))).status, 401);
    let lines = until("two lines", || Some(text.out.lines()).filter(|lines| lines.len() == 2));
    // Two connections, two workers: either may be first.
    for words in [
        &["200", "GET", "/orders", "ok", "ann", "127.0.0.1", "backend"][..],
        &["401", "GET", "/catalog/1", "token_forged", "127.0.0.1"][..],
    ] {
        let fits = |line: &String| {
            let found: Vec<&str> = line.split_whitespace().collect();
            words.iter().all(|word| found.contains(word))
        };
        assert!(lines.iter().any(fits), "{words:?}: {lines:?}");
    }

    let mut off =
        Setup::new(&backend.url()).tables(RULES).tables("[log]\naccess = \"off\"").start();
    assert_eq!(off.ask(get("/status", "")).verdict(), "200");
    off.signal(rustix::process::Signal::TERM);
    off.ended();
    assert_eq!(off.out.lines(), [""; 0]);
}

#[test]
fn access_lines_are_text_where_a_person_looks_and_json_where_a_program_does() {
    let backend = Backend::plain();
    for (log, on_a_terminal) in [("", true), ("[log]\naccess = \"auto\"", true), ("", false)] {
        let setup = Setup::new(&backend.url()).tables(RULES).tables(log);
        let gate = if on_a_terminal { setup.start_on_a_terminal() } else { setup.start() };
        assert_eq!(gate.ask(get("/status", "")).verdict(), "200");
        let line = until("a line", || gate.out.lines().pop());
        assert_eq!(line.contains("200  GET    /status"), on_a_terminal, "{log:?}: {line}");
        assert_eq!(line.starts_with("{\"ts\":"), !on_a_terminal, "{log:?}: {line}");
    }
}

#[test]
fn a_hostile_target_cannot_write_lines_of_its_own_into_the_log() {
    let backend = Backend::plain();
    let gate = Setup::new(&backend.url()).tables(RULES).tables("[log]\naccess = \"text\"").start();
    // The first is no request, and has a line all the same.
    for target in ["/status?\u{1b}[2J", "/status?a=%0a%0dGET", "/%1b[31m"] {
        gate.ask(get(target, ""));
    }
    let lines = until("their lines", || Some(gate.out.lines()).filter(|lines| lines.len() == 3));
    assert!(lines.iter().all(|line| !line.contains('\u{1b}')), "{lines:?}");
}

/// All start lines come as events when nobody watches.
#[test]
fn the_start_says_what_listens_and_what_it_stands_on() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    for (message, says) in [
        ("tollgate", "2 workers".to_owned()),
        ("listening", gate.address.to_string()),
        ("listening", format!("health {}", gate.health.unwrap())),
        ("backend", backend.url()),
        ("store", "tollgate.redb".to_owned()),
        ("fence", "x-auth-subject".to_owned()),
    ] {
        let event = gate.err.event(message);
        assert_eq!(event["level"], "info");
        assert!(event["is"].as_str().unwrap().contains(&says), "{says}: {event}");
    }
}
