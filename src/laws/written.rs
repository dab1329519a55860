//! A request as a person writes it down, so that seeds can be read and dictionaries help:
//!
//! ```text
//! POST /orders?x=1 HTTP/1.1
//! Host: shop.example
//! X_Auth_Roles: admin
//!
//! id of the caller, then its name, its e-mail address and one role or scope a line
//! ```

use http::{HeaderName, HeaderValue, Method, Request, Uri, Version, request::Parts};

use crate::principal::{Principal, PrincipalKind};

/// The head that the server would hand over, and who asks: nobody, unless a line follows the empty one. `None`
/// for what it would not hand over.
pub(super) fn read(data: &[u8]) -> Option<(Parts, Option<Principal>)> {
    let mut lines = data.split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let mut words = first.splitn(3, ' ');
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(words.next()?.as_bytes()).ok()?;
    *request.uri_mut() = Uri::try_from(words.next()?).ok()?;
    *request.version_mut() = match words.next()? {
        "HTTP/1.0" => Version::HTTP_10,
        "HTTP/1.1" => Version::HTTP_11,
        "HTTP/2" => Version::HTTP_2,
        _ => return None,
    };
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        request.headers_mut().append(name, value);
    }
    let mut said = lines.map(|line| String::from_utf8_lossy(line).into_owned());
    let principal = said.next().map(|id| {
        let (name, email) = (said.next(), said.next());
        let roles: Vec<String> = said.collect();
        Principal {
            kind: PrincipalKind::User,
            id,
            name: name.filter(|name| !name.is_empty()),
            email,
            scopes: roles.iter().rev().cloned().collect(),
            roles: roles.into(),
            home: None,
        }
    });
    Some((request.into_parts().0, principal))
}

/// A reader's copy of a head.
pub(super) fn copy(parts: &Parts) -> Parts {
    let mut request = Request::new(());
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = parts.uri.clone();
    *request.version_mut() = parts.version;
    *request.headers_mut() = parts.headers.clone();
    request.into_parts().0
}
