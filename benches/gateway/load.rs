//! The load, by wrk: 64 connections that are kept alive, each of which asks again at once.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use crate::{Outcome, peers::Peer, process::tied};

const CONNECTIONS: &str = "64";

/// What wrk writes at its end, exactly.
const SCRIPT: &str = r#"
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"#;

/// One peer under load for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shot {
    requests: u64,
    took: Duration,
    cpu: Duration,
    /// Connections that failed, requests without an answer, and answers that were refusals.
    pub(crate) errors: u64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Shot {
    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.requests.max(1) as f64
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.requests as f64 / self.took.as_secs_f64()
    }
}

/// One request by hand: a peer that refuses, or gives another answer, must not look fast.
pub(crate) fn check(peer: &Peer) -> Outcome<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", peer.port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let credential = peer.field.as_deref().map(|field| format!("{field}\r\n")).unwrap_or_default();
    let path = peer.path;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n{credential}\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let whole = answer.ends_with(&format!("\r\n\r\n{}", "x".repeat(1024)));
    if answer.starts_with("HTTP/1.1 200 ") && whole {
        return Ok(());
    }
    Err(format!("{} does not pass a request on:\n{answer}", peer.name).into())
}

/// Load for `length`.
pub(crate) fn fire(peer: &Peer, length: Duration, folder: &Path) -> Outcome<Shot> {
    let script = folder.join("done.lua");
    fs::write(&script, SCRIPT)?;
    let script = script.to_str().ok_or("the temporary folder is not UTF-8")?;
    let seconds = format!("{}s", length.as_secs());
    let url = format!("http://127.0.0.1:{}{}", peer.port, peer.path);
    let mut arguments = vec!["-t", "2", "-c", CONNECTIONS, "-d", &seconds, "-s", script];
    if let Some(field) = &peer.field {
        arguments.extend(["-H", field]);
    }
    arguments.push(&url);
    let before = peer.process.cpu()?;
    let output = tied("wrk", &arguments)?.output()?;
    let cpu = peer.process.cpu()?.saturating_sub(before);
    let said = String::from_utf8_lossy(&output.stdout);
    let result = said.lines().find_map(|line| line.strip_prefix("RESULT ")).unwrap_or_default();
    let numbers: Vec<u64> = result.split(' ').filter_map(|number| number.parse().ok()).collect();
    let &[requests, took, errors, p50, p99] = numbers.as_slice() else {
        return Err(format!("wrk said nothing of use: {said}").into());
    };
    Ok(Shot {
        requests,
        took: Duration::from_micros(took),
        cpu,
        errors,
        p50: Duration::from_micros(p50),
        p99: Duration::from_micros(p99),
    })
}
