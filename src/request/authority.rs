//! Host and port that the client asked for: exactly one, all its sources in agreement.

/// ASCII host in lower case without a last dot, and the port unless it is the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    _todo: (),
}

impl Authority {
    /// `example.com` or `[::1]`.
    pub fn host(&self) -> &str {
        todo!()
    }
    /// `example.com:8080`: the canonical Host field.
    pub fn as_str(&self) -> &str {
        todo!()
    }
}
