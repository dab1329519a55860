//! `[tokens] key record fields`: the layout in which another service keeps its tokens in Redis.

use super::{
    ExpiresAt, FieldAt, Foreign, ForeignRecord, KeyPiece, ListAt, TimeUnit,
    reader::{Table, Text, Value},
    report::Mistake,
};

/// `None` without a layout, or with mistakes in it.
pub(super) fn read(tokens: &Table) -> Option<Foreign> {
    let key = tokens.get("key");
    let record = tokens.get("record");
    let fields = tokens.table("fields");
    let Some(key_value) = &key else {
        for (name, value) in [("record", record), ("fields", tokens.get("fields"))] {
            if let Some(value) = value {
                let message = format!("`tokens.{name}` describes another service's records");
                value.bad(message, "add `key`, such as `\"session:{token}\"`, or remove this");
            }
        }
        read_fields(&fields, None);
        return None;
    };
    let key = read_key(key_value);
    let kind = match record {
        Some(record) => record.choice(&[
            ("json", ForeignRecord::Json),
            ("hash", ForeignRecord::Hash),
            ("text", ForeignRecord::Text),
        ]),
        None => {
            key_value.bad(
                "`tokens.record` is missing",
                "add `record = \"json\"`, `\"hash\"` or `\"text\"`",
            );
            None
        }
    };
    if kind == Some(ForeignRecord::Text) {
        if let Some(place) = &fields.place {
            let message = "a record of plain text has no fields: all of it is the subject";
            tokens.cx.mistake(Mistake::at(place.clone(), message, "remove it"));
        }
    } else if !fields.is_present() {
        key_value.bad("`tokens.fields` is missing", "add `fields = { subject = … }`");
    }
    let read = read_fields(&fields, kind);
    fields.done();
    let subject = match kind? {
        ForeignRecord::Text => FieldAt(String::new()),
        ForeignRecord::Json | ForeignRecord::Hash => read.subject?,
    };
    Some(Foreign { key: key?, record: kind?, subject, ..read.rest })
}

struct Fields {
    subject: Option<FieldAt>,
    rest: Foreign,
}

fn read_fields(fields: &Table, kind: Option<ForeignRecord>) -> Fields {
    let help = "add `subject = \"/user/id\"`: where the record says whose it is";
    let subject = match kind {
        Some(ForeignRecord::Json | ForeignRecord::Hash) => fields.need("subject", help),
        Some(ForeignRecord::Text) | None => fields.get("subject"),
    };
    let field = |value: Option<Value>| value.and_then(|value| read_at(&value, kind)).map(FieldAt);
    let subject = field(subject);
    Fields {
        subject,
        rest: Foreign {
            key: Vec::new(),
            record: ForeignRecord::Text,
            subject: FieldAt(String::new()),
            name: field(fields.get("name")),
            email: field(fields.get("email")),
            roles: fields.get("roles").and_then(|value| read_list(&value, kind)),
            scopes: fields.get("scopes").and_then(|value| read_list(&value, kind)),
            expires: fields.get("expires").and_then(|value| read_expires(&value, kind)),
        },
    }
}

/// A JSON pointer (RFC 6901) or the name of a hash's field.
fn read_at(value: &Value, kind: Option<ForeignRecord>) -> Option<String> {
    let text = value.text_as("where the record holds it, such as `\"/user/id\"`")?;
    check_at(value, &text, kind)?;
    Some(text.text)
}

fn check_at(value: &Value, text: &Text, kind: Option<ForeignRecord>) -> Option<()> {
    if kind != Some(ForeignRecord::Json) {
        return Some(());
    }
    let escapes_hold = text.text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if text.text.starts_with('/') && escapes_hold {
        return Some(());
    }
    let hint = "start with `/`, such as `/user/id` (RFC 6901; `~1` for `/`, `~0` for `~`)";
    value.bad(format!("{} is no JSON pointer", text.quoted()), hint);
    None
}

fn read_list(value: &Value, kind: Option<ForeignRecord>) -> Option<ListAt> {
    if !value.is_table() {
        return Some(ListAt { at: read_at(value, kind)?, split: None });
    }
    let table = value.table()?;
    let at = table.need("at", "add `at = \"/scope\"`").and_then(|value| read_at(&value, kind));
    let split = table.get("split").map(|value| value.text().map(|text| text.text));
    table.done();
    Some(ListAt { at: at?, split: split.map_or(Some(None), |split| split.map(Some))? })
}

fn read_expires(value: &Value, kind: Option<ForeignRecord>) -> Option<ExpiresAt> {
    if !value.is_table() {
        let message = format!("`{}` has no unit, and units are never guessed", value.path);
        value.bad(message, "write `{ at = \"/exp\", unit = \"s\" }` (or `ms`, `rfc3339`)");
        return None;
    }
    let table = value.table()?;
    let at = table.need("at", "add `at = \"/exp\"`").and_then(|value| read_at(&value, kind));
    let help = "add `unit = \"s\"`, `\"ms\"` or `\"rfc3339\"`: units are never guessed";
    let unit = table.need("unit", help).and_then(|value| {
        value.choice(&[
            ("s", TimeUnit::Seconds),
            ("ms", TimeUnit::Milliseconds),
            ("rfc3339", TimeUnit::Rfc3339),
        ])
    });
    table.done();
    Some(ExpiresAt { at: at?, unit: unit? })
}

/// `session:{token}`.
fn read_key(value: &Value) -> Option<Vec<KeyPiece>> {
    let text = value.text()?;
    let mut pieces = Vec::new();
    let mut rest = text.text.as_str();
    while !rest.is_empty() {
        let (piece, length) = if rest.starts_with("{token}") {
            (KeyPiece::Token, "{token}".len())
        } else if rest.starts_with("{sha256}") {
            (KeyPiece::Sha256, "{sha256}".len())
        } else if let Some(c) = rest.chars().next().filter(|c| matches!(c, '{' | '}')) {
            let at = text.text.len() - rest.len();
            let place = text.part(value.cx, at..at + 1);
            let message = format!("`{c}` stands for nothing in a key");
            value.cx.mistake(Mistake::at(
                place,
                message,
                "only `{token}` and `{sha256}` are filled in",
            ));
            return None;
        } else {
            let end = rest.find(['{', '}']).unwrap_or(rest.len());
            (KeyPiece::Text(rest[..end].to_owned()), end)
        };
        pieces.push(piece);
        rest = &rest[length..];
    }
    if !pieces.iter().any(|piece| matches!(piece, KeyPiece::Token | KeyPiece::Sha256)) {
        value.bad("every token would have the same key", "put `{token}` or `{sha256}` into it");
        return None;
    }
    Some(pieces)
}
