//! Documents and sets in Redis: strings, and sorted sets whose members all have score 0, so that they
//! stand in the order of their bytes.

use redis::{Cmd, Pipeline};

use super::{RedisLink, command, reply, script};
use crate::{
    config::WaitReplicas,
    store::{
        StoreError,
        documents::{Change, Commit, DocumentKey, Slot},
    },
};

/// Makes a commit: `KEYS[1]` never exists; each further key has two arguments, what about it and a
/// value. What a Redis refuses (it is a replica, its memory is full, a set is something else), it
/// refuses before the first change: a script cannot take a change back.
///
/// Deleting what does not exist changes nothing, and a replica refuses to do it: without that, one
/// that lags behind would say that an expectation did not hold.
const COMMIT: &str = "for i = 2, #KEYS do \
        local what, value = ARGV[2 * i - 3], ARGV[2 * i - 2] \
        if what == 'is' or what == 'none' then \
            if redis.call('GET', KEYS[i]) ~= (what == 'is' and value) then \
                redis.call('DEL', KEYS[1]) return 0 end \
        elseif what == 'add' or what == 'remove' then redis.call('ZCARD', KEYS[i]) end \
    end \
    local changed = false \
    for i = 2, #KEYS do \
        local what, value = ARGV[2 * i - 3], ARGV[2 * i - 2] \
        if what == 'put' then redis.call('SET', KEYS[i], value) changed = true \
        elseif what == 'delete' then redis.call('DEL', KEYS[i]) changed = true \
        elseif what == 'add' then redis.call('ZADD', KEYS[i], 0, value) changed = true \
        elseif what == 'remove' then redis.call('ZREM', KEYS[i], value) changed = true end \
    end \
    if not changed then redis.call('DEL', KEYS[1]) end \
    return 1";

/// A write that changes nothing, and that a server sends its replicas.
const CONFIRM: &str = "redis.call('SET', KEYS[1], '') redis.call('DEL', KEYS[1]) return 1";

/// The name of nothing: no document and no set has a control character in its name.
const NOTHING: &str = "\0nothing";

impl RedisLink {
    fn document_key(&self, slot: Slot, name: &str) -> String {
        format!("{}{}", self.prefix, slot.key(name))
    }

    /// Each as it was at its moment; a commit in between may show in one and not yet in another.
    pub(in crate::store) async fn documents(
        &self,
        keys: &[DocumentKey],
    ) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let mut pipeline = Pipeline::with_capacity(keys.len());
        for key in keys {
            pipeline.add_command(command("GET", &self.document_key(key.slot, &key.name)));
        }
        self.links.call_all(&pipeline).await?.into_iter().map(reply::bytes).collect()
    }

    pub(in crate::store) async fn commit(&self, commit: &Commit) -> Result<bool, StoreError> {
        let command = self.commit_command(commit);
        let takes = commit.may_take_away();
        let answer = if takes { self.take(&command).await } else { self.give(&command).await };
        reply::was_there(&answer?)
    }

    /// Waits for what was written in `slot` before, by a write of its own that leaves nothing.
    pub(in crate::store) async fn confirm(&self, slot: Slot) -> Result<(), StoreError> {
        if self.replicas != WaitReplicas::Never {
            self.take(&script(CONFIRM, &self.document_key(slot, NOTHING))).await?;
        }
        Ok(())
    }

    fn commit_command(&self, commit: &Commit) -> Cmd {
        let expects = commit.expects.iter().map(|(name, expected)| match expected {
            Some(value) => (name, "is", value.as_slice()),
            None => (name, "none", [].as_slice()),
        });
        let changes = commit.changes.iter().map(|change| match change {
            Change::Put { name, value } => (name, "put", value.as_slice()),
            Change::Delete { name } => (name, "delete", [].as_slice()),
            Change::Add { set, member } => (set, "add", member.as_bytes()),
            Change::Remove { set, member } => (set, "remove", member.as_bytes()),
        });
        let steps: Vec<_> = expects.chain(changes).collect();
        let mut command = Cmd::new();
        command.arg("EVAL").arg(COMMIT).arg(steps.len() + 1);
        command.arg(self.document_key(commit.slot, NOTHING));
        for (name, ..) in &steps {
            command.arg(self.document_key(commit.slot, name));
        }
        for (_, what, value) in steps {
            command.arg(what).arg(value);
        }
        command
    }

    pub(in crate::store) async fn members(
        &self,
        slot: Slot,
        set: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let mut command = command("ZRANGEBYLEX", &self.document_key(slot, set));
        let after = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        command.arg(after).arg("+").arg("LIMIT").arg(0).arg(limit);
        reply::texts(self.links.call(&command).await?)
    }

    pub(in crate::store) async fn count_members(
        &self,
        slot: Slot,
        set: &str,
    ) -> Result<usize, StoreError> {
        let command = command("ZCARD", &self.document_key(slot, set));
        reply::count(&self.links.call(&command).await?)
    }
}
