//! Which names there can be. They stand in paths, where a UUID means something else.

use uuid::Uuid;

use super::{DirectoryError, Kind};
use crate::request::person_name;

/// Longest group path or role name, bytes.
const NAME_BYTES_MAX: usize = 256;

/// Checks a username beside its owner's address.
pub(super) fn check_username(
    kind: Kind,
    username: &str,
    email: Option<&str>,
) -> Result<(), DirectoryError> {
    if username.trim().is_empty() {
        return Err(DirectoryError::Needed { kind, property: "username" });
    }
    person_name::check_username(username, email).map_err(DirectoryError::invalid)
}

/// Checks an address.
pub(super) fn check_email(email: &str) -> Result<(), DirectoryError> {
    person_name::check_email(email).map_err(DirectoryError::invalid)
}

/// Checks the name of a role: what `role:x` of the rules can write without quotes.
pub(super) fn check_role(name: &str) -> Result<(), DirectoryError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() {
        return Err(DirectoryError::Needed { kind: Kind::Role, property: "name" });
    }
    if name.len() <= NAME_BYTES_MAX && name.bytes().all(allowed) && name.parse::<Uuid>().is_err() {
        return Ok(());
    }
    Err(DirectoryError::invalid("a role's name has letters, digits and `._-`, and is no UUID"))
}

/// Checks the path of a group.
pub(super) fn check_group(path: &str) -> Result<(), DirectoryError> {
    if path.is_empty() {
        return Err(DirectoryError::Needed { kind: Kind::Group, property: "path" });
    }
    if is_plain(path) && !path.contains('/') && path.parse::<Uuid>().is_err() {
        return Ok(());
    }
    Err(DirectoryError::invalid(
        "a group's path holds no slash and no control character, and is no UUID",
    ))
}

fn is_plain(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control)
}
