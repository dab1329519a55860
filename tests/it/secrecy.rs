//! No token, password or secret comes out anywhere: not in a line, a metric, a page, a refusal, an error.

use std::fmt::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rustix::process::Signal;

use super::harness::{
    backend::{Backend, Step, ok},
    client::{bearer, get, request},
    gateway::{self, Gateway, Setup},
    redis::Redis,
    tokens::{self, SECRET, Token},
    until,
};

const RULES: &str = r#"
[rules]
"GET /status"     = "public"
"GET /catalog/**" = "guest"
"*   /orders/**"  = "authenticated"
[tokens]
from = ["header", "query:access_token", "header:X-Api-Key", "cookie:session", "basic", "client-params"]
near-cache = { ttl-without-push = "20ms" }
"#;

const PASSWORD: &str = "r3d1s-p4ssw0rd-7781";
const CLIENT_SECRET: &str = "b3U6-client-secret-x9";
const USER_PASSWORD: &str = "hunter2-hunter2";

/// Texts that must not come out, in the spellings in which they went in.
struct Secrets(Vec<String>);

impl Secrets {
    fn new(texts: &[&str]) -> Self {
        let spellings =
            texts.iter().flat_map(|text| [(*text).to_owned(), escaped(text), base64(text)]);
        Self(spellings.collect())
    }

    fn check(&self, place: &str, text: &str) {
        for secret in &self.0 {
            assert!(!text.contains(secret.as_str()), "{place} shows {secret}:\n{text}");
        }
    }
}

/// Every byte as `%xx`.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        let _ = write!(all, "%{byte:02X}");
        all
    })
}

fn base64(text: &str) -> String {
    BASE64_STANDARD.encode(format!("someone:{text}"))
}

/// Requests that carry `token` everywhere, well and badly.
fn carriers(token: &str) -> Vec<String> {
    let basic = |text: &str| format!("Authorization: Basic {}\r\n", base64(text));
    let mut requests = Vec::new();
    for target in ["/status", "/catalog/1", "/orders/1", "/nowhere", "/a//b"] {
        for fields in [
            bearer(token),
            format!("Authorization: {token}\r\n"),
            format!("Authorization: Bearer {token}, Bearer {token}\r\n"),
            format!("Authorization: Negotiate {token}\r\n"),
            format!("X-Api-Key: {token}\r\n"),
            format!("Cookie: session={token}; other=1\r\n"),
            format!("Cookie: session=\"{token}\r\n"),
            format!("Proxy-Authorization: Bearer {token}\r\n"),
            basic(token),
            basic(USER_PASSWORD),
            format!("{}X-Api-Key: other-other-other-1\r\n", bearer(token)),
        ] {
            requests.push(get(target, &fields));
        }
        let escaped = escaped(token);
        for query in [
            format!("access_token={token}"),
            format!("a=1&access_token={escaped}&b=2"),
            format!("access%5Ftoken={token}"),
            format!("ACCESS_TOKEN={token}&access_token[]={escaped}"),
            format!("access_token={token}&access_token={token}"),
            format!("client_id=someone&client_secret={CLIENT_SECRET}"),
            format!("client_secret={CLIENT_SECRET}"),
            format!("a%zz=1&access_token={token}"),
            format!("a=1;access_token={token}"),
        ] {
            requests.push(get(&format!("{target}?{query}"), ""));
        }
    }
    requests.push(request("BREW", "/orders", &bearer(token), ""));
    requests.push(request("POST", "/orders/1", &bearer(token), "hello"));
    requests.push(get("/orders", &format!("{}Host: other\r\n", bearer(token))));
    requests.push(format!("GET /orders?access_token={token} HTTP/1.1\r\nHost: a b\r\n\r\n"));
    requests.push(format!("GET http://other/?access_token={token} HTTP/1.1\r\nHost: x\r\n\r\n"));
    requests
}

fn check_pages(gate: &Gateway, secrets: &Secrets) {
    for page in ["/metrics", "/readyz", "/livez", "/nothing"] {
        secrets.check(page, &String::from_utf8_lossy(&gate.probe(page).raw));
    }
}

