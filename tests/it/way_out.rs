//! What the backend gets, byte for byte, and what of its answer the client gets.

use super::harness::{
    backend::{Backend, Came, Step, answer, ok},
    client::{End, bearer, get, request},
    gateway::{Gateway, Setup},
    http2::Http2,
};

const RULES: &str = r#"
[rules]
"GET  /status"        = "public"
"*    /guest/**"      = { who = "authenticated", audit = 2099-01-01T00:00:00Z }
"GET  /catalog/**"    = "guest"
"*    /orders/**"     = "authenticated"
"#;

fn gateway(backend: &Backend) -> Gateway {
    Setup::new(&backend.url()).tables(RULES).start()
}

#[test]
fn the_head_is_built_from_nothing_and_reads_like_this() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    let fields =
        format!("{}Accept: */*\r\nX-Odd: a  b\r\nConnection: keep-alive\r\n", gate.bearer("eve"));
    let asked = "/orders/%7e7?b=2&a=%zz1&&access_token[]=x&c=%41";
    let answer = gate.ask(get(asked, &fields).replace("shop.example", "SHOP.Example.:80"));
    assert_eq!(answer.verdict(), "200");
    let id = answer.field("x-request-id").unwrap();
    let mut lines: Vec<String> =
        backend.last().raw_head.trim_end().split("\r\n").map(str::to_owned).collect();
    assert_eq!(lines.remove(0), "GET /orders/~7?b=2&a=%zz1&&c=%41 HTTP/1.1");
    lines.sort();
    let id = format!("x-request-id: {id}");
    assert_eq!(
        lines,
        [
            "accept: */*",
            r#"forwarded: for=127.0.0.1;host="shop.example";proto=http"#,
            "host: shop.example",
            "x-auth-name: eve%20of%20the%20tests",
            "x-auth-roles: buyer",
            "x-auth-subject: eve",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: shop.example",
            "x-forwarded-proto: http",
            "x-odd: a  b",
            &id,
        ]
    );
}

#[test]
fn identity_is_ours_alone_in_every_spelling_on_every_route() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    let forged = "X-Auth-Subject: root\r\nx-auth-subject: admin\r\nX_Auth_Subject: root\r\n\
        X.Auth.Subject: root\r\nX-AUTH_ROLES: admin\r\nX-Auth-Roles-: admin\r\nXAuthSubject: root\r\n\
        X-Auth~Name: root\r\nX--Auth-Name: root\r\n";
    let mut h2 = Http2::connect(gate.address);
    let pairs: Vec<(String, String)> = forged
        .split_terminator("\r\n")
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    for (target, who) in [
        ("/status", None),
        ("/catalog/1", None),
        ("/guest/1", None),
        ("/catalog/1", Some("ann")),
        ("/orders/1", Some("ann")),
        ("/orders/1", Some("root")),
    ] {
        let credential = who.map(|who| gate.bearer(who)).unwrap_or_default();
        assert_eq!(gate.ask(get(target, &format!("{forged}{credential}"))).verdict(), "200");
        check_identity(&backend, target, who);

        let bearer = who.map(|who| format!("Bearer {}", gate.token(who)));
        let mut fields: Vec<(&str, &str)> =
            pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        assert_eq!(h2.get(target, &fields).verdict(), "200");
        check_identity(&backend, target, who);
    }
}

fn check_identity(backend: &Backend, target: &str, who: Option<&str>) {
    let received = backend.last();
    let owned: Vec<String> = received
        .head
        .fields
        .iter()
        .filter(|(name, _)| {
            let folded: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
            folded.to_ascii_lowercase().starts_with("xauth")
        })
        .map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase()))
        .collect();
    let mut expected = Vec::new();
    if let Some(who) = who {
        expected.push(format!("x-auth-subject: {who}"));
        expected.push(format!("x-auth-name: {who}%20of%20the%20tests"));
        if who == "root" {
            expected.push("x-auth-roles: admin,night%20shift".to_owned());
        }
    }
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    assert_eq!(sorted(owned), sorted(expected), "{target} as {who:?}");
}

