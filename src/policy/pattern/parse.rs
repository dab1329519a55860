//! How the text of a left side is read, and what is said when it cannot be.

use super::{Area, HostPattern, Left, Methods, Segment, Verb, host::host};
use crate::{
    nearest::nearest,
    policy::{
        SyntaxError,
        words::{Word, wrong},
    },
    request::path::{CanonicalPath, Case, EmptySegments, PathPolicy},
};

const METHODS: &str = "`*`, or GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS joined by commas";

pub(super) fn left(text: &str, paths: &PathPolicy) -> Result<Left, SyntaxError> {
    let whole = Word { start: 0, text: text.trim_end() };
    if let Some((at, odd)) = text.char_indices().find(|(_, character)| character.is_control()) {
        return wrong(at..at + odd.len_utf8(), "a control character in a rule", "use blanks");
    }
    if let Some(at) = whole.text.find("://") {
        let scheme = whole.text[..at].rfind(' ').map_or(0, |blank| blank + 1);
        return wrong(scheme..at + 3, "a rule has no scheme", "leave it out: `* example.com/**`");
    }
    let Some(slash) = whole.text.find('/') else { return no_path(whole) };
    let path = whole.part(slash..whole.text.len());
    let (methods, host) = head(whole.part(0..slash), path)?;
    let area = Area { host, ..read_path(path, paths)? };
    Ok(Left::new(methods, area))
}

/// There is no slash at all.
fn no_path(whole: Word<'_>) -> Result<Left, SyntaxError> {
    match whole.words()[..] {
        [] => wrong(whole.range(), "the rule is empty", "write `* /admin/**`"),
        [only] if methods(only).is_ok() => wrong(
            only.range(),
            "the path is missing",
            format!("write `{} /**` for every path", only.text),
        ),
        [only] => wrong(
            only.range(),
            "a rule is methods and a path, which begins with `/`",
            format!("write `* /{}`", only.text),
        ),
        [first, .., last] if last.text == "*" => wrong(
            last.range(),
            "a path begins with `/`",
            format!("write `{} /**` for every path", first.text),
        ),
        [first, .., last] if last.text.contains('.') => wrong(
            last.range(),
            "the path is missing",
            format!("write `{} {}/**` for everything on this host", first.text, last.text),
        ),
        [first, .., last] => wrong(
            last.range(),
            "a path begins with `/`",
            format!("write `{} /{}`", first.text, last.text),
        ),
    }
}

/// What stands before the path: methods, and the host when it touches the path.
fn head(head: Word<'_>, path: Word<'_>) -> Result<(Methods, HostPattern), SyntaxError> {
    let touches = !head.text.is_empty() && !head.text.ends_with(' ');
    let words = head.words();
    match (&words[..], touches) {
        ([], _) => wrong(
            path.range(),
            "the method is missing",
            format!("write `* {}`, or name the methods", path.text),
        ),
        ([only], true) if methods(*only).is_ok() => wrong(
            only.range(),
            "a blank is missing between methods and path",
            format!("write `{} {}`", only.text, path.text),
        ),
        ([only], true) => wrong(
            only.range(),
            "the method is missing",
            format!("write `* {}{}`, or name the methods", only.text, path.text),
        ),
        ([only], false) => Ok((methods(*only)?, HostPattern::Any)),
        // A method there was never meant for a host.
        ([first, second], true) if second.text == "*" || methods(*second).is_err() => {
            Ok((methods(*first)?, host(*second)?))
        }
        ([first, second, ..], _) => too_many(&words, *first, *second, path),
    }
}

