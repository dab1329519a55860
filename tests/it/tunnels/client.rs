//! A WebSocket library that programs use, at both ends of the gateway.

use std::{process::Stdio, time::Duration};

use super::{
    super::{
        harness::{free_port, gateway::Setup, redis::Redis, tokens::Token},
        sdk::python,
    },
    RULES,
};

#[test]
fn a_library_at_both_ends_notices_nothing_but_the_end() {
    let mut program = python("websockets");
    let (redis, port) = (Redis::start(), free_port());
    let setup = Setup::new(&format!("http://127.0.0.1:{port}"));
    let gate = setup.key("store", &format!("{:?}", redis.url())).tables(RULES).start();
    let (eve, short) = (redis.issue("eve"), Token::expiring("eve", Duration::from_secs(15)));
    redis.keep(&short);
    let output = program
        .env("TOLLGATE_URL", format!("ws://{}", gate.address))
        .env("BACKEND_PORT", port.to_string())
        .env("TOLLGATE_TOKEN", &eve.text)
        .env("TOLLGATE_SHORT_TOKEN", &short.text)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let good = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(output.status.success() && good == 15, "{good}: {said}\n{told}");
}