#[test]
fn whatever_way_a_credential_comes_and_whatever_becomes_of_it() {
    for format in ["json", "text"] {
        let backend = Backend::scripted(|head| match head.word(1).split('?').next() {
            Some("/catalog/1") => vec![Step::Body, Step::Close],
            _ => vec![Step::Body, Step::Write(ok("hello"))],
        });
        let mut redis = Redis::start_with(Some(PASSWORD));
        let good = redis.issue("ann").text;
        let (forged, unknown) = (tokens::forged(), tokens::unknown());
        let expired = Token::expired("ann").text;
        let all = [&good, &forged, &unknown, &expired];
        let secrets = Secrets::new(&[
            &good,
            &forged,
            &unknown,
            &expired,
            PASSWORD,
            CLIENT_SECRET,
            USER_PASSWORD,
            SECRET,
        ]);
        let log = format!("[log]\naccess = \"{format}\"");
        let setup = Setup::new(&backend.url()).key("store", &format!("{:?}", redis.url()));
        let mut gate = setup.tables(RULES).tables(&log).start();

        let mut asked = 0;
        for token in all {
            for bytes in carriers(token) {
                let answer = gate.ask(&bytes);
                secrets.check("an answer", &String::from_utf8_lossy(&answer.raw));
                asked += 1;
            }
        }
        assert!(asked > 400);
        check_pages(&gate, &secrets);
        redis.kill();
        until("the outage", || {
            (gate.ask(get("/orders", &bearer(&good))).status == 503).then_some(())
        });
        for bytes in carriers(&good) {
            secrets.check("an answer", &String::from_utf8_lossy(&gate.ask(&bytes).raw));
        }
        check_pages(&gate, &secrets);
        gate.signal(Signal::TERM);
        gate.ended();
        secrets.check("the access log", &gate.out.text());
        secrets.check("the event log", &gate.err.text());
        let received: String = backend.received().iter().map(|one| one.raw_head.clone()).collect();
        for token in all {
            assert!(!received.contains(token.as_str()), "the backend gets no token");
        }
        assert!(gate.out.lines().len() > 400, "there was something to look at");
    }
}

#[test]
fn a_faulty_configuration_never_quotes_what_is_secret_in_it() {
    let backend = Backend::plain();
    let url = format!("redis://someone:{PASSWORD}@127.0.0.1:1/0");
    let faults = [
        format!("store = \"{url}/x/y\"\nsecret = \"{SECRET}\""),
        format!("store = \"{url}\" oops\nsecret = \"{SECRET}\""),
        format!("store = [\"{url}\"]\nsecret = {{ text = \"{SECRET}\" }}"),
        format!("store = \"redis://someone:{PASSWORD}@:port/0\"\nsecret = [\"{SECRET}\", 7]"),
        format!("stoer = \"{url}\"\nsecert = \"{SECRET}\""),
        format!("store = \"{url}\"\nsecret = \"${{NOT_SET:-{SECRET}}}${{NOT_SET}}\""),
        format!(
            "store = {{ url = \"{url}\", timeout = \"never\", ca = \"/none\" }}\nsecret = \"{SECRET}\""
        ),
        format!("backend = \"http://someone:{PASSWORD}@127.0.0.1:1\"\nsecret = \"{SECRET}\""),
        format!("store = \"{url}\"\nsecret = \"{SECRET}"),
    ];
    let secrets = Secrets::new(&[PASSWORD, SECRET]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tollgate.toml");
    for (number, fault) in faults.iter().enumerate() {
        let text = format!("{fault}\nbackend = \"{}\"\n{RULES}", backend.url());
        std::fs::write(&file, text).unwrap();
        let (code, said) = gateway::refused(&file);
        assert_eq!(code, 78, "fault {number}: {said}");
        secrets.check(&format!("fault {number}"), &said);
    }

    // The same while it runs: a reload that is refused writes its reasons into the log.
    let setup = Setup::new(&backend.url()).tables(RULES);
    let good = setup.text();
    let gate = setup.start();
    for (number, fault) in faults.iter().enumerate() {
        gate.rewrite(&format!("{fault}\n{}", good.replace("secret", "listen")));
        gate.signal(Signal::HUP);
        until("the refusal", || (gate.err.events("reload refused").len() > number).then_some(()));
    }
    secrets.check("the event log", &gate.err.text());
}
