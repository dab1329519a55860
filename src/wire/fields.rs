//! Field lines in the order in which they came.
//!
//! A head has few of them: to walk along all costs less than to hash a name.

use std::{fmt, rc::Rc};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::line;

/// The fields of a request.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(HeaderName, HeaderValue)>);

impl Fields {
    /// None, with room for so many lines.
    #[must_use]
    pub fn with_capacity(lines: usize) -> Self {
        Self(Vec::with_capacity(lines))
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every line.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// The name of every line.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().map(|(name, _)| name)
    }

    /// The values of all lines of this name.
    pub fn all(&self, name: &HeaderName) -> impl Iterator<Item = &HeaderValue> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value)
    }

    /// The same, to be changed.
    pub fn all_mut(&mut self, name: &HeaderName) -> impl Iterator<Item = &mut HeaderValue> {
        self.0.iter_mut().filter(move |(known, _)| known == name).map(|(_, value)| value)
    }

    /// The value of the first line of this name.
    #[must_use]
    pub fn get(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.all(name).next()
    }

    /// The value of the only line of this name; `None` too where there are several.
    #[must_use]
    pub fn only(&self, name: &HeaderName) -> Option<&HeaderValue> {
        let mut lines = self.all(name);
        lines.next().filter(|_| lines.next().is_none())
    }

    /// Whether there is a line of this name.
    #[must_use]
    pub fn contains(&self, name: &HeaderName) -> bool {
        self.names().any(|known| known == name)
    }

    /// Adds a line, whatever else is there.
    pub fn append(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.push((name, value));
    }

    /// Puts one line in the place of all of this name.
    pub fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.remove(&name);
        self.append(name, value);
    }

    /// Removes all lines of this name.
    pub fn remove(&mut self, name: &HeaderName) {
        let is_it = |(known, _): &(HeaderName, HeaderValue)| known == name;
        let Some(first) = self.0.iter().position(is_it) else { return };
        if self.0[first + 1..].iter().any(is_it) {
            self.retain(|known| known != name);
        } else {
            self.0.remove(first); // one move of all that follows
        }
    }

    /// Leaves the lines of names that are to stay.
    pub fn retain(&mut self, mut stays: impl FnMut(&HeaderName) -> bool) {
        self.0.retain(|(name, _)| stays(name));
    }
}

/// Lines that are said of many requests, made once: one by one, and as they stand in a head of HTTP/1.1.
pub struct Ready {
    fields: Fields,
    text: Box<[u8]>,
}

impl Ready {
    /// Makes them of these.
    #[must_use]
    pub fn new(fields: Fields) -> Rc<Self> {
        let mut text = Vec::new();
        for (name, value) in fields.iter() {
            line(&mut text, name.as_str().as_bytes(), value.as_bytes());
        }
        Rc::new(Self { fields, text: text.into() })
    }

    /// One by one.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// As text, each with its line end.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }
}

impl From<HeaderMap> for Fields {
    fn from(map: HeaderMap) -> Self {
        let mut fields = Self::with_capacity(map.len());
        let mut last = None;
        // A map gives the name of several lines once.
        for (name, value) in map {
            last = name.or(last);
            if let Some(name) = &last {
                fields.append(name.clone(), value);
            }
        }
        fields
    }
}

impl From<Fields> for HeaderMap {
    fn from(fields: Fields) -> Self {
        let mut map = Self::with_capacity(fields.len());
        for (name, value) in fields.0 {
            map.append(name, value);
        }
        map
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for Fields {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(lines: I) -> Self {
        Self(lines.into_iter().collect())
    }
}

impl Extend<(HeaderName, HeaderValue)> for Fields {
    fn extend<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(&mut self, lines: I) {
        self.0.extend(lines);
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields.fmt(f)
    }
}

impl fmt::Debug for Fields {
    /// Names only: a value may be somebody's key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