#[test]
fn credentials_of_all_sources_are_removed_even_where_nobody_reads_them() {
    let backend = Backend::plain();
    let from = "[tokens]\nfrom = [\"header\", \"query:access_token\", \"header:X-Api-Key\", \"cookie:session\"]";
    let gate = Setup::new(&backend.url()).tables(RULES).tables(from).start();
    let ann = gate.token("ann").to_owned();
    let everywhere = format!(
        "{}X-Api-Key: {ann}\r\nX_Api_Key: {ann}\r\nCookie: a=b; session={ann}; c=d\r\n\
         Proxy-Authorization: Basic eDp5\r\nX-Access-Token: {ann}\r\nX-Authorization: {ann}\r\n\
         X-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\nX-HTTP-Method-Override: DELETE\r\n",
        bearer(&ann)
    );
    for target in ["/status", "/orders/1"] {
        let query =
            format!("z=1&access_token={ann}&ACCESS_TOKEN={ann}&a=%2F&a&&access%5Ftoken={ann}&");
        // Twice the parameter is refused where credentials are read.
        let query = if target == "/status" {
            query
        } else {
            query.replace("access%5Ftoken", "Access.Token")
        };
        let answer = gate.ask(get(&format!("{target}?{query}"), &everywhere));
        assert_eq!(answer.verdict(), "200", "{target}");
        let received = backend.last();
        assert!(!received.raw_head.contains(&ann), "{}", received.raw_head);
        assert_eq!(received.line(), format!("GET {target}?z=1&a=%2F&a&&"));
        assert_eq!(received.field("cookie"), Some("a=b; c=d"));
        for gone in [
            "authorization",
            "proxy-authorization",
            "x-original-url",
            "x-rewrite-url",
            "x-http-method-override",
            "x-access-token",
            "x-authorization",
        ] {
            assert_eq!(received.field(gone), None, "{gone}");
        }
    }
    let only = gate.ask(get(&format!("/orders/1?access_token={ann}"), ""));
    assert_eq!(only.verdict(), "200");
    assert_eq!(backend.last().line(), "GET /orders/1");
}

