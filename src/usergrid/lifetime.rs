//! How long a token lives: what a request may ask for, and what an application or the operator allows.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::{Desk, Fault};
use crate::{
    directory::model::Application,
    token::ttl::{NEVER_MS, unix_ms},
};

/// `expires_in` of a token that never expires, as the platform answers it.
pub(super) const NEVER_SECONDS: i64 = 9_223_372_036_854_775;

impl Desk<'_> {
    /// The lifetime that was asked for, or the default: `None` never expires.
    ///
    /// `application` has a maximum of its own, which is then its default too.
    pub(super) fn lifetime(
        &self,
        application: Option<&Application>,
    ) -> Result<Option<Duration>, Fault> {
        let settings = self.directory.settings();
        let own = application.and_then(|application| application.token_ttl_ms);
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let (default_ms, max_ms) = match own {
            Some(0) if settings.never_expire => (0, i64::MAX),
            Some(own) if own > 0 => {
                let own = own.min(ms(settings.application_ttl_max));
                (own, own)
            }
            // Granted while it was allowed: what the operator says now holds.
            Some(_) | None => (ms(settings.default_ttl), ms(settings.max_ttl)),
        };
        let asked = match self.input.value("ttl") {
            Some(value) => ttl_text(value)?,
            None => self.input.query("ttl").map(str::to_owned),
        };
        let asked_ms = match asked {
            None => default_ms,
            Some(text) => {
                // A number that no lifetime reaches is above every maximum.
                let digits = text.trim();
                let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                if !number {
                    return Err(no_ttl());
                }
                let asked_ms = digits.parse::<i64>().unwrap_or(i64::MAX);
                if asked_ms > max_ms || (asked_ms == i64::MAX && max_ms != i64::MAX) {
                    return Err(over_the_maximum(max_ms));
                }
                asked_ms
            }
        };
        if asked_ms == 0 || asked_ms == i64::MAX {
            if !settings.never_expire {
                return Err(over_the_maximum(max_ms));
            }
            return Ok(None);
        }
        Ok(Some(Duration::from_millis(asked_ms.unsigned_abs())))
    }
}

/// Whole seconds until `expires_ms`.
pub(super) fn seconds_left(expires_ms: i64, now: SystemTime) -> i64 {
    if expires_ms == NEVER_MS { NEVER_SECONDS } else { (expires_ms - unix_ms(now)).max(0) / 1_000 }
}

/// What a body says of `ttl`; what is empty says nothing.
fn ttl_text(value: &Value) -> Result<Option<String>, Fault> {
    /// 2^63, the first number of milliseconds that no lifetime has.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok((!text.is_empty()).then(|| text.clone())),
        // What no integer holds was read as a fraction. So large a one is whole.
        Value::Number(number) if number.as_f64().is_some_and(|number| number >= BEYOND) => {
            Ok(Some(i64::MAX.to_string()))
        }
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(no_ttl()),
    }
}

fn no_ttl() -> Fault {
    Fault::argument("ttl must be a number >= 0")
}

fn over_the_maximum(max_ms: i64) -> Fault {
    Fault::argument(format!(
        "Your token age cannot be more than the maximum age of {max_ms} milliseconds"
    ))
}
