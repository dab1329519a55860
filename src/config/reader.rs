//! Reads a parsed TOML table key by key. What is wrong is collected, and reading goes on.
//!
//! A [`Table`] remembers which keys were asked for; whatever is left when it is [done](Table::done)
//! is an unknown key. A getter answers `None` both for an absent key and for a bad one: the mistake is
//! already noted, and nothing is built from a configuration with mistakes.

use std::{
    cell::RefCell,
    ops::RangeInclusive,
    time::{Duration, SystemTime},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    context::{Context, inside_string},
    instant,
    interpolate::interpolate,
    quantity,
    report::Mistake,
    source::Place,
};
use crate::nearest::nearest;

/// A table of the file, or the idea of one that is not there.
pub(super) struct Table<'c> {
    pub(super) cx: &'c Context<'c>,
    /// `tokens.near-cache`; empty for the file itself.
    path: String,
    entries: Vec<(Text, Value<'c>)>,
    known: RefCell<Vec<&'static str>>,
    /// Keys of the language that this version does not have.
    unbuilt: RefCell<Vec<&'static str>>,
    /// Where the table is, if it is.
    pub(super) place: Option<Place>,
}

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct Value<'c> {
    pub(super) cx: &'c Context<'c>,
    /// `tokens.near-cache.ttl`, for messages.
    pub(super) path: String,
    pub(super) place: Place,
    value: &'c DeValue<'c>,
}

/// A string and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) place: Place,
    /// As in the file, before variables were filled in.
    pub(super) written: String,
}

impl<'c> Table<'c> {
    pub(super) fn new(
        cx: &'c Context<'c>,
        file: usize,
        path: &str,
        table: &'c Spanned<DeTable<'c>>,
    ) -> Self {
        let place = Place::new(file, table.span());
        Self::read(cx, path, place, table.get_ref())
    }

    /// A table that is not in the file: every key of it is absent.
    fn absent(cx: &'c Context<'c>, path: String) -> Self {
        let (known, unbuilt) = (RefCell::default(), RefCell::default());
        Self { cx, path, entries: Vec::new(), known, unbuilt, place: None }
    }

