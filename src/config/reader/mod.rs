//! Reads a parsed TOML table key by key. What is wrong is collected, and reading goes on.
//!
//! A [`Table`] remembers which keys were asked for; whatever is left when it is [done](Table::done)
//! is an unknown key. A getter answers `None` both for an absent key and for a bad one: the mistake is
//! already noted, and nothing is built from a configuration with mistakes.

mod value;

use std::cell::RefCell;

use toml::{Spanned, de::DeTable};

use self::value::shorten;
pub(in crate::config) use self::value::{Text, Value};
use super::{context::Context, report::Mistake, source::Place};
use crate::nearest::nearest;

/// A table of the file, or the idea of one that is not there.
pub(in crate::config) struct Table<'c> {
    pub(in crate::config) cx: &'c Context<'c>,
    /// `tokens.near-cache`; empty for the file itself.
    path: String,
    entries: Vec<(Text, Value<'c>)>,
    known: RefCell<Vec<&'static str>>,
    /// Keys of the language that this version does not have.
    unbuilt: RefCell<Vec<&'static str>>,
    /// Where the table is, if it is.
    pub(in crate::config) place: Option<Place>,
}

impl<'c> Table<'c> {
    pub(in crate::config) fn new(
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
                (key, Value::new(cx, path, place, value.get_ref()))
            })
            .collect();
        // The parser sorts by name; people read by line.
        entries.sort_by_key(|(key, _)| key.place.start);
        let (known, unbuilt) = (RefCell::default(), RefCell::default());
        Self { cx, path: path.to_owned(), entries, known, unbuilt, place: Some(place) }
    }

    pub(in crate::config) fn is_present(&self) -> bool {
        self.place.is_some()
    }

    /// The value of `key`, which from now on is a known key of this table.
    pub(in crate::config) fn get(&self, key: &'static str) -> Option<Value<'c>> {
        self.known.borrow_mut().push(key);
        #[cfg(test)]
        self.cx.known.borrow_mut().insert(self.path_of(key));
        self.entries.iter().find(|(name, _)| name.text == key).map(|(_, value)| value.clone())
    }

    /// The value of `key`; its absence is a mistake unless the whole table is absent.
    pub(in crate::config) fn need(&self, key: &'static str, help: &str) -> Option<Value<'c>> {
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
    pub(in crate::config) fn may_hold(&self, key: &str) -> bool {
        let misspelt =
            |name: &str| !super::TOP_LEVEL_KEYS.contains(&name) && nearest(name, [key]).is_some();
        self.cx.is_torn() || self.entries.iter().any(|(name, _)| misspelt(&name.text))
    }

    /// Notes a mistake if there is `key`, which the language has and this version has not.
    pub(in crate::config) fn not_built(&self, key: &'static str) {
        self.unbuilt.borrow_mut().push(key);
        if let Some((name, _)) = self.entries.iter().find(|(name, _)| name.text == key) {
            let message = format!("`{key}` is not built into this version");
            name.bad(self.cx, message, "remove it");
        }
    }

    /// The table below `key`; if there is none, one in which every key is absent.
    pub(in crate::config) fn table(&self, key: &'static str) -> Table<'c> {
        let table = self.get(key).and_then(|value| value.table());
        table.unwrap_or_else(|| Table::absent(self.cx, self.path_of(key)))
    }

    /// Every entry, in the file's order, for tables whose keys are not ours.
    pub(in crate::config) fn entries(&self) -> impl Iterator<Item = (&Text, &Value<'c>)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// Notes every key that nobody asked for.
    pub(in crate::config) fn done(self) {
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

/// `backends.reports`, `rules."GET /status"`.
fn join(path: &str, key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match (path, key.chars().all(is_bare)) {
        ("", _) => key.to_owned(),
        (_, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}.\"{key}\""),
    }
}
