//! What `[backends.NAME]` says of its servers as several: which are left out and for how long, what is asked of
//! another, whom names mean.

use std::{ops::RangeInclusive, time::Duration};

use http::uri::PathAndQuery;

use super::{
    defaults,
    reader::{Table, Value},
};

/// How requests are shared out among the servers of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balancing {
    /// When a server is left out.
    pub ejection: Ejection,
    /// What is asked of another server.
    pub retry: Retry,
    /// A question that servers are asked from time to time; `None`: they are not.
    pub health: Option<HealthCheck>,
    /// How often names are looked up again.
    pub resolve: Duration,
    /// How long a server that is new or has come back gets less than its share; zero: never.
    pub slow_start: Duration,
}

/// `ejection`: a server that fails is left out for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// After so many faults in a row.
    pub after: u32,
    /// For so long the first time; twice as long each time after.
    pub base: Duration,
    /// And never longer. Not below `base`.
    pub max: Duration,
    /// Percent of the servers; with fewer than these left, all are used. Never 0.
    pub floor: u8,
}

/// `retry`: what is sent to another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// A request that changes nothing and has no body is sent to another server once, when its connection ended
    /// before a byte of an answer.
    pub safe: bool,
    /// Percent of the requests that may be tried again.
    pub budget: u8,
}

/// `health`: the question, and what its answers mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// Whom to GET.
    pub path: PathAndQuery,
    /// How often.
    pub every: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Good answers in a row until a server that was left out is back.
    pub healthy: u32,
    /// Bad answers in a row until a server is left out.
    pub unhealthy: u32,
}

impl Default for Balancing {
    fn default() -> Self {
        Self {
            ejection: Ejection {
                after: defaults::EJECTION_AFTER,
                base: defaults::EJECTION_BASE,
                max: defaults::EJECTION_MAX,
                floor: defaults::EJECTION_FLOOR,
            },
            retry: Retry { safe: defaults::RETRY_SAFE, budget: defaults::RETRY_BUDGET },
            health: None,
            resolve: defaults::RESOLVE,
            slow_start: defaults::SLOW_START,
        }
    }
}

/// The shortest interval of what is done again and again.
const OFTEN: Duration = Duration::from_millis(100);
const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn read(table: &Table) -> Balancing {
    let base = Balancing::default();
    let day = |from| from..=DAY;
    let resolve = table.get("resolve").and_then(|value| value.duration(day(OFTEN)));
    let slow_start = table.get("slow-start");
    let slow_start = slow_start.and_then(|value| value.duration(day(Duration::ZERO)));
    Balancing {
        ejection: read_ejection(table.table("ejection"), base.ejection),
        retry: read_retry(table.table("retry"), base.retry),
        health: table.get("health").and_then(|value| read_health(&value)),
        resolve: resolve.unwrap_or(base.resolve),
        slow_start: slow_start.unwrap_or(base.slow_start),
    }
}

fn read_ejection(table: Table, base: Ejection) -> Ejection {
    let time = |key| table.get(key).and_then(|value| value.duration(OFTEN..=DAY));
    let first = time("base").unwrap_or(base.base);
    let read = Ejection {
        after: count(&table, "after").unwrap_or(base.after),
        base: first,
        max: time("max").unwrap_or(base.max).max(first),
        floor: percent(&table, "floor", 1..=100).unwrap_or(base.floor),
    };
    table.done();
    read
}

fn read_retry(table: Table, base: Retry) -> Retry {
    let read = Retry {
        safe: table.get("safe").and_then(|value| value.boolean()).unwrap_or(base.safe),
        budget: percent(&table, "budget", 0..=100).unwrap_or(base.budget),
    };
    table.done();
    read
}

fn read_health(value: &Value) -> Option<HealthCheck> {
    let table = value.table()?;
    let path = table.need("path", "add `path = \"/healthz\"`");
    let path = path.and_then(|path| read_path(&path));
    let time = |key, from| table.get(key).and_then(|value| value.duration(from..=DAY));
    let every = time("every", OFTEN);
    let timeout = time("timeout", Duration::from_millis(1));
    let (healthy, unhealthy) = (count(&table, "healthy"), count(&table, "unhealthy"));
    table.done();
    Some(HealthCheck {
        path: path?,
        every: every.unwrap_or(defaults::HEALTH_EVERY),
        timeout: timeout.unwrap_or(defaults::HEALTH_TIMEOUT),
        healthy: healthy.unwrap_or(defaults::HEALTHY),
        unhealthy: unhealthy.unwrap_or(defaults::UNHEALTHY),
    })
}

fn read_path(value: &Value) -> Option<PathAndQuery> {
    let text = value.text()?;
    let path = PathAndQuery::try_from(text.text.as_str()).ok();
    let path = path.filter(|path| path.as_str() == text.text && text.text.starts_with('/'));
    if path.is_none() {
        value.bad(format!("{} is no path", text.quoted()), "expected one such as `/healthz`");
    }
    path
}

fn count(table: &Table, key: &'static str) -> Option<u32> {
    let number = table.get(key).and_then(|value| value.integer(1..=1000));
    number.and_then(|number| u32::try_from(number).ok())
}

fn percent(table: &Table, key: &'static str, range: RangeInclusive<u64>) -> Option<u8> {
    let number = table.get(key).and_then(|value| value.integer(range));
    number.and_then(|number| u8::try_from(number).ok())
}
