//! The names of metrics.

use super::*;

/// One of everything that is counted.
fn scraped() -> String {
    let metrics = Metrics::new(vec!["ok", "token_expired"]);
    let worker = metrics.worker();
    worker.request(Decision::Permit, "ok", 200, Duration::from_millis(2));
    worker.request(Decision::Deny, "token_expired", 401, Duration::from_micros(80));
    worker.would_deny("token_expired");
    worker.lookup(0);
    worker.near(true);
    worker.near(false);
    metrics.process.near_entries.store(7, Relaxed);
    metrics.process.near_invalidations.store(8, Relaxed);
    metrics.process.revocation_lag.observe(Duration::from_micros(300));
    worker.set_connections(3);
    worker.set_crowd(5, 7, 11);
    worker.handshake(Handshake::Unfinished);
    let (backend, server) = ("app".to_owned(), "http://10.0.0.1:9000".to_owned());
    metrics.process.set_servers(vec![ServerState { backend, server, up: true }]);
    metrics.scrape()
}

/// Dashboards and alerts are written against these names; changing one is a breaking change.
#[test]
fn the_exported_names_are_the_documented_ones() {
    let text = scraped();
    let mut names: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
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
        ]
    );
    for line in [
        r#"tollgate_requests_total{decision="deny",reason="token_expired"} 1"#,
        r#"tollgate_requests_total{decision="permit",reason="ok"} 1"#,
        r#"tollgate_responses_total{class="2xx"} 1"#,
        r#"tollgate_identities_total{level="hot"} 1"#,
        "tollgate_store_lookups 5",
        "tollgate_store_lookups_waiting 7",
        "tollgate_store_lookups_refused_total 11",
        "tollgate_near_cache_entries 7",
        "tollgate_near_cache_hits_total 2",
        "tollgate_near_cache_misses_total 1",
        "tollgate_near_cache_invalidations_total 8",
        r#"tollgate_revocation_lag_seconds_bucket{le="0.00025"} 0"#,
        r#"tollgate_revocation_lag_seconds_bucket{le="0.0005"} 1"#,
        "tollgate_revocation_lag_seconds_sum 0.0003",
        r#"tollgate_request_duration_seconds_bucket{le="0.0005"} 1"#,
        r#"tollgate_request_duration_seconds_bucket{le="+Inf"} 2"#,
        r#"tollgate_tls_handshakes_total{result="unfinished"} 1"#,
        "tollgate_connections 3",
        r#"tollgate_backend_server_up{backend="app",server="http://10.0.0.1:9000"} 1"#,
        r#"tollgate_worker_connections{worker="0"} 3"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
}
