//! The token endpoints: a grant reads the same from JSON, from a form and from a query, and nothing that
//! is told about it shows a secret.

use form_urlencoded::Serializer;
use http::Method;

use crate::{
    secret::Secret,
    usergrid::{
        BasicClient, Fault,
        grant::{ClientFrom, Grant},
        holds_grant,
        input::{Input, Source},
    },
};

/// Stands for a password; an answer that holds it has told one.
const PASSWORD: &str = "Zq3vT8mKx1pWc6rYb9";

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// `METHOD type query` in the first line, the body after it.
///
/// - A grant that is read has nothing empty in it, and the gateway knows beforehand that there is one.
/// - Written anew as JSON, as a form and as a query, it is read as the same.
/// - A form that names something twice is refused.
/// - Neither a refusal nor what an answer echoes of the query holds the password.
///
/// # Panics
/// When one of these does not hold.
pub fn grant(data: &[u8]) {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(line) = std::str::from_utf8(&data[..end]) else { return };
    let body = &data[end + 1..];
    let mut words = line.splitn(3, ' ');
    let Ok(method) = Method::from_bytes(words.next().unwrap_or_default().as_bytes()) else {
        return;
    };
    let (kind, query) = (words.next(), words.next());
    let input = match Input::read(&method, query, kind, body) {
        Ok(input) => input,
        Err(fault) => return shows_no_password(&fault),
    };
    if input.source == Source::Form {
        let mut names: Vec<_> = form_urlencoded::parse(body).map(|(name, _)| name).collect();
        names.sort();
        assert!(names.windows(2).all(|two| two[0] != two[1]), "twice in {names:?}");
    }
    let echoed = input.echoed();
    for secret in ["password", "client_secret", "access_token", "token"] {
        assert!(!echoed.contains_key(secret), "{secret} is echoed");
    }
    let basic = BasicClient { id: "basic".to_owned(), secret: Secret::new(PASSWORD) };
    for (basic, token) in [(None, false), (None, true), (Some(&basic), false)] {
        match Grant::read(&method, &input, basic, token) {
            Ok(Grant::None) => (),
            Ok(found) => {
                assert!(holds_grant(&method, query, kind, body), "a grant that nobody expects");
                assert!(!format!("{found:?}").contains(PASSWORD) || names_password(&found));
                reads_the_same_however_it_is_written(&found);
            }
            Err(fault) => shows_no_password(&fault),
        }
    }
}

fn shows_no_password(fault: &Fault) {
    assert!(!fault.body_now().to_string().contains(PASSWORD), "{fault:?}");
}

/// Whether somebody has written the password where a name belongs.
fn names_password(grant: &Grant) -> bool {
    match grant {
        Grant::Password { username: name, .. } | Grant::Client { id: name, .. } => {
            name.contains(PASSWORD)
        }
        Grant::None => false,
    }
}

fn reads_the_same_however_it_is_written(grant: &Grant) {
    let pairs = match grant {
        Grant::Password { username, password } => [
            ("grant_type", "password"),
            ("username", username.as_str()),
            ("password", password.expose()),
        ],
        Grant::Client { id, secret, .. } => [
            ("grant_type", "client_credentials"),
            ("client_id", id.as_str()),
            ("client_secret", secret.expose()),
        ],
        Grant::None => return,
    };
    assert!(pairs.iter().all(|(_, value)| !value.is_empty()), "something empty was accepted");
    let form = Serializer::new(String::new()).extend_pairs(pairs).finish();
    let json: serde_json::Map<String, serde_json::Value> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    let json = serde_json::Value::Object(json).to_string();
    for (method, query, kind, body) in [
        (Method::POST, None, FORM, form.as_str()),
        (Method::POST, None, JSON, json.as_str()),
        (Method::GET, Some(form.as_str()), JSON, ""),
    ] {
        let input = Input::read(&method, query, Some(kind), body.as_bytes());
        let again = input.and_then(|input| Grant::read(&method, &input, None, false));
        assert_eq!(again.map(unplaced), Ok(unplaced(grant.clone())), "as {kind} by {method}");
    }
}

/// Without where it stood.
fn unplaced(grant: Grant) -> Grant {
    match grant {
        Grant::Client { id, secret, .. } => Grant::Client { id, secret, from: ClientFrom::Body },
        other @ (Grant::Password { .. } | Grant::None) => other,
    }
}
