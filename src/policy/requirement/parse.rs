//! How the text of a right side is read, and what is said when it cannot be.

use super::{At, Attribute, LEVELS, Requirement, Tenancy, Term, is_plain, tenancy};
use crate::nearest::nearest;
use crate::policy::{
    SyntaxError,
    words::{Word, wrong},
};
use crate::principal::CertificateName;

/// What a rule's left side says to its right side.
#[derive(Clone, Copy)]
struct Left<'a> {
    captures: &'a [String],
    tenancy: Tenancy,
}

pub(super) fn requirement(
    text: &str,
    captures: &[String],
    tenancy: Tenancy,
) -> Result<Requirement, SyntaxError> {
    let words = words(text)?;
    let alone = |word: &&Word<'_>| matches!(word.text, "public" | "guest" | "deny");
    if let Some(word) = words.iter().find(alone) {
        if words.len() > 1 {
            let message = format!("`{}` stands alone", word.text);
            return wrong(word.range(), message, "write it without `|` and `&`");
        }
        return Ok(match word.text {
            "public" => Requirement::Public,
            "guest" => Requirement::Guest,
            _ => Requirement::Deny,
        });
    }
    Ok(Requirement::Any(lists(text, &words, Left { captures, tenancy })?))
}

/// Splits into `|`, `&`, and terms with their quotes.
fn words(text: &str) -> Result<Vec<Word<'_>>, SyntaxError> {
    let mut words = Vec::new();
    let mut begun = None;
    let mut quote = None;
    for (at, character) in text.char_indices() {
        if character.is_control() {
            let range = at..at + character.len_utf8();
            return wrong(range, "a control character in a requirement", "use blanks");
        }
        if character == '\'' {
            quote = if quote.is_some() { None } else { Some(at) };
        }
        if quote.is_none() && matches!(character, ' ' | '|' | '&' | '(' | ')' | ',') {
            if let Some(start) = begun.take() {
                words.push(Word { start, text: &text[start..at] });
            }
            match character {
                '|' | '&' => words.push(Word { start: at, text: &text[at..=at] }),
                '(' | ')' => {
                    let help = "`&` binds tighter than `|`: write `a & c | b & c`";
                    return wrong(at..at + 1, "there are no parentheses", help);
                }
                ',' => {
                    let help = "write `|` where one is enough, `&` where all must hold";
                    return wrong(at..at + 1, "a comma joins nothing here", help);
                }
                _ => {}
            }
        } else if begun.is_none() {
            begun = Some(at);
        }
    }
    if let Some(open) = quote {
        return wrong(open..text.len(), "this quote is not closed", "write `role:'night shift'`");
    }
    if let Some(start) = begun {
        words.push(Word { start, text: &text[start..] });
    }
    if words.is_empty() {
        let help = "write who may: `authenticated`, `role:x`, `public`, … or `deny` for nobody";
        return wrong(0..text.len(), "the requirement is empty", help);
    }
    Ok(words)
}

fn is_operator(word: Word<'_>) -> bool {
    matches!(word.text, "|" | "&")
}