    fn read(cx: &'c Context<'c>, path: &str, place: Place, table: &'c DeTable<'c>) -> Self {
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, value)| {
                let text = key.get_ref().clone().into_owned();
                let path = join(path, &text);
                let key =
                    Text { written: text.clone(), text, place: Place::new(place.file, key.span()) };
                let place = Place::new(place.file, value.span());
                (key, Value { cx, path, place, value: value.get_ref() })
            })
            .collect();
        // The parser sorts by name; people read by line.
        entries.sort_by_key(|(key, _)| key.place.start);
        let (known, unbuilt) = (RefCell::default(), RefCell::default());
        Self { cx, path: path.to_owned(), entries, known, unbuilt, place: Some(place) }
    }

    pub(super) fn is_present(&self) -> bool {
        self.place.is_some()
    }

    /// The value of `key`, which from now on is a known key of this table.
    pub(super) fn get(&self, key: &'static str) -> Option<Value<'c>> {
        self.known.borrow_mut().push(key);
        #[cfg(test)]
        self.cx.known.borrow_mut().insert(self.path_of(key));
        self.entries.iter().find(|(name, _)| name.text == key).map(|(_, value)| value.clone())
    }

    /// The value of `key`; its absence is a mistake unless the whole table is absent.
    pub(super) fn need(&self, key: &'static str, help: &str) -> Option<Value<'c>> {
        let value = self.get(key);
        if let (None, Some(place)) = (&value, &self.place)
            && !self.may_hold(key)
        {
            let message = format!("`{}` is missing", self.path_of(key));
            let mistake = if self.path.is_empty() {
                Mistake::nowhere(message)
            } else {
                Mistake::at(self.first_line(place), message, "")
            };
            self.cx.mistake(mistake.help(help));
        }
        value
    }

    /// Whether `key`, which is absent, may yet be meant: misspelt, or on a line that could not be read.
    pub(super) fn may_hold(&self, key: &str) -> bool {
        let misspelt =
            |name: &str| !super::TOP_LEVEL_KEYS.contains(&name) && nearest(name, [key]).is_some();
        self.cx.is_torn() || self.entries.iter().any(|(name, _)| misspelt(&name.text))
    }

    /// Notes a mistake if there is `key`, which the language has and this version has not.
    pub(super) fn not_built(&self, key: &'static str) {
        self.unbuilt.borrow_mut().push(key);
        if let Some((name, _)) = self.entries.iter().find(|(name, _)| name.text == key) {
            let key = if self.path.is_empty() { format!("[{key}]") } else { key.to_owned() };
            let message = format!("`{key}` is not built into this version");
            name.bad(self.cx, message, "remove it");
        }
    }

    /// The table below `key`; if there is none, one in which every key is absent.
    pub(super) fn table(&self, key: &'static str) -> Table<'c> {
        let table = self.get(key).and_then(|value| value.table());
        table.unwrap_or_else(|| Table::absent(self.cx, self.path_of(key)))
    }

    /// Every entry, in the file's order, for tables whose keys are not ours.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Text, &Value<'c>)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// Notes every key that nobody asked for.
    pub(super) fn done(self) {
        // A broken line may have put a key into the wrong table.
        if self.cx.is_torn() {
            return;
        }
        let (known, unbuilt) = (self.known.borrow(), self.unbuilt.borrow());
        for (key, _) in &self.entries {
            let name = key.text.as_str();
            if !known.contains(&name) && !unbuilt.contains(&name) {
                self.cx.mistake(self.unknown(key, &known));
            }
        }
    }

    fn unknown(&self, key: &Text, known: &[&'static str]) -> Mistake {
        let name = shorten(&key.text);
        let message = if self.path.is_empty() {
            format!("unknown key `{name}`")
        } else {
            format!("unknown key `{name}` in `{}`", self.path)
        };
        if let Some(near) = nearest(&key.text, known.iter().copied()) {
            return Mistake::at(key.place.clone(), message, format!("did you mean `{near}`?"));
        }
        if !self.path.is_empty() && super::TOP_LEVEL_KEYS.contains(&key.text.as_str()) {
            let help = format!("`{name}` belongs above the first `[table]` of the file");
            return Mistake::at(key.place.clone(), message, "").help(help);
        }
        let mut known: Vec<_> = known.iter().map(|key| format!("`{key}`")).collect();
        known.sort();
        let known = known.join(", ");
        Mistake::at(key.place.clone(), message, "").help(format!("known here: {known}"))
    }

    fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// A table's own line: its span may run over all of its values.
    fn first_line(&self, place: &Place) -> Place {
        let text = self.cx.text_at(place);
        place.part(0..text.find('\n').unwrap_or(text.len()))
    }
}

impl<'c> Value<'c> {
    /// Notes a mistake at this value.
    pub(super) fn bad(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.cx.mistake(Mistake::at(self.place.clone(), message, hint));
    }

    fn wrong_type(&self, expected: &str) {
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a point",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.bad(format!("`{}` is {found}", self.path), format!("expected {expected}"));
    }

    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub(super) fn is_text(&self) -> bool {
        self.value.is_str()
    }

    /// Whether this is a string that reads `word`; no mistake if it is not.
    pub(super) fn says(&self, word: &str) -> bool {
        let DeValue::String(written) = self.value else { return false };
        let text = interpolate(self.cx, written);
        text.is_ok_and(|text| text.as_deref().unwrap_or(written) == word)
    }

    pub(super) fn table(&self) -> Option<Table<'c>> {
        let DeValue::Table(table) = self.value else {
            self.wrong_type("a table");
            return None;
        };
        Some(Table::read(self.cx, &self.path, self.place.clone(), table))
    }

    /// A string with its variables filled in, never empty.
    pub(super) fn text(&self) -> Option<Text> {
        self.text_as("a string")
    }

    /// A string with its variables filled in, never empty; `expected` is what to ask for otherwise.
    pub(super) fn text_as(&self, expected: &str) -> Option<Text> {
        let DeValue::String(written) = self.value else {
            self.wrong_type(expected);
            return None;
        };
        let text = match interpolate(self.cx, written) {
            Ok(Some(text)) => text,
            Ok(None) => written.clone().into_owned(),
            Err(faults) => {
                for fault in faults {
                    let place = inside_string(self.cx, &self.place, written, fault.at);
                    self.cx.mistake(Mistake::at(place, fault.message, fault.hint));
                }
                return None;
            }
        };
        if text.is_empty() {
            self.bad(format!("`{}` is empty", self.path), format!("expected {expected}"));
            return None;
        }
        let written = written.clone().into_owned();
        Some(Text { text, place: self.place.clone(), written })
    }

    /// The elements of a list; `expected` is what to ask for otherwise.
    pub(super) fn list(&self, expected: &str) -> Option<Vec<Value<'c>>> {
        let DeValue::Array(array) = self.value else {
            self.wrong_type(expected);
            return None;
        };
        let element = |element: &'c Spanned<DeValue<'c>>| Value {
            cx: self.cx,
            path: self.path.clone(),
            place: Place::new(self.place.file, element.span()),
            value: element.get_ref(),
        };
        Some(array.iter().map(element).collect())
    }

    /// A string, or a list of at least one: an empty list never means "all" or "none".
    pub(super) fn texts(&self) -> Option<Vec<Text>> {
        if self.is_text() {
            return Some(vec![self.text()?]);
        }
        let values = self.list("a string or a list of strings")?;
        if values.is_empty() {
            self.bad(format!("`{}` is an empty list", self.path), "name at least one");
            return None;
        }
        // All of them, so that each one's mistake is noted.
        let texts: Vec<_> = values.iter().map(Value::text).collect();
        texts.into_iter().collect()
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        let DeValue::Boolean(value) = self.value else {
            self.wrong_type("`true` or `false`");
            return None;
        };
        Some(*value)
    }

    pub(super) fn integer(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let DeValue::Integer(integer) = self.value else {
            self.wrong_type("a whole number");
            return None;
        };
        let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.and_then(|number| u64::try_from(number).ok());
        let fits = number.filter(|number| range.contains(number));
        if fits.is_none() {
            let expected = format!("expected {} to {}", range.start(), range.end());
            self.bad(format!("`{}` is out of range", self.path), expected);
        }
        fits
    }

    /// `"30s"`.
    pub(super) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let text = self.text_as("a time with its unit, such as `\"30s\"`")?;
        match quantity::duration(&text.text) {
            Ok(duration) if range.contains(&duration) => Some(duration),
            Ok(_) => {
                let (from, to) = (range.start(), range.end());
                let (from, to) = (quantity::show_duration(*from), quantity::show_duration(*to));
                let hint = format!("expected {from} to {to}");
                self.bad(format!("`{}` is out of range", self.path), hint);
                None
            }
            Err(hint) => {
                self.bad(format!("{} is no time", text.quoted()), hint);
                None
            }
        }
    }

    /// `"16MiB"`.
    pub(super) fn bytes(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let text = self.text_as("a size with its unit, such as `\"16MiB\"`")?;
        match quantity::bytes(&text.text) {
            Ok(bytes) if range.contains(&bytes) => Some(bytes),
            Ok(_) => {
                let (from, to) = (range.start(), range.end());
                let (from, to) = (quantity::show_bytes(*from), quantity::show_bytes(*to));
                let hint = format!("expected {from} to {to}");
                self.bad(format!("`{}` is out of range", self.path), hint);
                None
            }
            Err(hint) => {
                self.bad(format!("{} is no size", text.quoted()), hint);
                None
            }
        }
    }

    /// A point in time: `2026-12-31T00:00:00Z`, without quotes.
    pub(super) fn instant(&self) -> Option<SystemTime> {
        const EXPECTED: &str = "a date with its offset and without quotes: `2026-12-31T00:00:00Z`";
        let DeValue::Datetime(datetime) = self.value else {
            self.wrong_type(EXPECTED);
            return None;
        };
        let instant = instant::from_datetime(datetime);
        if instant.is_none() {
            let message = format!("`{}` could be read differently in another time zone", self.path);
            self.bad(message, format!("expected {EXPECTED}"));
        }
        instant
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let words = || choices.iter().map(|(word, _)| *word);
        let expected = either(words());
        let text = self.text_as(&expected)?;
        let found = choices.iter().find(|(word, _)| *word == text.text);
        if found.is_none() {
            let hint = match nearest(&text.text, words()) {
                Some(near) if !text.is_filled_in() => format!("did you mean `{near}`?"),
                _ => format!("expected {expected}"),
            };
            self.bad(format!("{} is no value of `{}`", text.quoted(), self.path), hint);
        }
        found.map(|(_, value)| *value)
    }
}

