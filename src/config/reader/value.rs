//! A value of the file: what it is meant to be, or a mistake at its place.

use std::{
    ops::{Range, RangeInclusive},
    time::{Duration, SystemTime},
};

use toml::{Spanned, de::DeValue};

use super::Table;
use crate::config::{
    context::{Context, inside_string},
    instant,
    interpolate::interpolate,
    quantity,
    report::Mistake,
    source::Place,
};
use crate::nearest::nearest;

/// A value and where it stands.
#[derive(Clone)]
pub(in crate::config) struct Value<'c> {
    pub(in crate::config) cx: &'c Context<'c>,
    /// `tokens.near-cache.ttl`, for messages.
    pub(in crate::config) path: String,
    pub(in crate::config) place: Place,
    value: &'c DeValue<'c>,
}

/// A string and where it stands.
#[derive(Clone, Debug)]
pub(in crate::config) struct Text {
    pub(in crate::config) text: String,
    pub(in crate::config) place: Place,
    /// As in the file, before variables were filled in.
    pub(in crate::config) written: String,
}

impl<'c> Value<'c> {
    pub(super) fn new(
        cx: &'c Context<'c>,
        path: String,
        place: Place,
        value: &'c DeValue<'c>,
    ) -> Self {
        Self { cx, path, place, value }
    }

    /// Notes a mistake at this value.
    pub(in crate::config) fn bad(&self, message: impl Into<String>, hint: impl Into<String>) {
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

    pub(in crate::config) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub(in crate::config) fn is_text(&self) -> bool {
        self.value.is_str()
    }

    /// Whether this is a string that reads `word`; no mistake if it is not.
    pub(in crate::config) fn says(&self, word: &str) -> bool {
        let DeValue::String(written) = self.value else { return false };
        let text = interpolate(self.cx, written);
        text.is_ok_and(|text| text.as_deref().unwrap_or(written) == word)
    }

    pub(in crate::config) fn table(&self) -> Option<Table<'c>> {
        let DeValue::Table(table) = self.value else {
            self.wrong_type("a table");
            return None;
        };
        Some(Table::read(self.cx, &self.path, self.place.clone(), table))
    }

    /// A string with its variables filled in, never empty.
    pub(in crate::config) fn text(&self) -> Option<Text> {
        self.text_as("a string")
    }

    /// A string with its variables filled in, never empty; `expected` is what to ask for otherwise.
    pub(in crate::config) fn text_as(&self, expected: &str) -> Option<Text> {
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
    pub(in crate::config) fn list(&self, expected: &str) -> Option<Vec<Value<'c>>> {
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
    pub(in crate::config) fn texts(&self) -> Option<Vec<Text>> {
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

    pub(in crate::config) fn boolean(&self) -> Option<bool> {
        let DeValue::Boolean(value) = self.value else {
            self.wrong_type("`true` or `false`");
            return None;
        };
        Some(*value)
    }

    pub(in crate::config) fn integer(&self, range: RangeInclusive<u64>) -> Option<u64> {
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
    pub(in crate::config) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
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
    pub(in crate::config) fn bytes(&self, range: RangeInclusive<u64>) -> Option<u64> {
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
    pub(in crate::config) fn instant(&self) -> Option<SystemTime> {
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
    pub(in crate::config) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
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
    pub(in crate::config) fn is_filled_in(&self) -> bool {
        self.text != self.written
    }

    /// The text for a message, as written in the file: what a variable held is never shown.
    pub(in crate::config) fn quoted(&self) -> String {
        format!("`{}`", shorten(&self.written))
    }

    /// Whether this key has a reference in it, which is a mistake: keys are read before variables.
    pub(in crate::config) fn has_reference(&self, cx: &Context) -> bool {
        let Some(at) = self.text.find("${") else { return false };
        let place = self.part(cx, at..self.text.len());
        let message = "`${…}` is not filled in here";
        cx.mistake(Mistake::at(place, message, "it works in values only, never in keys"));
        true
    }

    /// The place of a part of the text.
    pub(in crate::config) fn part(&self, cx: &Context, at: Range<usize>) -> Place {
        inside_string(cx, &self.place, &self.text, at)
    }

    /// Notes a mistake at this string.
    pub(in crate::config) fn bad(
        &self,
        cx: &Context,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        cx.mistake(Mistake::at(self.place.clone(), message, hint));
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
pub(super) fn shorten(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    if text.chars().count() <= CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(CHARS_MAX).chain(['…']).collect()
}
