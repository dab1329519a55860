//! Whom a credential proved. Values only: where they come from is `auth`'s business.

/// Which kind of caller a principal is. The label is what `{principal.kind}` sends to the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// No credential was presented and the rule lets guests in.
    Guest,
    /// A subject that a token proved.
    User,
}

impl PrincipalKind {
    /// The word for the wire, the log and `[expect]` lines.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::User => "user",
        }
    }
}

/// The proven caller of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// What kind of caller this is.
    pub kind: PrincipalKind,
    /// The store's name for the caller, compared byte for byte by `self:{x}`. Empty for a guest.
    pub id: String,
    /// A name for people, when the store has one.
    pub name: Option<String>,
    /// An e-mail address, when the store has one.
    pub email: Option<String>,
    /// Roles held, compared by `role:x`.
    pub roles: Vec<String>,
    /// Scopes granted to the token, compared by `scope:x`.
    pub scopes: Vec<String>,
}

impl Principal {
    /// The caller that presented nothing.
    #[must_use]
    pub fn guest() -> Self {
        Self {
            kind: PrincipalKind::Guest,
            id: String::new(),
            name: None,
            email: None,
            roles: Vec::new(),
            scopes: Vec::new(),
        }
    }
}
