//! The parts of a decision, alone: what each costs when nothing else disturbs it.
//!
//! Run it with `make bench-micro`. A part is asked through the library's public items, as the gateway asks
//! it. Such figures say which of two ways is cheaper; what a request costs says `make bench`.

use std::{
    fmt::Write as _,
    fs,
    sync::Arc,
    time::{Duration, SystemTime},
};

use divan::{Bencher, black_box};
use http::{Method, Request, request::Parts};
use tokio::runtime::Runtime;
use tollgate::{
    auth::{
        near::NearCache,
        resolve::{Level, Resolver, Scheme},
    },
    config::Config,
    fences::Fences,
    permission::{Asked, PermissionSet, Reach},
    request::{Canonical, path::CanonicalPath},
    store::StoreOrigin,
    token::{
        id::IdSource,
        keyring::Keyring,
        record::TokenRecord,
        ttl::{expiry_ms, unix_ms},
    },
};

fn main() {
    // `cargo test --all-targets` starts benches too; it is not what it wants to wait for.
    if std::env::args().any(|word| word == "--bench") {
        divan::main();
    }
}

/// A configuration that has been read as the gateway reads it, with so many rules.
fn config(rules: usize) -> Config {
    let folder = tempfile::tempdir().expect("a folder");
    let mut text = format!(
        "backend = \"http://127.0.0.1:9\"\nstore = \"memory:\"\nsecret = \"{}\"\n[rules]\n",
        "parts".repeat(8)
    );
    text.push_str("\"* /orders/**\" = \"authenticated\"\n");
    for rule in 1..rules {
        let _ = writeln!(text, "\"GET /place{rule}/{{id}}/**\" = \"role:of-{}\"", rule % 100);
    }
    // Nobody pushes changes here, and nothing is to end in the middle of a measurement.
    text.push_str("[tokens.near-cache]\nttl = \"1h\"\nttl-without-push = \"1h\"\n");
    let file = folder.path().join("tollgate.toml");
    fs::write(&file, text).expect("a file");
    Config::load(&file).unwrap_or_else(|report| panic!("{report}"))
}

/// What a common client sends.
fn head() -> Parts {
    let request = Request::get("/orders/7?page=2")
        .header("host", "shop.example")
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")
        .header("accept", "application/json")
        .header("accept-encoding", "gzip, br")
        .header("authorization", format!("Bearer YWMt{}", "A".repeat(59)))
        .body(());
    request.expect("a request").into_parts().0
}

/// From a head to the one form that is judged and sent.
#[divan::bench]
fn canonical_form(bencher: Bencher<'_, '_>) {
    let policy = config(1).request_policy();
    let head = head();
    bencher
        .with_inputs(|| head.clone())
        .bench_local_values(|head| Canonical::read(head, true, false, &policy));
}

/// Which of so many rules is about a request.
#[divan::bench(args = [10, 10_000])]
fn rule_matching(bencher: Bencher<'_, '_>, rules: usize) {
    let config = config(rules);
    let path = CanonicalPath::parse("/orders/7", &config.paths).expect("a path");
    bencher.bench_local(|| {
        let found = config.rules.find(black_box(&Method::GET), "shop.example", black_box(&path));
        found.map(|found| found.rule.backend)
    });
}

/// Whether one of so many permissions allows a request.
#[divan::bench(args = [10, 1_000])]
fn permission_matching(bencher: Bencher<'_, '_>, permissions: usize) {
    let mut texts: Vec<_> =
        (1..permissions).map(|number| format!("get,post:/place{number}/**")).collect();
    texts.push("get:/orders/*".to_owned());
    let set = PermissionSet::new(texts.iter().map(String::as_str));
    let asked = Asked {
        method: &Method::GET,
        path: &["orders", "7"],
        subject: None,
        caller: None,
        reach: Reach::Everything,
    };
    bencher.bench_local(|| set.allows(black_box(&asked)));
}

/// A token's text: decoded, and its MAC computed and compared.
#[divan::bench]
fn token_and_mac(bencher: Bencher<'_, '_>) {
    let keys = Keyring::new(&config(1).secrets);
    let id = IdSource::new([7; 8]).next(SystemTime::now());
    let text = keys.mint(id, i64::MAX).expect("a secret");
    bencher.bench_local(|| keys.verify(black_box(text.expose())));
}

/// A token that every worker knows, or one.
struct Known {
    runtime: Runtime,
    scheme: Scheme,
    near: NearCache,
    origin: StoreOrigin,
    text: String,
    now_ms: i64,
}

impl Known {
    fn new() -> Self {
        let config = config(1);
        let keys = Keyring::new(&config.secrets);
        let now_ms = unix_ms(SystemTime::now());
        let expires_ms = expiry_ms(now_ms, Some(Duration::from_secs(3600))).expect("an instant");
        let id = IdSource::new([7; 8]).next(SystemTime::now());
        let text = keys.mint(id, expires_ms).expect("a secret").expose().to_owned();
        let origin = StoreOrigin::open(&config.store).expect("a store");
        let record = TokenRecord {
            subject: "ann".to_owned(),
            holder: None,
            name: Some("Ann Example".to_owned()),
            email: Some("ann@shop.example".to_owned()),
            roles: vec!["buyer".to_owned(), "support".to_owned()],
            scopes: Vec::new(),
            issued_ms: now_ms,
            expires_ms,
            generation: 0, // the store's business
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime
            .block_on(origin.attach(&std::sync::Arc::default(), |_| ()).issue(id, record))
            .expect("a record");
        let near = NearCache::new(&config.tokens, Arc::new(Fences::new()));
        Self { runtime, scheme: Scheme::Own(keys), near, origin, text, now_ms }
    }

    fn resolver(&self) -> Resolver {
        Resolver::new(
            self.scheme.clone(),
            self.near.clone(),
            self.origin.attach(&std::sync::Arc::default(), |_| ()),
        )
    }

    fn resolve(&self, resolver: &Resolver, expected: Level) {
        let resolved = self.runtime.block_on(resolver.resolve(black_box(&self.text), self.now_ms));
        let resolved = resolved.unwrap_or_else(|_| panic!("the token is known"));
        assert_eq!(black_box(resolved).level, expected);
    }
}

/// From a token's text to its identity, as a worker remembers it.
#[divan::bench]
fn hot_level_hit(bencher: Bencher<'_, '_>) {
    let known = Known::new();
    let resolver = known.resolver();
    known.resolve(&resolver, Level::Store);
    bencher.bench_local(|| known.resolve(&resolver, Level::Hot));
}

/// The same by a worker that has not met the token, out of the cache that all share: its MAC is checked.
#[divan::bench]
fn near_cache_hit(bencher: Bencher<'_, '_>) {
    let known = Known::new();
    known.resolve(&known.resolver(), Level::Store);
    bencher
        .with_inputs(|| known.resolver())
        .bench_local_refs(|resolver| known.resolve(resolver, Level::Near));
}
