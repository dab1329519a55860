use bytes::Bytes;
use http::Uri;
use tokio::{net::TcpListener, task::spawn_local};

use super::*;
use crate::{
    upstream::{
        Outgoing, Roster,
        testing::{backend, get, on_worker},
    },
    wire::Fields,
};

/// Takes one connection with one stream at a time, and nobody after that; answers when it may.
async fn once(listener: TcpListener, go: Rc<Notify>) {
    let (stream, _) = listener.accept().await.unwrap();
    drop(listener);
    let mut server = h2::server::Builder::new();
    let greeting = server.max_concurrent_streams(1).handshake::<_, Bytes>(stream);
    let mut connection = greeting.await.unwrap();
    while let Some(Ok((_, mut answer))) = connection.accept().await {
        let go = Rc::clone(&go);
        spawn_local(async move {
            go.notified().await;
            answer.send_response(Response::new(()), true).unwrap();
        });
    }
}

#[test]
fn a_server_that_takes_no_more_connections_is_used_over_those_that_it_has() {
    on_worker(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("url = \"http://{}\"\nhttp = \"2\"", listener.local_addr().unwrap());
        let go = Rc::new(Notify::new());
        spawn_local(once(listener, Rc::clone(&go)));
        let settings = backend(&url);
        let roster = Roster::new(&settings, None);
        let upstream = Upstream::new(settings, &roster, 1, None);
        let request = || {
            let target = Uri::from_static("http://shop.example/");
            Outgoing { target, fields: Fields::default(), ..get() }
        };
        let long = Duration::from_secs(20);
        let sending = Rc::clone(&upstream);
        let first = spawn_local(async move { sending.send(request(), long).await.map(drop) });
        let full = || upstream.servers.any(|member| (member.lines.streams() > 0).then_some(()));
        while full().is_none() {
            tick::sleep(tick::PERIOD).await;
        }
        for _ in 0..4 {
            let refused = upstream.send(request(), long).await.map(drop);
            assert!(matches!(refused, Err(UpstreamError::Connect(_))), "{refused:?}");
        }
        assert!(upstream.servers.choose(&[]).is_none(), "it is known to take none");
        go.notify_one();
        first.await.unwrap().unwrap();
        go.notify_one();
        upstream.send(request(), long).await.unwrap();
    });
}
