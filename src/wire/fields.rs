//! Field lines in the order in which they came.
//!
//! A head has few of them: to walk along all costs less than to hash a name.

use std::{fmt, rc::Rc};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{line, line_length};

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
        let bytes = fields
            .iter()
            .map(|(name, value)| line_length(name.as_str().as_bytes(), value.as_bytes()));
        let mut text = Vec::with_capacity(bytes.sum());
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

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, COOKIE, HOST};

    use super::*;

    fn fields(lines: &[(HeaderName, &'static str)]) -> Fields {
        let line = |(name, value): &(HeaderName, &'static str)| {
            (name.clone(), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn one_line_and_several_are_removed_and_the_others_stay_in_their_order() {
        let came = fields(&[(COOKIE, "a"), (HOST, "h"), (COOKIE, "b"), (ACCEPT, "c")]);
        let without = |name: &HeaderName| {
            let mut left = came.clone();
            left.remove(name);
            left
        };
        assert_eq!(without(&HOST), fields(&[(COOKIE, "a"), (COOKIE, "b"), (ACCEPT, "c")]));
        assert_eq!(without(&COOKIE), fields(&[(HOST, "h"), (ACCEPT, "c")]));
        assert_eq!(without(&http::header::TE), came);
        let mut set = came.clone();
        set.set(COOKIE, HeaderValue::from_static("d"));
        assert_eq!(set, fields(&[(HOST, "h"), (ACCEPT, "c"), (COOKIE, "d")]));
        assert_eq!(came.only(&HOST).unwrap(), "h");
        assert_eq!((came.only(&COOKIE), came.get(&COOKIE).unwrap().as_bytes()), (None, &b"a"[..]));
    }

    #[test]
    fn a_map_and_back_loses_no_line() {
        let came =
            fields(&[(COOKIE, "a"), (COOKIE, "b"), (HOST, "h"), (ACCEPT, "c"), (ACCEPT, "d")]);
        assert_eq!(Fields::from(HeaderMap::from(came.clone())), came);
    }

    #[test]
    fn what_is_ready_reads_as_its_lines_and_prints_no_value() {
        let ready = Ready::new(fields(&[(HOST, "h"), (COOKIE, "secret")]));
        assert_eq!(ready.text(), b"host: h\r\ncookie: secret\r\n");
        assert_eq!(format!("{ready:?}"), r#"["host", "cookie"]"#);
    }
}