#[test]
fn forwarding_fields_of_a_stranger_are_rebuilt_and_of_a_trusted_peer_continued() {
    let backend = Backend::plain();
    let said = "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Prefix: /x\r\n\
        X-Real-IP: 198.51.100.1\r\nTrue-Client-IP: 198.51.100.1\r\nX_Forwarded_For: 198.51.100.1\r\n\
        Forwarded: for=198.51.100.1\r\n";
    let stranger = gateway(&backend);
    let answer = stranger.ask(get("/status", said));
    let received = backend.last();
    assert_eq!(received.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(received.field("x-forwarded-proto"), Some("http"));
    assert!(!received.raw_head.contains("198.51.100.1"), "{}", received.raw_head);
    assert_eq!(stranger.access_line(&answer)["client"], "127.0.0.1");

    let trust = "[trust]\nproxies = [\"127.0.0.0/8\"]";
    let trusting = Setup::new(&backend.url()).tables(RULES).tables(trust).start();
    let answer = trusting.ask(get("/status", said));
    let received = backend.last();
    assert_eq!(received.field("x-forwarded-for"), Some("198.51.100.1, 127.0.0.1"));
    assert_eq!(received.field("x-forwarded-proto"), Some("https"));
    assert_eq!(
        received.field("forwarded"),
        Some(r#"for=198.51.100.1, for=127.0.0.1;host="shop.example";proto=http"#)
    );
    assert_eq!(received.field("x-forwarded-prefix"), None);
    assert_eq!(received.field("x_forwarded_for"), None);
    assert_eq!(trusting.access_line(&answer)["client"], "198.51.100.1");
}

#[test]
fn hop_by_hop_fields_end_here_in_both_directions() {
    let backend = Backend::scripted(|_| {
        let fields = "Connection: X-Hop\r\nConnection: keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
            Upgrade: h2c\r\nProxy-Authenticate: Basic\r\nProxy-Status: forged\r\nX-End: 2\r\n\
            Proxy-Connection: close\r\nTrailer: X-T\r\n";
        vec![Step::Body, Step::Write(answer("200 OK", fields, "hello"))]
    });
    let gate = gateway(&backend);
    let mut client = gate.connect();
    let fields = "Connection: X-Mine, keep-alive\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n\
        Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nProxy-Connection: keep-alive\r\nTrailer: X-T\r\n\
        X-Mine-Too: 2\r\n";
    for _ in 0..2 {
        let answer = client.ask(get("/status", fields));
        let kept = ["content-length", "date", "trailer", "x-end", "x-request-id"];
        let mut names: Vec<_> =
            answer.head.fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort();
        assert!(names.iter().all(|name| kept.contains(&name.as_str())), "{names:?}");
        assert!(names.contains(&"x-end".to_owned()));
        let expected = [
            "forwarded",
            "host",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-mine-too",
            "x-request-id",
        ];
        assert_eq!(backend.last().names(), expected);
    }
}

#[test]
fn bodies_arrive_whole_with_a_framing_of_our_own() {
    let backend = Backend::scripted(|_| {
        vec![Step::Body, Step::Reply(|received| ok(std::str::from_utf8(&received.body).unwrap()))]
    });
    let gate = gateway(&backend);
    let ann = gate.bearer("ann");
    let chunked = format!("{ann}Transfer-Encoding: chunked\r\n");
    let mut client = gate.connect();
    for method in ["POST", "GET", "DELETE", "PUT"] {
        let answer = client.ask(request(method, "/orders/1", &ann, "twelve bytes"));
        assert_eq!(answer.text(), "twelve bytes", "{method} with a length");
        assert_eq!(backend.last().field("content-length"), Some("12"));

        let chunks =
            "6;ext=1\r\ntwelve\r\n6\r\n bytes\r\n0\r\nX-Auth-Subject: root\r\nX-T: 1\r\n\r\n";
        let head = request(method, "/orders/1", &chunked, "");
        let answer = client.ask(format!("{head}{chunks}"));
        assert_eq!(answer.text(), "twelve bytes", "{method} in chunks");
        let received = backend.last();
        assert_eq!(received.field("transfer-encoding"), Some("chunked"));
        assert_eq!(received.field("content-length"), None);
        assert_eq!((received.came, received.trailers), (Came::Whole, vec![]));
        assert!(!String::from_utf8_lossy(&received.raw_body).contains("ext"));
    }
    let mut h2 = Http2::connect(gate.address);
    let ann = format!("Bearer {}", gate.token("ann"));
    let large = "0123456789abcdef".repeat(20_000);
    for method in ["POST", "GET"] {
        let answer = h2.ask(method, "/orders/1", &[("authorization", &ann)], &large);
        assert_eq!(answer.text(), large, "{method} over HTTP/2");
    }
    let answer = h2.get("/orders/1", &[("authorization", &ann)]);
    assert_eq!(answer.text(), "");
    let received = backend.last();
    assert_eq!(received.field("content-length").or(received.field("transfer-encoding")), None);
}

#[test]
fn answers_keep_their_own_shape() {
    let backend = Backend::scripted(|head| {
        let bytes = match head.word(1) {
            "/catalog/none" => b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n".to_vec(),
            "/catalog/same" => b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n".to_vec(),
            "/catalog/head" => b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n".to_vec(),
            "/catalog/old" => b"HTTP/1.0 200 OK\r\n\r\nuntil the end".to_vec(),
            "/catalog/chunks" => {
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".to_vec()
            }
            _ => b"HTTP/1.1 299 Fine\r\nContent-Length: 0\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n".to_vec(),
        };
        let last = if head.word(1) == "/catalog/old" { vec![Step::Close] } else { vec![] };
        [Step::Body, Step::Write(bytes)].into_iter().chain(last).collect()
    });
    let gate = gateway(&backend);
    let mut client = gate.connect();
    let none = client.ask(get("/catalog/none", ""));
    assert_eq!((none.status, none.end), (204, End::Bodiless));
    assert_eq!((none.field("content-length"), none.field("transfer-encoding")), (None, None));
    let same = client.ask(get("/catalog/same", "If-None-Match: \"x\"\r\n"));
    assert_eq!((same.status, same.field("etag")), (304, Some("\"x\"")));
    assert_eq!(backend.last().field("if-none-match"), Some("\"x\""));
    let head = client.send(request("HEAD", "/catalog/head", "", "")).answer_to_head();
    assert_eq!((head.status, head.field("content-length")), (200, Some("1234")));
    assert_eq!(backend.last().line(), "HEAD /catalog/head");
    let chunks = client.ask(get("/catalog/chunks", ""));
    assert_eq!((chunks.text(), chunks.end), ("abcde", End::Clean));
    let fine = client.ask(get("/catalog/fine", ""));
    assert_eq!((fine.status, fine.head.all("set-cookie")), (299, vec!["a=1", "b=2"]));
    let old = client.ask(get("/catalog/old", ""));
    assert_eq!((old.text(), old.end), ("until the end", End::Clean));
    assert!(old.head.first.starts_with("HTTP/1.1"), "{}", old.head.first);
}

#[test]
fn a_hundred_comes_only_after_the_decision() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    let mut client = gate.connect();
    let expects = format!("{}Content-Length: 5\r\nExpect: 100-continue\r\n", gate.bearer("ann"));
    client.send(get("/orders/1", &expects).replace("GET", "POST"));
    assert_eq!(client.head().word(1), "100");
    let answer = client.send("hello").answer();
    assert_eq!(answer.verdict(), "200");
    let received = backend.last();
    assert_eq!((received.body.as_slice(), received.field("expect")), (&b"hello"[..], None));

    let mut client = gate.connect();
    let expects = "Content-Length: 5\r\nExpect: 100-continue\r\n";
    let refused = client.ask(get("/orders/1", expects).replace("GET", "POST"));
    assert_eq!(refused.verdict(), "401 unauthenticated", "no 100, and no byte of the body needed");
    assert_eq!(backend.received().len(), 1);
}

#[test]
fn trailers_of_an_answer_reach_those_who_asked_for_them() {
    let backend = Backend::scripted(|_| {
        let bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
            5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n";
        vec![Step::Body, Step::Write(bytes.into())]
    });
    let gate = Setup::new(&backend.url()).key("workers", "1").tables(RULES).start();
    let mut client = gate.connect();
    let asked = client.ask(get("/status", "TE: trailers\r\nConnection: TE\r\n"));
    assert_eq!(asked.text(), "hello");
    assert_eq!(asked.trailers.len(), 1, "{asked:?}");
    assert!(asked.trailers[0].0.eq_ignore_ascii_case("x-sum") && asked.trailers[0].1 == "7");
    let plain = client.ask(get("/status", ""));
    assert_eq!((plain.text(), plain.trailers.len(), plain.end), ("hello", 0, End::Clean));
    let mut h2 = Http2::connect(gate.address);
    let asked = h2.get("/status", &[("te", "trailers")]);
    assert_eq!(asked.trailers.unwrap()["x-sum"], "7");
    assert_eq!(backend.connections(), 2, "one look at the start; trailers end an answer cleanly");
}

#[test]
fn an_answer_to_a_caller_is_private_and_one_to_nobody_is_the_backends_affair() {
    let backend = Backend::scripted(|head| {
        let fields = if head.word(1).ends_with("strict") {
            "Cache-Control: no-store\r\nVary: Accept\r\n"
        } else {
            "Cache-Control: public, max-age=60\r\n"
        };
        vec![Step::Body, Step::Write(answer("200 OK", fields, "x"))]
    });
    let gate = gateway(&backend);
    let ann = gate.bearer("ann");
    for (target, fields, cache, vary) in [
        ("/catalog/1", "", "public, max-age=60", vec![]),
        ("/status", ann.as_str(), "public, max-age=60", vec![]),
        ("/catalog/1", ann.as_str(), "private", vec!["Authorization"]),
        ("/orders/strict", ann.as_str(), "no-store", vec!["Accept", "Authorization"]),
    ] {
        let answer = gate.ask(get(target, fields));
        assert_eq!(answer.field("cache-control"), Some(cache), "{target}");
        assert_eq!(answer.head.all("vary"), vary, "{target}");
    }
}

#[test]
fn a_backend_of_its_own_gets_the_rest_of_the_path_and_its_own_host() {
    let backend = Backend::plain();
    let other = Backend::plain();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("app.sock");
    let local = Backend::on_socket(&socket);
    let tables = format!(
        r#"
[rules]
"* /reports/**" = {{ who = "guest", backend = "reports" }}
"* /local/**"   = {{ who = "guest", backend = "local" }}
[backends.reports]
url = "{}"
strip = "/reports"
host = "backend"
[backends.local]
url = "{}"
"#,
        other.url(),
        local.url(),
    );
    let gate = Setup::new(&backend.url()).tables(&tables).start();
    assert_eq!(gate.ask(get("/reports/2026/%7Ex?q=/reports", "")).verdict(), "200");
    let received = other.last();
    assert_eq!(received.line(), "GET /2026/~x?q=/reports");
    assert_eq!(received.field("host"), Some(other.address().to_string().as_str()));
    assert_eq!(received.field("x-forwarded-host"), Some("shop.example"));
    assert_eq!(gate.ask(get("/reports", "")).verdict(), "200");
    assert_eq!(other.last().line(), "GET /");
    assert_eq!(gate.ask(get("/reports/", "")).verdict(), "200");
    assert_eq!(other.last().line(), "GET /");
    assert_eq!(gate.ask(request("POST", "/local/1", "", "hello")).verdict(), "200");
    let received = local.last();
    assert_eq!((received.line(), received.body.as_slice()), ("POST /local/1", &b"hello"[..]));
    assert_eq!(received.field("host"), Some("shop.example"));
    assert!(backend.received().is_empty());
}

#[test]
fn cookie_lines_of_http2_become_one_without_ours() {
    let backend = Backend::plain();
    let from = "[tokens]\nfrom = [\"cookie:session\"]";
    let gate = Setup::new(&backend.url()).tables(RULES).tables(from).start();
    let session = format!("session={}", gate.token("ann"));
    let mut h2 = Http2::connect(gate.address);
    let cookies = [("cookie", "a=b"), ("cookie", session.as_str()), ("cookie", "c=d; e=f")];
    assert_eq!(h2.get("/orders/1", &cookies).verdict(), "200");
    let received = backend.last();
    assert_eq!(received.field("cookie"), Some("a=b; c=d; e=f"));
    assert_eq!(received.field("x-auth-subject"), Some("ann"));
    assert_eq!(h2.get("/orders/1", &cookies[1..2]).verdict(), "200");
    assert_eq!(backend.last().field("cookie"), None);
}

#[test]
fn an_identity_that_no_backend_would_take_is_refused_and_not_cut() {
    let backend = Backend::plain();
    let identity = format!("[identity]\nX-Who = \"{{principal.id}} {}\"", "a".repeat(4096));
    let gate = Setup::new(&backend.url()).tables(RULES).tables(&identity).start();
    let answer = gate.ask(get("/orders/1", &gate.bearer("ann")));
    assert_eq!(answer.verdict(), "502 identity_too_large");
    assert_eq!(gate.ask(get("/catalog/1", "")).verdict(), "200", "a guest has none");
}
