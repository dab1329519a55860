//! The path: a list of segments, each with one spelling that is sent and one decoded value that is judged.

use super::BadRequest;

/// `[paths]` of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathPolicy {
    pub empty_segments: EmptySegments,
    pub encoded_slash: EncodedSlash,
    pub punctuation: Punctuation,
    pub case: Case,
    /// Most segments accepted.
    pub segments_max: usize,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptySegments {
    Refuse,
    Merge,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodedSlash {
    Refuse,
    Opaque,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Punctuation {
    Refuse,
    Plain,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Exact,
    Fold,
}

/// An absolute path in its one canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalPath {
    _todo: (),
}

impl CanonicalPath {
    /// Reads the path part of a request target (no query).
    pub fn parse(raw: &str, policy: &PathPolicy) -> Result<Self, BadRequest> {
        todo!()
    }
    /// What is sent to the backend.
    pub fn as_str(&self) -> &str {
        todo!()
    }
    /// The decoded segments, without the empty one after a last slash. `/` has none.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator + Clone {
        Vec::<&str>::new().into_iter()
    }
    pub fn len(&self) -> usize {
        todo!()
    }
    /// Decoded segment `index`.
    pub fn segment(&self, index: usize) -> Option<&str> {
        todo!()
    }
    pub fn has_trailing_slash(&self) -> bool {
        todo!()
    }
    /// The path that remains when the leading segments of `prefix` are cut (by decoded value), read
    /// again from the start. `None` when `prefix` does not lead this path.
    pub fn strip_prefix(
        &self,
        prefix: &CanonicalPath,
        policy: &PathPolicy,
    ) -> Option<Result<CanonicalPath, BadRequest>> {
        todo!()
    }
}