fn lists(text: &str, words: &[Word<'_>], left: Left<'_>) -> Result<Vec<Vec<Term>>, SyntaxError> {
    let mut lists = vec![Vec::new()];
    let mut after_term = false;
    for word in words {
        match (after_term, is_operator(*word)) {
            (true, true) => {
                if word.text == "|" {
                    lists.push(Vec::new());
                }
                after_term = false;
            }
            (false, false) => {
                let term = term(*word, left)?;
                if let Some(list) = lists.last_mut() {
                    list.push(term);
                }
                after_term = true;
            }
            (false, true) => {
                let doubled = text[..word.start].ends_with(word.text);
                let help = if doubled { "write it once" } else { "name who may on both sides" };
                let message = format!("a term is missing before `{}`", word.text);
                return wrong(word.range(), message, help);
            }
            (true, false) => {
                let help = match word.text {
                    "and" | "AND" => "write `&`",
                    "or" | "OR" => "write `|`",
                    _ => {
                        "write `|` where one is enough, `&` where all must hold; odd names in quotes: `role:'night shift'`"
                    }
                };
                return wrong(word.range(), "`|` or `&` is missing before this", help);
            }
        }
    }
    match words.last() {
        Some(last) if !after_term => wrong(
            last.range(),
            format!("a term is missing after `{}`", last.text),
            "name who may on both sides",
        ),
        _ => Ok(lists),
    }
}

fn term(word: Word<'_>, left: Left<'_>) -> Result<Term, SyntaxError> {
    let (bare, behind) = tenancy::cut(word);
    let Some(behind) = behind else {
        let term = read(word, left)?;
        let needs_tenant = left.tenancy == Tenancy::Outside && !term.is_certificate();
        return if needs_tenant { unplaced(word, &term) } else { Ok(term) };
    };
    if left.tenancy == Tenancy::Plain {
        return wrong(
            behind.start - 1..behind.range().end,
            format!("`{}` needs [usergrid]: `@` names a tenant", word.text),
            "put a name that has an `@` in quotes: `role:'a@b'`",
        );
    }
    if behind.text.is_empty() {
        let help = format!("write `{0}@acme`, `{0}@acme/shop` or `{0}@*`", bare.text);
        return wrong(word.range(), "no tenant stands behind the `@`", help);
    }
    let term = read(bare, left)?;
    if term.is_certificate() {
        let help = "leave the `@` out; a name that has one stands in quotes: `cert:'a@b.example'`";
        let at = behind.start - 1..behind.range().end;
        return wrong(at, "certificates are of no tenant", help);
    }
    if matches!(term, Term::Permissions | Term::SelfIs { .. }) {
        let message = format!("`{}` is about the tenant that the path names", bare.text);
        return wrong(behind.start - 1..behind.range().end, message, "leave the `@` out");
    }
    match At::parse(behind.text) {
        Ok(at) => Ok(Term::Of { term: Box::new(term), at }),
        Err(message) => {
            wrong(behind.range(), message, "write `@acme`, `@acme/shop` or `@*` for every tenant")
        }
    }
}

/// A term that names no tenant, where the path names none either.
fn unplaced(word: Word<'_>, term: &Term) -> Result<Term, SyntaxError> {
    if matches!(term, Term::Permissions | Term::SelfIs { .. }) {
        let message = format!("`{}` needs a path that names a tenant", word.text);
        let help = "let the path begin with `/{org}/{app}/`, or name who may: `admin@acme`";
        return wrong(word.range(), message, help);
    }
    let message = format!("neither `{}` nor the path says of which tenant", word.text);
    let help = format!("name the tenant: `{0}@acme`, `{0}@acme/shop`, or `{0}@*`", word.text);
    wrong(word.range(), message, help)
}

/// A term without its tenant.
fn read(word: Word<'_>, left: Left<'_>) -> Result<Term, SyntaxError> {
    let captures = left.captures;
    let Some((kind, name)) = word.text.split_once(':') else { return lone(word, left) };
    let name = Word { start: word.start + kind.len() + 1, text: name };
    match kind {
        "role" => {
            let role = plain_or_quoted("role", name)?;
            // Roles of tenants have one spelling.
            let folded = left.tenancy != Tenancy::Plain;
            Ok(Term::Role(if folded { role.to_lowercase() } else { role }))
        }
        "scope" if left.tenancy != Tenancy::Plain => wrong(
            word.range(),
            "with [usergrid] no token has scopes",
            "write `role:x`, or `permissions`",
        ),
        "scope" => Ok(Term::Scope(plain_or_quoted("scope", name)?)),
        "cert" => {
            let name = plain_or_quoted("cert", name)?;
            Ok(Term::Certificate(Some(CertificateName::read(&name))))
        }
        "self" => own(Attribute::Id, name, captures),
        "self.name" => own(Attribute::Name, name, captures),
        "self.email" => own(Attribute::Email, name, captures),
        _ => {
            let kinds = ["role", "scope", "self", "self.name", "self.email", "cert"];
            let help = match nearest(kind, kinds) {
                Some(right) => format!("did you mean `{right}:{}`?", name.text),
                None => {
                    "known are `role:`, `scope:`, `self:`, `self.name:`, `self.email:` and `cert:`"
                        .into()
                }
            };
            let at = word.start..word.start + kind.len();
            wrong(at, format!("unknown word `{kind}`"), help)
        }
    }
}

/// A term without a colon.
fn lone(word: Word<'_>, left: Left<'_>) -> Result<Term, SyntaxError> {
    let at = word.range();
    let capture = left.captures.first().map_or("id", String::as_str);
    let level = LEVELS.into_iter().find(|(level, _)| *level == word.text);
    match (word.text, level) {
        ("authenticated", _) => return Ok(Term::Authenticated),
        ("cert", _) => return Ok(Term::Certificate(None)),
        ("permissions", _) if left.tenancy != Tenancy::Plain => return Ok(Term::Permissions),
        (_, Some((_, kind))) if left.tenancy != Tenancy::Plain => return Ok(Term::Level(kind)),
        _ => {}
    }
    match word.text {
        "permissions" | "user" | "application" | "organization" | "admin" => wrong(
            at,
            format!("`{}` needs [usergrid]", word.text),
            match word.text {
                "permissions" => "write `role:x`, or `authenticated`".to_owned(),
                level => format!("for a role of this name write `role:{level}`"),
            },
        ),
        "role" | "scope" => {
            let message = format!("`{}` needs a name", word.text);
            wrong(at, message, format!("write `{}:x`", word.text))
        }
        "self" | "self.name" | "self.email" => {
            let message = format!("`{}` needs a capture", word.text);
            wrong(at, message, format!("write `{}:{{{capture}}}`", word.text))
        }
        other => {
            let known = [
                "public",
                "guest",
                "deny",
                "authenticated",
                "permissions",
                "role:x",
                "scope:x",
                "self",
                "cert",
            ];
            let help = match nearest(other, known) {
                Some(right) => format!("did you mean `{right}`?"),
                None if is_plain(other) => format!("for a role write `role:{other}`"),
                None => "write `authenticated`, `role:x`, `scope:x`, `self:{id}`, `public`, `guest` or `deny`".into(),
            };
            wrong(at, format!("unknown word `{other}`"), help)
        }
    }
}

fn plain_or_quoted(kind: &str, name: Word<'_>) -> Result<String, SyntaxError> {
    let quoted = name.text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let value = quoted.unwrap_or(name.text);
    let all = match kind {
        "cert" => "`cert` for every certificate",
        _ => "`authenticated` for every proven caller",
    };
    if value.is_empty() {
        let at = name.start - kind.len() - 1..name.range().end;
        let help = format!("write `{kind}:x`, or {all}");
        return wrong(at, format!("the {kind} has no name"), help);
    }
    if value == "*" && quoted.is_none() {
        let message = format!("`{kind}:*` names no {kind}");
        return wrong(name.range(), message, format!("write {all}"));
    }
    if value.contains('\'') {
        return wrong(name.range(), "a quote inside a name", "quotes stand around a whole name");
    }
    if quoted.is_none() && !is_plain(value) {
        return wrong(
            name.range(),
            "an odd name needs quotes",
            format!("write `{kind}:'{value}'`"),
        );
    }
    Ok(value.to_owned())
}

fn own(attribute: Attribute, name: Word<'_>, captures: &[String]) -> Result<Term, SyntaxError> {
    let word = attribute.word();
    let inside = name.text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let Some(inside) = inside.filter(|inside| !inside.is_empty()) else {
        let known = captures.iter().any(|capture| capture == name.text);
        let capture = if known { name.text } else { captures.first().map_or("id", String::as_str) };
        let at = name.start - word.len() - 1..name.range().end;
        let help = format!("write `{word}:{{{capture}}}`");
        return wrong(at, format!("`{word}` is compared with a capture of the path"), help);
    };
    if let Some(capture) = captures.iter().position(|capture| capture == inside) {
        return Ok(Term::SelfIs { attribute, capture });
    }
    let help = match (captures, nearest(inside, captures.iter().map(String::as_str))) {
        ([], _) => format!("write `{{{inside}}}` for the segment of the path that it is"),
        (_, Some(right)) => format!("did you mean `{{{right}}}`?"),
        (captures, None) => format!("the path has `{{{}}}`", captures.join("}`, `{")),
    };
    wrong(name.range(), format!("the path has no `{{{inside}}}`"), help)
}
