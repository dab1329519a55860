//! What Redis tells of changes (`CLIENT TRACKING`, RESP3): the keys that this connection read and that
//! somebody, whoever it was, has changed since. Each moves the fence of what is kept under it.
//!
//! Invariant: it is called in the order of the wire, before any later answer is handed out. Redis tells
//! of a key once after it was read, which is enough: what was read before counts no more.

use std::sync::Arc;

use redis::{PushInfo, PushKind, Value};
use uuid::Uuid;

use super::probe::{self, Probes};
use crate::fences::{Fence, Fences};

/// Moves fences.
#[derive(Debug)]
pub(super) struct Changes {
    fences: Arc<Fences>,
    prefix: Arc<str>,
    probes: Probes,
}

impl Changes {
    pub(super) fn new(fences: Arc<Fences>, prefix: Arc<str>) -> Self {
        Self { fences, prefix, probes: Probes::default() }
    }

    /// One message. What is none of changes is none of ours.
    pub(super) fn hear(&self, told: PushInfo) {
        if told.kind != PushKind::Invalidate {
            return;
        }
        for value in told.data {
            let Value::Array(keys) = value else {
                // FLUSHALL, or whatever else: nothing is known any more.
                self.fences.bump_all();
                continue;
            };
            for key in &keys {
                if let Value::BulkString(key) = key {
                    self.changed(key);
                } else {
                    self.fences.bump_all();
                }
            }
        }
    }

    fn changed(&self, key: &[u8]) {
        let own = key.strip_prefix(self.prefix.as_bytes()).map(str::from_utf8);
        let own = own.transpose().ok().flatten();
        if own.and_then(probe::number).is_some_and(|number| self.probes.heard(number)) {
            return;
        }
        // Another service's keys have no form of their own: any key may be one of them.
        let foreign = self.fences.of_foreign(key);
        match own.and_then(|own| self.fence_of(own)) {
            Some(fence) => self.fences.bump_both(foreign, fence),
            None => self.fences.bump(foreign),
        }
    }

    fn fence_of(&self, own: &str) -> Option<Fence> {
        if let Some(id) = own.strip_prefix("token:") {
            return Uuid::try_parse(id).ok().map(|id| self.fences.of_token(id));
        }
        if let Some(subject) = own.strip_prefix("principal:user:") {
            return Some(self.fences.of_subject(subject));
        }
        own.starts_with('{').then(|| self.fences.of_document(own))
    }

    /// Those who wait for a change of their own making.
    pub(super) fn probes(&self) -> &Probes {
        &self.probes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(keys: &[&str]) -> PushInfo {
        let keys = keys.iter().map(|key| Value::BulkString(key.as_bytes().to_vec())).collect();
        PushInfo { kind: PushKind::Invalidate, data: vec![Value::Array(keys)] }
    }

    #[test]
    fn each_key_moves_the_fence_of_what_is_kept_under_it() {
        let id = Uuid::from_u128(0xabc);
        let fences = Arc::new(Fences::new());
        #[rustfmt::skip] // a table is read by column
        let rows: [(&str, Fence); 5] = [
            ("tg:token:00000000000000000000000000000abc", fences.of_token(id)),
            ("tg:principal:user:ann", fences.of_subject("ann")),
            ("tg:principal:user:ann:{x}", fences.of_subject("ann:{x}")),
            ("tg:{dir}org:1", fences.of_document("{dir}org:1")),
            ("session:1234", fences.of_foreign(b"session:1234")),
        ];
        let changes = Changes::new(Arc::clone(&fences), "tg:".into());
        for (key, fence) in rows {
            let mark = fences.mark(fence);
            changes.hear(told(&["nothing of ours", key]));
            assert!(!fences.holds(mark), "{key}");
        }
    }

    #[test]
    fn what_is_flushed_or_not_understood_moves_all_and_other_messages_none() {
        let fences = Arc::new(Fences::new());
        let changes = Changes::new(Arc::clone(&fences), "".into());
        let mark = || fences.mark(fences.of_subject("ann"));
        for data in [vec![Value::Nil], vec![Value::Array(vec![Value::Int(1)])]] {
            let before = mark();
            changes.hear(PushInfo { kind: PushKind::Invalidate, data });
            assert!(!fences.holds(before));
        }
        let before = mark();
        changes.hear(PushInfo { kind: PushKind::Message, data: vec![Value::Nil] });
        changes.hear(PushInfo { kind: PushKind::Disconnection, data: vec![] });
        assert!(fences.holds(before));
    }
}
