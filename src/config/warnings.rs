//! What an operator should know although the file loads.

use std::time::{Duration, SystemTime};

use super::{Store, backends::Backends, instant, report::plural};
use crate::{
    policy::{Rule, RuleSet},
    secret::Secret,
};

/// How long before its end a rule with `until` is spoken of: time enough to plan a change.
const NOTICE: Duration = Duration::from_secs(14 * 86_400);

/// Fewer different characters are no random secret: 32 random hexadecimal digits have 14 on average,
/// and fewer than 8 about once in twenty million times.
const DIFFERENT_CHARS_MIN: usize = 8;

pub(super) fn of(
    rules: &RuleSet,
    backends: &Backends,
    store: &Store,
    secrets: &[Secret],
    now: SystemTime,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if rules.rules().is_empty() {
        warnings.push("there are no rules: every request is denied".to_owned());
    }
    for rule in rules.sorted() {
        warnings.extend(rule.audit.map(|audit| audit_warning(rule, audit, now)));
        warnings.extend(rule.until.and_then(|until| until_warning(rule, until, now)));
    }
    for name in backends.unused(|index| rules.rules().iter().any(|rule| rule.backend == index)) {
        warnings.push(format!("no rule sends anything to the backend `{name}`"));
    }
    if matches!(store, Store::Memory) {
        warnings.push("the store is this process's memory: every token ends with it".to_owned());
    }
    for (index, secret) in secrets.iter().enumerate() {
        let mut chars: Vec<char> = secret.expose().chars().collect();
        chars.sort_unstable();
        chars.dedup();
        if chars.len() < DIFFERENT_CHARS_MIN {
            let number = index + 1;
            warnings.push(format!(
                "secret {number} has few different characters: `tollgate keygen` makes one that cannot be guessed"
            ));
        }
    }
    warnings
}

fn audit_warning(rule: &Rule, audit: SystemTime, now: SystemTime) -> String {
    let (name, end) = (&rule.name, instant::show(audit));
    match left(audit, now) {
        Some(left) => format!("rule \"{name}\" is in audit until {end}: {left} left"),
        None => format!("the audit of rule \"{name}\" ended at {end}: remove `audit`"),
    }
}

fn until_warning(rule: &Rule, until: SystemTime, now: SystemTime) -> Option<String> {
    let (name, end) = (&rule.name, instant::show(until));
    match left(until, now) {
        Some(_) if until > now + NOTICE => None,
        Some(left) => Some(format!("rule \"{name}\" closes at {end}: {left} left")),
        None => Some(format!("rule \"{name}\" closed at {end}: it refuses everything it matches")),
    }
}

/// `41 days`, `5 hours`, or `None` when it is over.
fn left(end: SystemTime, now: SystemTime) -> Option<String> {
    let left = end.duration_since(now).ok().filter(|left| !left.is_zero())?.as_secs();
    let (count, unit) = match left {
        0..3_600 => (left.div_ceil(60), "minute"),
        3_600..172_800 => (left / 3_600, "hour"),
        _ => (left / 86_400, "day"),
    };
    let count_text = usize::try_from(count).map_or("s", plural);
    Some(format!("{count} {unit}{count_text}"))
}
