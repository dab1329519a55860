//! What is asked of another server, and what never is.

use super::{
    super::harness::{
        free_port,
        streams::{Act, Streams},
    },
    *,
};

/// Keeps a server in, whatever it does, with room for as many second tries as there are requests.
const ALWAYS: &str = "ejection = { floor = 100 }\nretry = { budget = 100 }";

/// Closes instead of an answer, or after a piece of one.
fn closing(piece: &'static str) -> Backend {
    Backend::scripted(move |_| {
        vec![Step::Body, Step::Write(piece.as_bytes().to_vec()), Step::Close]
    })
}

#[test]
fn what_changes_nothing_is_asked_of_another_server_once() {
    let (bad, good) = (closing(""), Backend::plain());
    let gate = gateway(&urls(&[&bad, &good]), ALWAYS);
    let mut client = gate.connect();
    until("the one that closes to be asked", || {
        for method in ["GET", "OPTIONS"] {
            let answer = client.ask(request(method, "/open/1", "", ""));
            assert_eq!(answer.verdict(), "200", "{method}");
        }
        (came(&bad, "/open/1") > 3).then_some(())
    });
    // Whatever carries a body is left to the client, by whichever method.
    until("a body to meet it", || {
        let verdict = client.ask(request("GET", "/open/body", "", "x")).verdict();
        (verdict == "502 backend_closed").then_some(())
    });
    let both = (closing(""), closing(""));
    let gate = gateway(&urls(&[&both.0, &both.1]), ALWAYS);
    assert_eq!(gate.ask(get("/open/1", "")).verdict(), "502 backend_closed");
    assert_eq!((came(&both.0, "/open/1"), came(&both.1, "/open/1")), (1, 1));
}

#[test]
fn what_may_change_something_comes_to_one_server_once() {
    let (first, second) = (closing(""), closing(""));
    let gate = gateway(&urls(&[&first, &second]), ALWAYS);
    let mut client = gate.connect();
    for number in 0..12 {
        let (method, body) =
            [("POST", "x"), ("POST", ""), ("PUT", "x"), ("DELETE", "")][number % 4];
        let target = format!("/open/{number}");
        let answer = client.ask(request(method, &target, "", body));
        assert_eq!(answer.verdict(), "502 backend_closed");
        let times = came(&first, &target) + came(&second, &target);
        assert_eq!(times, 1, "{method} {target}");
    }
}

#[test]
fn nothing_is_asked_again_after_a_byte_of_an_answer_or_where_the_file_forbids_it() {
    for (piece, more) in
        [("HTTP/1.1 2", ALWAYS), ("", "ejection = { floor = 100 }\nretry = { safe = false }")]
    {
        let (bad, good) = (closing(piece), Backend::plain());
        let gate = gateway(&urls(&[&bad, &good]), more);
        let mut client = gate.connect();
        until("the one that closes to be asked", || {
            let before = came(&bad, "/open/1") + came(&good, "/open/1");
            let verdict = client.ask(get("/open/1", "")).verdict();
            let times = came(&bad, "/open/1") + came(&good, "/open/1") - before;
            assert_eq!(times, 1, "{verdict}");
            (verdict == "502 backend_closed").then_some(())
        });
    }
}

#[test]
fn a_server_that_takes_no_connection_costs_no_request_of_whatever_method_within_the_budget() {
    let good = Backend::plain();
    let servers = || [format!("http://127.0.0.1:{}", free_port()), good.url()];
    let gate = gateway(&servers(), "");
    let mut client = gate.connect();
    for _ in 0..20 {
        assert_eq!(client.ask(request("POST", "/open/1", "", "x")).verdict(), "200");
    }
    let gate = gateway(&servers(), "retry = { budget = 0 }");
    let mut client = gate.connect();
    until("a request to meet it", || {
        let verdict = client.ask(request("POST", "/open/2", "", "x")).verdict();
        (verdict == "502 backend_unreachable").then_some(())
    });
}

#[test]
fn over_http_2_the_same_holds() {
    let reset =
        || Streams::scripted(|_, _| vec![Act::Body, Act::Reset(h2::Reason::INTERNAL_ERROR)]);
    let (bad, good) = (reset(), Streams::plain());
    let more = format!("http = \"2\"\n{ALWAYS}");
    let urls = [&bad, &good].map(|backend| format!("http://{}", backend.address));
    let gate = gateway(&urls, &more);
    let mut client = gate.connect();
    until("the one that resets to be asked", || {
        assert_eq!(client.ask(get("/open/1", "")).verdict(), "200");
        (bad.seen().len() > 2).then_some(())
    });
    until("a request with a body to meet it", || {
        let before = bad.seen().len() + good.seen().len();
        let verdict = client.ask(request("POST", "/open/2", "", "x")).verdict();
        assert_eq!(bad.seen().len() + good.seen().len(), before + 1, "{verdict}");
        (verdict == "502 backend_closed").then_some(())
    });
}
