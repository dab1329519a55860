//! What a proxy keeps: as it has started, for each connection that is silent, for each token.

use tokio::{net::TcpStream, task::LocalSet};

use crate::{
    Outcome,
    load::{self, Connection, Shot, Target},
    peers::{Peer, Peers},
    scenario::{Caller, Scenario, Way},
};

/// Requests before the first look, so that what is made once is not counted with what is made for each.
const WARMING: u64 = 2_000;

/// The figures of one peer. It has served nobody but a check yet.
pub(crate) fn measure(peers: &Peers, peer: &Peer, scenario: &Scenario) -> Outcome<Shot> {
    if scenario.way == Way::Rest {
        return Ok(Shot::from([("pss_mib", mib(peer.process.settled_memory()?))]));
    }
    let mut target = Target::new(peers, peer, scenario, WARMING);
    target.connections = 64;
    if !scenario.wire.is_http2() {
        load::run(&target, || Ok(()))?;
    }
    let before = peer.process.settled_memory()?;
    let (after, each) = match scenario.caller {
        Caller::Many(tokens) if scenario.way == Way::Fill => {
            let target = Target::new(peers, peer, scenario, tokens as u64);
            let seen = load::run(&target, || Ok(()))?;
            if let Some(error) = seen.first {
                return Err(format!("{}: {error}", peer.kind.name()).into());
            }
            (peer.process.settled_memory()?, tokens)
        }
        Caller::Many(_)
        | Caller::Nobody
        | Caller::One
        | Caller::IllFormed
        | Caller::Forged
        | Caller::Expired
        | Caller::User => {
            target.connections = scenario.connections;
            (hold(&target, peer, scenario)?, scenario.connections)
        }
    };
    let bytes = after.saturating_sub(before) as f64 / each as f64;
    let figure = match scenario.way {
        Way::Fill => ("bytes_each", bytes),
        Way::Again | Way::Anew | Way::Echo | Way::Paced(_) | Way::Rest | Way::Hold => {
            ("kib_each", bytes / 1024.0)
        }
    };
    Ok(Shot::from([figure, ("pss_mib", mib(after))]))
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The peer's memory while all connections are open, each of which was answered once.
fn hold(target: &Target, peer: &Peer, scenario: &Scenario) -> Outcome<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let (mut silent, mut streams) = (Vec::new(), Vec::new());
        for _ in 0..target.connections {
            if scenario.wire.is_http2() {
                streams.push(ask_by_http2(target).await?);
            } else {
                let mut connection = Connection::open(target).await?;
                connection.ask(&target.asked, 0).await?;
                silent.push(connection);
            }
        }
        // Nobody reads meanwhile: this blocks the thread of all connections.
        peer.process.settled_memory()
    })
}

/// A connection by prior knowledge of HTTP/2, which lasts as long as what is returned.
async fn ask_by_http2(target: &Target) -> Outcome<h2::client::SendRequest<bytes::Bytes>> {
    let stream = TcpStream::connect(("127.0.0.1", target.port)).await?;
    let (sender, connection) = h2::client::handshake(stream).await?;
    tokio::task::spawn_local(async {
        // It ends when the connection is dropped.
        let _ = connection.await;
    });
    let mut sender = sender.ready().await?;
    let mut field = b"Bearer ".to_vec();
    target.asked.credentials.append(0, &mut field);
    let request = http::Request::builder()
        .uri(format!("http://bench.example{}", target.asked.path))
        .header("authorization", field)
        .body(())?;
    let (answer, _) = sender.send_request(request, true)?;
    let mut answer = answer.await?;
    if answer.status().as_u16() != target.asked.status {
        return Err(format!("another answer is due than {}", answer.status()).into());
    }
    while let Some(piece) = answer.body_mut().data().await {
        let length = piece?.len();
        answer.body_mut().flow_control().release_capacity(length)?;
    }
    Ok(sender)
}
