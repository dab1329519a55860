//! What a request says besides its path: from the query of a GET, the form or the JSON of another.
//!
//! A body that begins with `{` or `[` is JSON whatever its declared type, as every sample of the
//! platform relies on. Values are secrets until somebody knows better: nothing here has a `Debug`.

use std::fmt;

use http::Method;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use super::fault::Fault;
use crate::secret::Secret;

/// What a grant may say, once each, in a query (RFC 6749 3.2). Other names of a query may be lists.
const OF_GRANTS: [&str; 6] =
    ["grant_type", "username", "password", "client_id", "client_secret", "ttl"];

/// A request's parameters, read from one place.
pub(crate) struct Input {
    /// The body as JSON, or the form or the query as an object of strings.
    values: Map<String, Value>,
    /// The elements, where the body is an array.
    pub(super) batch: Option<Vec<Value>>,
    query: Vec<(String, String)>,
    /// What was said where a body was meant.
    pub(crate) source: Source,
}

/// Where the parameters stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Query,
    Form,
    Json,
    /// Neither form nor JSON: no body, or an empty one.
    Nothing,
}

impl Input {
    /// Reads the query and the body of a request.
    pub(crate) fn read(
        method: &Method,
        query: Option<&str>,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<Self, Fault> {
        let query: Vec<(String, String)> =
            form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
        let mut input = Self { values: Map::new(), batch: None, query, source: Source::Nothing };
        if method == Method::GET || method == Method::HEAD {
            input.source = Source::Query;
            input.values = object(&input.query, |name| OF_GRANTS.contains(&name))?;
            return Ok(input);
        }
        let text = body.trim_ascii_start();
        let declared =
            content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        match text.first() {
            None => {
                // A form without a field is a form all the same.
                if declared.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
                    input.source = Source::Form;
                }
            }
            Some(b'{' | b'[') => {
                input.source = Source::Json;
                let read = if text.starts_with(b"[") {
                    serde_json::from_slice(text).map(|items| input.batch = Some(items))
                } else {
                    serde_json::from_slice(text).map(|Named(values)| input.values = values)
                };
                match read {
                    Ok(()) => (),
                    Err(error) if error.is_data() => return Err(repeated()),
                    // The parser's own words may quote the body, and the body may hold a password.
                    Err(error) => {
                        let place = format!("line {} column {}", error.line(), error.column());
                        return Err(Fault::json(&format!("the body is no JSON at {place}")));
                    }
                }
            }
            Some(_) if declared.eq_ignore_ascii_case("application/x-www-form-urlencoded") => {
                input.source = Source::Form;
                let pairs: Vec<_> = form_urlencoded::parse(body).into_owned().collect();
                input.values = object(&pairs, |_| true)?;
            }
            Some(_) => return Err(Fault::json("the body is neither JSON nor a form")),
        }
        Ok(input)
    }

    /// [`text_of`] what was said.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Fault> {
        text_of(&self.values, name)
    }

    /// The text of `name`, or `true` or `false`.
    pub(super) fn text_or_flag(&self, name: &str) -> Option<String> {
        match self.values.get(name) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Bool(flag)) => Some(flag.to_string()),
            _ => None,
        }
    }

    /// The secret text of `name`.
    pub(super) fn secret(&self, name: &str) -> Result<Option<Secret>, Fault> {
        Ok(self.text(name)?.map(Secret::new))
    }

    /// Whether `name` was said at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The value of `name`, whatever it is.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// All values.
    pub(super) fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// A parameter of the query; the first of several, unless it is empty.
    pub(super) fn query<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.query_all(name).next().filter(|value| !value.is_empty())
    }

    /// All values of a parameter of the query.
    pub(super) fn query_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.query.iter().filter(move |(key, _)| key == name);
        named.map(|(_, value)| value.as_str())
    }

    /// The query as the envelope echoes it: without what is a secret, or may be.
    pub(crate) fn echoed(&self) -> Map<String, Value> {
        const HIDDEN: [&str; 10] = [
            "client_id",
            "client_secret",
            "password",
            "username",
            "access_token",
            "client_credentials",
            "fb_access_token",
            "fq_access_token",
            "ping_access_token",
            "token",
        ];
        let mut echoed: Map<String, Value> = Map::new();
        for (name, value) in &self.query {
            let folded = name.to_lowercase();
            if HIDDEN.iter().any(|hidden| folded.starts_with(hidden)) || folded.contains("secret") {
                continue;
            }
            let values = echoed.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(values) = values {
                values.push(Value::String(value.clone()));
            }
        }
        echoed
    }
}

/// The text of `name`. A number is its text, what is empty is not there.
pub(super) fn text_of(values: &Map<String, Value>, name: &str) -> Result<Option<String>, Fault> {
    match values.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
            Err(Fault::argument(format!("{name} must be a text")))
        }
    }
}

/// The values by their names. Of what is given twice the first counts, unless it may be given `once` only.
fn object(
    pairs: &[(String, String)],
    once: impl Fn(&str) -> bool,
) -> Result<Map<String, Value>, Fault> {
    let mut values = Map::new();
    for (name, value) in pairs {
        if !values.contains_key(name) {
            values.insert(name.clone(), Value::String(value.clone()));
        } else if once(name) {
            return Err(repeated());
        }
    }
    Ok(values)
}

/// Readers differ in which one counts. Does not quote the name, which may be anything.
fn repeated() -> Fault {
    Fault::argument("a name is given more than once")
}

/// An object of JSON that has each of its names once.
struct Named(Map<String, Value>);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Named;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Named, A::Error> {
                let mut values = Map::new();
                while let Some((name, value)) = from.next_entry::<String, Value>()? {
                    if values.insert(name, value).is_some() {
                        return Err(A::Error::custom("a name twice"));
                    }
                }
                Ok(Named(values))
            }
        }
        from.deserialize_map(Names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_given_twice_is_refused() {
        let form = "application/x-www-form-urlencoded";
        let read = |method: &Method, query: &str, kind: &str, body: &str| {
            Input::read(method, Some(query), Some(kind), body.as_bytes())
        };
        for (method, query, body) in [
            (Method::GET, "ttl=1&b=2&ttl=1", ""),
            (Method::GET, "grant_type=a&grant%5Ftype=b", ""),
            (Method::POST, "", "a=1&b=2&%61=3"),
            (Method::POST, "", r#"{"a":"1","b":"2","\u0061":"3"}"#),
        ] {
            assert!(read(&method, query, form, body).is_err(), "{query} {body}");
        }
        for (method, query, body) in [
            (Method::GET, "filter=1&filter=2", ""),
            (Method::POST, "", "a=1&b=1"),
            (Method::POST, "", "[1, 2]"),
            (Method::POST, "", r#"{"a":{"b":1,"b":2}}"#),
        ] {
            assert!(read(&method, query, form, body).is_ok(), "{query} {body}");
        }
        for body in ["{\"a\":1} x", "[1", "{\"a\"}", "{1:2}"] {
            assert!(Input::read(&Method::POST, None, None, body.as_bytes()).is_err(), "{body}");
        }
    }
}
