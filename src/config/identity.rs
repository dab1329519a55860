//! `[identity]`: which fields tell the backend who is asking.

use http::HeaderName;

use super::{
    IdentityField, Piece, defaults,
    reader::{Table, Text, Value},
    report::Mistake,
};
use crate::nearest::nearest;
use crate::request::fold::fold;

const PLACEHOLDERS: [(&str, Piece); 6] = [
    ("principal.id", Piece::Id),
    ("principal.name", Piece::Name),
    ("principal.email", Piece::Email),
    ("principal.kind", Piece::Kind),
    ("principal.roles", Piece::Roles),
    ("principal.scopes", Piece::Scopes),
];

/// Fields that mean something to the connection, to the framing or to the gateway, folded.
const TAKEN: [(&str, &str); 17] = [
    ("connection", "it concerns one connection only"),
    ("keepalive", "it concerns one connection only"),
    ("proxyconnection", "it concerns one connection only"),
    ("proxyauthenticate", "it concerns one connection only"),
    ("proxyauthorization", "it concerns one connection only"),
    ("te", "it concerns one connection only"),
    ("trailer", "it concerns one connection only"),
    ("upgrade", "it concerns one connection only"),
    ("transferencoding", "it delimits the body"),
    ("contentlength", "it delimits the body"),
    ("expect", "it steers how the body is sent"),
    ("host", "it names the site that was asked for"),
    ("authorization", "it carries credentials"),
    ("cookie", "it carries credentials"),
    ("forwarded", "it tells the client's address"),
    ("xrealip", "it tells the client's address"),
    ("xrequestid", "it names the request in the logs"),
];

pub(super) fn read(table: Table) -> Vec<IdentityField> {
    if !table.is_present() {
        return default_fields();
    }
    let mut fields: Vec<(Text, IdentityField)> = Vec::new();
    for (key, value) in table.entries() {
        let name = read_name(&table, key);
        let pieces = read_template(value);
        let (Some(name), Some(value)) = (name, pieces) else { continue };
        let twin =
            fields.iter().find(|(_, field)| fold(field.name.as_str()) == fold(name.as_str()));
        if let Some((first, _)) = twin {
            table.cx.mistake(
                Mistake::at(
                    first.place.clone(),
                    "two names that a backend may read as one",
                    "this one",
                )
                .and(key.place.clone(), "and this one")
                .help("many applications fold `-`, `_` and `.`: keep one of them"),
            );
            continue;
        }
        fields.push((key.clone(), IdentityField { name, value }));
    }
    fields.into_iter().map(|(_, field)| field).collect()
}

fn default_fields() -> Vec<IdentityField> {
    let field = |(name, template): &(&str, &str)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some(IdentityField { name, value: pieces(template).ok()? })
    };
    defaults::IDENTITY.iter().filter_map(field).collect()
}

fn read_name(table: &Table, key: &Text) -> Option<HeaderName> {
    let Ok(name) = HeaderName::from_bytes(key.text.as_bytes()) else {
        let hint = "letters, digits and `-`, such as `X-Auth-Subject`";
        key.bad(table.cx, format!("{} is no field's name", key.quoted()), hint);
        return None;
    };
    let folded = fold(name.as_str());
    let why = TAKEN.iter().find(|(taken, _)| *taken == folded).map(|(_, why)| *why);
    let why = why.or(folded.starts_with("xforwarded").then_some("it tells the client's address"));
    let why = why.or(folded.is_empty().then_some("it has no letter"));
    if let Some(why) = why {
        let message = format!("{} cannot be an identity field: {why}", key.quoted());
        key.bad(table.cx, message, "choose another name, such as `X-Auth-Subject`");
        return None;
    }
    Some(name)
}

fn read_template(value: &Value) -> Option<Vec<Piece>> {
    let text = value.text_as("a text such as `\"{principal.id}\"`")?;
    match pieces(&text.text) {
        Ok(pieces) => Some(pieces),
        Err((at, message, hint)) => {
            let (place, message) = if text.is_filled_in() {
                (text.place.clone(), "this cannot be an identity field's value".to_owned())
            } else {
                (text.part(value.cx, at), message)
            };
            value.cx.mistake(Mistake::at(place, message, hint));
            None
        }
    }
}

type Fault = (std::ops::Range<usize>, String, String);

fn pieces(template: &str) -> Result<Vec<Piece>, Fault> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < template.len() {
        let rest = &template[at..];
        if let Some(inside) = rest.strip_prefix('{') {
            let end = inside.find('}').ok_or_else(|| {
                let hint = "write `{principal.id}`".to_owned();
                (at..template.len(), "`{` is never closed".to_owned(), hint)
            })?;
            pieces.push(placeholder(&inside[..end], at)?);
            at += end + 2;
        } else {
            let end = rest.find('{').unwrap_or(rest.len());
            if let Some((bad, c)) = rest[..end].char_indices().find(|(_, c)| !is_plain(*c)) {
                let at = at + bad..at + bad + c.len_utf8();
                let hint = "a field's value holds visible ASCII and blanks".to_owned();
                return Err((at, format!("a field cannot carry `{}`", c.escape_debug()), hint));
            }
            pieces.push(Piece::Text(rest[..end].to_owned()));
            at += end;
        }
    }
    Ok(pieces)
}

fn is_plain(c: char) -> bool {
    (c.is_ascii_graphic() || c == ' ') && c != '}'
}

fn placeholder(name: &str, at: usize) -> Result<Piece, Fault> {
    if let Some((_, piece)) = PLACEHOLDERS.iter().find(|(known, _)| *known == name) {
        return Ok(piece.clone());
    }
    let names = || PLACEHOLDERS.iter().map(|(name, _)| *name);
    let hint = match nearest(name, names()) {
        Some(near) => format!("did you mean `{{{near}}}`?"),
        None => {
            let names: Vec<String> = names().map(|name| format!("`{{{name}}}`")).collect();
            format!("expected one of {}", names.join(" "))
        }
    };
    Err((at..at + name.len() + 2, format!("`{{{name}}}` is nothing that a principal has"), hint))
}