/// More words before the path than methods and a host that touches it.
fn too_many<T>(
    words: &[Word<'_>],
    first: Word<'_>,
    second: Word<'_>,
    path: Word<'_>,
) -> Result<T, SyntaxError> {
    let pieces: Vec<Word<'_>> = words
        .iter()
        .flat_map(|word| word.split(','))
        .filter(|piece| !piece.text.is_empty())
        .collect();
    if pieces.iter().all(|piece| verb(*piece).is_ok()) {
        let names: Vec<&str> = pieces.iter().map(|piece| piece.text).collect();
        let end = words.last().map_or(path.start, |last| last.range().end);
        return wrong(
            first.start..end,
            "methods are joined by commas, without blanks",
            format!("write `{} {}`", names.join(","), path.text),
        );
    }
    methods(first)?;
    wrong(
        second.start..path.start,
        "a host touches its path",
        format!("write `{} {}{}`", first.text, second.text, path.text),
    )
}

fn methods(list: Word<'_>) -> Result<Methods, SyntaxError> {
    if list.text == "*" {
        return Ok(Methods::ANY);
    }
    let mut named = Vec::new();
    for word in list.split(',') {
        if word.text == "*" {
            return wrong(list.range(), "`*` stands alone: it is every method", "write `*`");
        }
        let verb = verb(word)?;
        if named.contains(&verb) {
            return wrong(
                word.range(),
                format!("{} is named twice", verb.name()),
                "name each method once",
            );
        }
        named.push(verb);
    }
    Ok(Methods::list(named))
}

fn verb(word: Word<'_>) -> Result<Verb, SyntaxError> {
    if let Some(verb) = Verb::named(word.text) {
        return Ok(verb);
    }
    let upper = word.text.to_ascii_uppercase();
    let at = word.range();
    if word.text.is_empty() {
        return wrong(at, "a method is missing beside the comma", METHODS);
    }
    if let Some(verb) = Verb::named(&upper) {
        return wrong(at, "methods are upper case", format!("write `{}`", verb.name()));
    }
    match upper.as_str() {
        "ANY" | "ALL" => wrong(at, "every method is written `*`", "write `*`"),
        "CONNECT" | "TRACE" => wrong(
            at,
            format!("{upper} never reaches a rule: it is answered with 405"),
            "leave it out",
        ),
        _ => wrong(
            at,
            format!("unknown method `{}`", word.text),
            match nearest(&upper, Verb::ALL.map(Verb::name)) {
                Some(name) => format!("did you mean `{name}`?"),
                None => METHODS.to_owned(),
            },
        ),
    }
}

/// Reads the path into an area of any host.
fn read_path(path: Word<'_>, paths: &PathPolicy) -> Result<Area, SyntaxError> {
    let mut pieces: Vec<Word<'_>> = path.split('/').skip(1).collect();
    // What follows the last slash is no segment; a last slash is nothing.
    pieces.pop_if(|last| last.text.is_empty());
    let mut area = Area { host: HostPattern::Any, segments: Vec::new(), open: false };
    for (index, &piece) in pieces.iter().enumerate() {
        if piece.text.is_empty() && paths.empty_segments == EmptySegments::Merge {
            continue;
        }
        if piece.text == "**" {
            if index + 1 < pieces.len() {
                let help = "use `{name}` for each segment in between";
                return wrong(piece.range(), "`**` stands only at the end of a path", help);
            }
            area.open = true;
            break;
        }
        let segment = segment(piece, paths)?;
        if let Segment::Capture(name) = &segment
            && area.segments.contains(&segment)
        {
            return wrong(
                piece.range(),
                format!("two segments are named `{{{name}}}`"),
                "give each its own name",
            );
        }
        area.segments.push(segment);
    }
    if area.segments.len() > paths.segments_max {
        return wrong(
            path.range(),
            format!("no request has more than {} segments", paths.segments_max),
            "shorten the path, or end it with `/**`",
        );
    }
    Ok(area)
}

fn segment(piece: Word<'_>, paths: &PathPolicy) -> Result<Segment, SyntaxError> {
    if piece.text.contains(['{', '}']) {
        return capture(piece);
    }
    if let Some((message, help)) = mistaken(piece.text) {
        return wrong(piece.range(), message, help);
    }
    match CanonicalPath::parse(&format!("/{}", piece.text), paths) {
        Ok(path) => {
            let value = path.segments().collect::<String>();
            let value = match paths.case {
                Case::Exact => value,
                Case::Fold => value.to_ascii_lowercase(),
            };
            let text = path.as_str().trim_matches('/').to_owned();
            if value.is_empty() {
                let help = "write one slash, or set `empty-segments = \"merge\"` under [paths]";
                let slashes = piece.start - 1..piece.start + 1;
                return wrong(slashes, "an empty segment: no request can carry it", help);
            }
            Ok(Segment::Literal { value, text })
        }
        Err(refusal) => Err(SyntaxError {
            at: piece.range(),
            message: format!("no request can carry this segment: {refusal}"),
            help: None,
        }),
    }
}

/// What people write who think of another language, and what they should write here.
fn mistaken(text: &str) -> Option<(&'static str, String)> {
    if text == "*" {
        let help = "use `{name}` for one segment, or end the path with `/**` for everything below";
        return Some(("`*` is no segment", help.to_owned()));
    }
    if text.contains(".*") || text.ends_with(".+") || text.contains(['\\', '^', '[', ']', '|']) {
        let help = "use `{name}` for one segment and `/**` at the end for the rest";
        return Some(("rules are not regular expressions", help.to_owned()));
    }
    if text.contains('*') {
        let help =
            "use `{name}` for the whole segment, `/**` at the end, or `%2A` for the character";
        return Some(("`*` cannot stand for a part of a segment", help.to_owned()));
    }
    if let Some(name) = text.strip_prefix(':') {
        let name = if is_name(name) { name } else { "name" };
        let help = format!("write `{{{name}}}`, or `%3A` for the character");
        return Some(("a capture is written in braces", help));
    }
    if text.contains(['?', '#']) {
        let help = "leave out what follows the path: rules see no query and no fragment";
        return Some(("a rule is about the path alone", help.to_owned()));
    }
    if text.contains(' ') {
        return Some(("a blank inside the path", "write `%20` for a blank".to_owned()));
    }
    if !text.is_ascii() {
        return Some(("a path is ASCII", format!("write `{}`", escaped(text))));
    }
    None
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut done, character| {
        if character.is_ascii() {
            done.push(character);
        } else {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                done.push_str(&format!("%{byte:02X}"));
            }
        }
        done
    })
}

fn capture(piece: Word<'_>) -> Result<Segment, SyntaxError> {
    let inside = piece.text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let Some(name) = inside.filter(|name| !name.contains(['{', '}'])) else {
        let help = "let `{name}` be the whole segment, or write `%7B` and `%7D` for the characters";
        return wrong(piece.range(), "a capture cannot stand for a part of a segment", help);
    };
    if is_name(name) {
        return Ok(Segment::Capture(name.to_owned()));
    }
    let at = piece.start + 1..piece.start + 1 + name.len();
    if name.is_empty() {
        return wrong(piece.range(), "a capture needs a name", "write `{id}`");
    }
    if name.contains('*') {
        let help = "end the path with `/**` for everything below";
        return wrong(piece.range(), "a capture is exactly one segment", help);
    }
    if let Some((name, _)) = name.split_once(':').filter(|(name, _)| is_name(name)) {
        return wrong(at, "a capture takes any segment", format!("write `{{{name}}}`"));
    }
    wrong(
        at,
        format!("`{name}` cannot be the name of a capture"),
        "a small letter, then small letters, digits, `_` and `-`",
    )
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
}
