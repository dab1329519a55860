//! HTTP/2, asked by `h2load`: 16 streams on each connection, and so many requests in all.

use super::{Seen, Target};
use crate::{Outcome, process::tied};

const STREAMS: &str = "16";

/// Calls `start`, and then sends the requests. Connecting is part of it; latencies are not told.
pub(super) fn run(target: &Target, start: impl FnOnce() -> Outcome<()>) -> Outcome<Seen> {
    let (requests, connections) = (target.requests.to_string(), target.connections.to_string());
    let scheme = if target.tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://127.0.0.1:{}{}", target.port, target.asked.path);
    let threads = target.connections.min(2).to_string();
    let mut field = b"authorization: Bearer ".to_vec();
    target.asked.credentials.append(0, &mut field);
    let field = String::from_utf8(field)?;
    let words = ["-n", &requests, "-c", &connections, "-m", STREAMS, "-t", &threads];
    let mut words = words.to_vec();
    words.extend(["-H", &field, &url]);
    start()?;
    let output = tied("h2load", &words)?.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    // `status codes: 100 2xx, 0 3xx, 0 4xx, 0 5xx`
    let codes = said.lines().find_map(|line| line.strip_prefix("status codes: "));
    let good: u64 = match codes.and_then(|codes| codes.split_once(" 2xx")) {
        Some((good, _)) => good.trim().parse()?,
        None => return Err(format!("h2load said nothing of use: {said}").into()),
    };
    let errors = target.requests.saturating_sub(good);
    let first = (errors > 0).then(|| said.into_owned());
    Ok(Seen { latencies: Vec::new(), errors, first })
}
