//! gRPC through the gateway: its own client and server, and what neither of them would send.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use h2::Reason;

use super::{
    harness::{
        backend::Backend,
        gateway::{Gateway, Setup},
        http2::{Answer, Http2},
        streams::{Act, Streams},
    },
    sdk,
};

const RULES: &str = r#"
[rules]
"POST /test.Echo/{method}"  = "authenticated"
"POST /test.Admin/{method}" = "role:admin"
"POST /test.Open/{method}"  = "guest"
"#;

fn gateway(url: &str) -> Gateway {
    let tables = format!(
        "[backends.app]\nurl = \"{url}\"\nhttp = \"2\"\ntimeouts = {{ connect = \"10s\" }}\n"
    );
    Setup::new("app").tables(RULES).tables(&tables).start()
}

#[test]
fn a_client_and_a_server_of_grpc_notice_nothing_between_them() {
    let mut server = sdk::python("grpc")
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut port = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let gate = gateway(&format!("http://127.0.0.1:{}", port.trim()));
    let output = sdk::python("grpc")
        .arg("call")
        .env("TOLLGATE", gate.address.to_string())
        .env("TOKEN", gate.token("eve"))
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    drop(server.stdin.take());
    let _ = server.kill();
    server.wait().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let failed: Vec<&str> = said.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert!(failed.is_empty(), "{failed:#?}\n{said}\n{told}");
    assert!(output.status.success(), "{}: {said}\n{told}", output.status);
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 17, "{said}");
}

const CALL: [(&str, &str); 2] = [("content-type", "application/grpc"), ("te", "trailers")];

fn call(gate: &Gateway, path: &str, more: &[(&str, &str)]) -> Answer {
    Http2::connect(gate.address).ask("POST", path, &[&CALL[..], more].concat(), "")
}

/// `401 16`.
fn codes(answer: &Answer) -> String {
    let code = answer.fields.get("grpc-status").map(|code| code.to_str().unwrap());
    format!("{} {}", answer.status.as_u16(), code.unwrap_or("-"))
}

#[test]
fn a_deadline_before_the_head_is_504_and_after_it_a_trailer_and_the_backends_stream_ends() {
    let backend = Streams::scripted(|_, seen| match seen.line.contains("Head") {
        true => vec![Act::Head(200, vec![], false), Act::Data("hello"), Act::Gone],
        false => vec![Act::Gone],
    });
    let gate = gateway(&format!("http://{}", backend.address));
    let late = call(&gate, "/test.Open/Silent", &[("grpc-timeout", "300m")]);
    assert_eq!(codes(&late), "504 4");
    assert_eq!(late.fields["grpc-message"], "the deadline of the call has passed");
    assert!(late.body.unwrap().is_empty());
    let silent = backend.wait("the reset", |seen| seen.gone.is_some());
    assert_eq!(silent.gone, Some(Reason::CANCEL));
    assert_eq!(silent.fields["grpc-timeout"], "300m");

    let late = call(&gate, "/test.Open/Head", &[("grpc-timeout", "300000u")]);
    assert_eq!((late.status.as_u16(), late.text()), (200, "hello"));
    assert_eq!(late.trailers.unwrap()["grpc-status"], "4");
    backend.wait("the other reset", |seen| seen.line.contains("Head") && seen.gone.is_some());
    let lines = super::harness::until("the access lines", || {
        let lines: Vec<_> = gate.out.json().iter().map(|line| line["reason"].clone()).collect();
        (lines.len() == 2).then_some(lines)
    });
    assert_eq!(lines, ["grpc_deadline", "grpc_deadline"]);
}

#[test]
fn a_call_that_is_refused_keeps_its_status_and_says_its_code() {
    let gone = Backend::plain().address();
    let gate = gateway(&format!("http://{gone}"));
    let eve = format!("Bearer {}", gate.token("eve"));
    let (eve, bad) = (("authorization", eve.as_str()), ("authorization", "Bearer bad"));
    for (path, more, expected) in [
        ("/test.Echo/Unary", vec![], "401 16"),
        ("/test.Echo/Unary", vec![bad], "401 16"),
        ("/test.Admin/Unary", vec![eve], "403 7"),
        ("/nowhere/Unary", vec![eve], "403 7"),
        ("/test.Open//Unary", vec![], "400 13"),
        ("/test.Open/Unary", vec![("grpc-timeout", "1s")], "400 13"),
        ("/test.Open/Unary", vec![("grpc-timeout", "1S"), ("grpc-timeout", "2S")], "400 13"),
        ("/test.Open/Unary", vec![], "502 14"),
    ] {
        let answer = call(&gate, path, &more);
        assert_eq!(codes(&answer), expected, "{path} {more:?}");
        assert_eq!(answer.fields["content-type"], "application/grpc");
        assert!(
            answer.fields.contains_key("grpc-message")
                && answer.fields.contains_key("proxy-status")
        );
        assert!(answer.body.unwrap().is_empty() && answer.trailers.is_none());
    }
    // Whoever does not speak it is told as ever.
    let json = [("content-type", "application/json")];
    let answer = Http2::connect(gate.address).ask("POST", "/test.Echo/Unary", &json, "");
    assert_eq!(
        (codes(&answer).as_str(), answer.verdict().as_str()),
        ("401 -", "401 unauthenticated")
    );
}
