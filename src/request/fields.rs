//! Which fields of a request are end-to-end and the client's to say.

use http::HeaderName;

/// The identity fields that only the gateway may set, matched in every spelling
/// (case, `_` or `.` for `-`, other punctuation).
#[derive(Clone, Debug, Default)]
pub struct Fence {
    _todo: (),
}

impl Fence {
    pub fn new(owned: &[HeaderName]) -> Self {
        todo!()
    }
    /// Whether a client's field of this name could be taken for an owned one.
    pub fn covers(&self, name: &HeaderName) -> bool {
        todo!()
    }
}
