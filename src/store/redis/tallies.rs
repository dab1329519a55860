//! Counts in Redis, which all gateways share: a number whose expiry is the end of its window.

use std::time::Duration;

use super::{RedisLink, command, reply, script};
use crate::store::{StoreError, documents::Tally};

/// Counts one more. A window begins where none runs, and never where one does: neither a count that
/// was taken back nor another gateway lengthens it.
const TALLY: &str = "local count = redis.call('INCR', KEYS[1]) \
    local left = redis.call('PTTL', KEYS[1]) \
    if left < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) left = tonumber(ARGV[1]) end \
    return {count, left}";

/// Takes one count back, if there is one; its window stays. Where there is none it writes something
/// that changes nothing, so that a replica refuses instead of agreeing.
const UNTALLY: &str = "local count = redis.call('GET', KEYS[1]) \
    if not count then redis.call('DEL', KEYS[1]) \
    else redis.call('DECRBY', KEYS[1], tonumber(count) > 0 and 1 or 0) end \
    return 1";

impl RedisLink {
    fn tally_key(&self, key: &str) -> String {
        format!("{}tally:{key}", self.prefix)
    }

    pub(in crate::store) async fn tally(
        &self,
        key: &str,
        window: Duration,
    ) -> Result<Tally, StoreError> {
        let mut command = script(TALLY, &self.tally_key(key));
        command.arg(reply::window(window));
        reply::tally(&self.links.call(&command).await?)
    }

    pub(in crate::store) async fn tallied(&self, key: &str) -> Result<u32, StoreError> {
        let found = reply::bytes(self.links.call(&command("GET", &self.tally_key(key))).await?)?;
        let Some(text) = found else { return Ok(0) };
        let count = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<i64>().ok());
        let count = count.ok_or_else(|| StoreError::bad_record("count"))?;
        Ok(u32::try_from(count.max(0)).unwrap_or(u32::MAX))
    }

    pub(in crate::store) async fn untally(&self, key: &str) -> Result<(), StoreError> {
        self.links.call(&script(UNTALLY, &self.tally_key(key))).await?;
        Ok(())
    }

    pub(in crate::store) async fn forget_tally(&self, key: &str) -> Result<(), StoreError> {
        self.links.call(&command("DEL", &self.tally_key(key))).await?;
        Ok(())
    }
}
