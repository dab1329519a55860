//! The path: a list of segments, each with one spelling that is sent and one decoded value that is judged.
//!
//! Everything is decoded exactly once. Repaired is only what has one reading: hex digits go to upper
//! case, escaped unreserved characters are decoded, raw characters that no path may hold are escaped.
//! Never joins decoded segments, never folds case and never parses a path as a URL.

mod read;
#[cfg(test)]
mod tests;

use smallvec::SmallVec;

use super::BadRequest;

/// `[paths]` of the file: what the backend cannot tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathPolicy {
    /// What becomes of `//`.
    pub empty_segments: EmptySegments,
    /// What becomes of `%2F`.
    pub encoded_slash: EncodedSlash,
    /// What becomes of `%23`, `%3F`, `;` and `%25` before two hex digits.
    pub punctuation: Punctuation,
    /// How segments compare. Parsing keeps case as it came.
    pub case: Case,
    /// Most segments accepted.
    pub segments_max: usize,
}

/// What becomes of a segment without a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptySegments {
    /// 400.
    Refuse,
    /// Dropped, from what is judged and from what is sent.
    Merge,
}

/// What becomes of `%2F`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodedSlash {
    /// 400.
    Refuse,
    /// Stays inside its segment, and is sent as `%2F`.
    Opaque,
}

/// What becomes of characters that some servers give a meaning to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Punctuation {
    /// 400.
    Refuse,
    /// Ordinary characters of a segment.
    Plain,
}

/// How two segments compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// Byte for byte.
    Exact,
    /// ASCII letters without case.
    Fold,
}

impl Case {
    /// Whether two decoded segments are the same.
    #[must_use]
    pub fn same(self, one: &str, other: &str) -> bool {
        match self {
            Self::Exact => one == other,
            Self::Fold => one.eq_ignore_ascii_case(other),
        }
    }
}

/// Segments that a path has room for without an allocation: most have a handful.
const USUAL_SEGMENTS: usize = 8;

/// Where each segment begins and ends. A path is shorter than two bytes count.
type Places = SmallVec<[(u16, u16); USUAL_SEGMENTS]>;

/// An absolute path in its one canonical form.
///
/// Invariant: `value` is empty exactly when `text` has no `%`, because then both would be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalPath {
    /// What is sent.
    text: String,
    /// The decoded segments, each after a slash, when they are not the text itself.
    value: String,
    /// Where each segment stands in `value`, or in `text` when `value` is empty.
    segments: Places,
}

impl CanonicalPath {
    /// Reads the path part of a request target (no query).
    ///
    /// # Errors
    /// [`BadRequest`] for whatever two servers could read differently.
    pub fn parse(raw: &str, policy: &PathPolicy) -> Result<Self, BadRequest> {
        if raw.len() >= usize::from(u16::MAX) {
            return Err(BadRequest::TargetTooLong);
        }
        match read::plain(raw, policy) {
            Some(path) => path,
            None => read::escaped(raw, policy),
        }
    }

    /// What is sent to the backend.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The decoded segments, without the empty one after a last slash. `/` has none.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator + Clone {
        let value = self.value();
        self.segments.iter().map(move |place| at(value, *place))
    }

    /// How many segments there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Decoded segment `index`.
    #[must_use]
    pub fn segment(&self, index: usize) -> Option<&str> {
        self.segments.get(index).map(|place| at(self.value(), *place))
    }

    /// Whether a slash follows the last segment. The root's only slash is its first.
    #[must_use]
    pub fn has_trailing_slash(&self) -> bool {
        self.text.len() > 1 && self.text.ends_with('/')
    }

    /// The path that remains when the leading segments of `prefix` are cut (by decoded value), read
    /// again from the start. `None` when `prefix` does not lead this path.
    ///
    /// A last slash of `prefix` counts for nothing; cutting the whole path leaves `/`.
    ///
    /// # Errors
    /// [`BadRequest`] should the remainder not be canonical.
    #[must_use]
    pub fn strip_prefix(
        &self,
        prefix: &CanonicalPath,
        policy: &PathPolicy,
    ) -> Option<Result<CanonicalPath, BadRequest>> {
        let leads = prefix.len() <= self.len()
            && self
                .segments()
                .zip(prefix.segments())
                .all(|(ours, cut)| policy.case.same(ours, cut));
        // In `text` a slash always stands before a segment or at the end: an encoded one has three bytes.
        leads.then(|| {
            let rest = self.text.match_indices('/').nth(prefix.len());
            Self::parse(rest.map_or("/", |(at, _)| &self.text[at..]), policy)
        })
    }

    fn value(&self) -> &str {
        if self.value.is_empty() { &self.text } else { &self.value }
    }
}

fn at(value: &str, (start, end): (u16, u16)) -> &str {
    &value[usize::from(start)..usize::from(end)]
}