impl Text {
    /// Whether a variable or a file is in it, so that it must not be shown.
    pub(super) fn is_filled_in(&self) -> bool {
        self.text != self.written
    }

    /// The text for a message, as written in the file: what a variable held is never shown.
    pub(super) fn quoted(&self) -> String {
        format!("`{}`", shorten(&self.written))
    }

    /// Whether this key has a reference in it, which is a mistake: keys are read before variables.
    pub(super) fn has_reference(&self, cx: &Context) -> bool {
        let Some(at) = self.text.find("${") else { return false };
        let place = self.part(cx, at..self.text.len());
        let message = "`${…}` is not filled in here";
        cx.mistake(Mistake::at(place, message, "it works in values only, never in keys"));
        true
    }

    /// The place of a part of the text.
    pub(super) fn part(&self, cx: &Context, at: std::ops::Range<usize>) -> Place {
        inside_string(cx, &self.place, &self.text, at)
    }

    /// Notes a mistake at this string.
    pub(super) fn bad(&self, cx: &Context, message: impl Into<String>, hint: impl Into<String>) {
        cx.mistake(Mistake::at(self.place.clone(), message, hint));
    }
}

/// `backends.reports`, `rules."GET /status"`.
fn join(path: &str, key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match (path, key.chars().all(is_bare)) {
        ("", _) => key.to_owned(),
        (_, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}.\"{key}\""),
    }
}

/// `a`, `b` or `c`.
fn either<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    match words.pop() {
        Some(last) if !words.is_empty() => format!("{} or {last}", words.join(", ")),
        last => last.unwrap_or_default(),
    }
}

/// Long texts are cut in messages: the line itself is shown below.
fn shorten(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    if text.chars().count() <= CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(CHARS_MAX).chain(['…']).collect()
}
