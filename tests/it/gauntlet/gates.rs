//! The gateways of a group: one for each configuration that its rows name, started when first asked.

use std::cell::RefCell;

use super::{
    bytes::{self, Words},
    data::Gate,
};
use crate::harness::{
    backend::{Backend, Received, Step, answer},
    client::{bearer, request},
    gateway::{Gateway, Setup},
    tokens::{self, PEOPLE, Token},
    until,
};

/// Holds on every gateway of the list.
const IN_SYNC: &str = "[rules]\n\"GET /in-sync\" = \"public\"";

/// A gateway and what stands behind it.
pub(crate) struct Running {
    pub(crate) gate: Gateway,
    pub(crate) backend: Backend,
    pub(crate) words: Words,
    /// Requests of cases that are over whose heads may still be on their way to the backend.
    pub(crate) late: RefCell<Vec<String>>,
}

/// Those that run.
#[derive(Default)]
pub(crate) struct Gates(Vec<(Gate, Running)>);

impl Gates {
    pub(crate) fn running(&mut self, gate: &Gate) -> &Running {
        let known = self.0.iter().position(|(known, _)| known == gate);
        let index = known.unwrap_or_else(|| {
            self.0.push((gate.clone(), start(gate)));
            self.0.len() - 1
        });
        &self.0[index].1
    }
}

fn start(gate: &Gate) -> Running {
    let backend = Backend::scripted(|_| vec![Step::Body, Step::Reply(echo)]);
    let tables = gate.tables.replacen("[rules]", IN_SYNC, 1);
    assert!(tables.contains(IN_SYNC), "{tables} has no [rules]");
    let mut words = Words::from([("backend".to_owned(), backend.url())]);
    let mut setup = Setup::new(&backend.url());
    for (name, value) in &gate.keys {
        setup = setup.key(name, value);
    }
    let gateway = setup.tables(&bytes::text(&tables.replace('\n', "\\n"), &words)).start();
    if !gate.keys.contains_key("store") {
        for (name, ..) in PEOPLE {
            let token = gateway.token(name);
            let escaped = token.bytes().map(|byte| format!("%{byte:02x}")).collect();
            words.insert(format!("{name}-escaped"), escaped);
            words.insert(name.to_owned(), token.to_owned());
        }
    }
    words.insert("expired".into(), Token::expired("ann").text);
    words.insert("forged".into(), tokens::forged());
    words.insert("unknown".into(), tokens::unknown());
    let mut running = Running { gate: gateway, backend, words, late: RefCell::default() };
    gate.setup.iter().for_each(|step| prepare(&mut running, step));
    running
}

/// What the backend answers, so that nobody can be given another's answer unseen.
fn echo(received: &Received) -> Vec<u8> {
    let body = if received.head.word(0) == "HEAD" { "" } else { received.line() };
    answer("200 OK", "", body)
}

fn prepare(running: &mut Running, step: &super::data::Preparation) {
    let words = &mut running.words;
    let (method, target) = step.ask.split_once(' ').unwrap();
    let target = bytes::text(target, words);
    let fields = step.with.as_ref().map(|who| bearer(&words[who])).unwrap_or_default();
    let asked = request(method, &target, &fields, &bytes::text(&step.body, words));
    // On a loaded machine the first tenant may be made, and a password hashed, too late at first.
    let heard = until(&step.ask, || Some(running.gate.ask(&asked)).filter(|it| it.status == 200));
    for (word, pointer) in &step.keep {
        let body = heard.json();
        let text = body.pointer(pointer).and_then(|found| found.as_str());
        let text = text.unwrap_or_else(|| panic!("{}: no {pointer} in {body}", step.ask));
        words.insert(word.clone(), text.to_owned());
    }
}
