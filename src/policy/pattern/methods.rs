//! The methods of a rule. There are seven; a request by any other falls to no rule.

use std::fmt;

use http::Method;

/// A method that rules know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Verb {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Verb {
    pub(in crate::policy) const ALL: [Self; 7] =
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options];

    pub(in crate::policy) fn of(method: &Method) -> Option<Self> {
        Self::named(method.as_str())
    }

    pub(in crate::policy) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.name() == name)
    }

    pub(in crate::policy) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    /// Whether a request by this method asks for something to be changed.
    pub(in crate::policy) fn changes(self) -> bool {
        !matches!(self, Self::Get | Self::Head | Self::Options)
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// How a rule comes to take a method. Between rules of the same host and path the greater wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::policy) enum Claim {
    /// By `*`.
    Any,
    /// HEAD, because GET is named.
    Brought,
    /// By its name.
    Named,
}

/// `*`, or a list of methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Methods {
    /// One bit per named [`Verb`]; none stands for `*`.
    named: u8,
}

impl Methods {
    pub(in crate::policy) const ANY: Self = Self { named: 0 };

    /// Exactly these, or `*` when there are none.
    pub(in crate::policy) fn list(verbs: impl IntoIterator<Item = Verb>) -> Self {
        Self { named: verbs.into_iter().fold(0, |bits, verb| bits | verb.bit()) }
    }

    pub(in crate::policy) fn is_any(self) -> bool {
        self.named == 0
    }

    pub(in crate::policy) fn names(self, verb: Verb) -> bool {
        self.named & verb.bit() != 0
    }

    /// Whether and how these take `verb`.
    pub(in crate::policy) fn claim(self, verb: Verb) -> Option<Claim> {
        if self.is_any() {
            return Some(Claim::Any);
        }
        if self.names(verb) {
            return Some(Claim::Named);
        }
        (verb == Verb::Head && self.names(Verb::Get)).then_some(Claim::Brought)
    }

    /// The methods that both take.
    pub(in crate::policy) fn shared(self, other: Self) -> impl Iterator<Item = Verb> {
        Verb::ALL
            .into_iter()
            .filter(move |verb| self.claim(*verb).is_some() && other.claim(*verb).is_some())
    }

    /// For sorting: `*` last, and lists by their methods.
    pub(in crate::policy) fn order(self) -> (bool, u8) {
        (self.is_any(), self.named)
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_any() {
            return f.write_str("*");
        }
        for (count, verb) in Verb::ALL.into_iter().filter(|verb| self.names(*verb)).enumerate() {
            if count > 0 {
                f.write_str(",")?;
            }
            f.write_str(verb.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn get_brings_head_but_a_named_head_is_worth_more() {
        let get = Methods::list([Verb::Get]);
        let head = Methods::list([Verb::Head]);
        assert_eq!(get.claim(Verb::Head), Some(Claim::Brought));
        assert_eq!(head.claim(Verb::Head), Some(Claim::Named));
        assert_eq!(head.claim(Verb::Get), None);
        assert_eq!(Methods::ANY.claim(Verb::Head), Some(Claim::Any));
        assert!(Claim::Named > Claim::Brought && Claim::Brought > Claim::Any);
        assert_eq!(get.shared(head).collect::<Vec<_>>(), [Verb::Head]);
    }

    #[test]
    fn a_list_prints_in_one_order() {
        let listed = Methods::list([Verb::Delete, Verb::Get]);
        assert_eq!(listed.to_string(), "GET,DELETE");
        assert_eq!(Methods::ANY.to_string(), "*");
    }

    #[test]
    fn a_method_in_another_case_is_another_method() {
        assert_eq!(Verb::of(&Method::PATCH), Some(Verb::Patch));
        assert_eq!(Verb::of(&Method::from_bytes(b"get").unwrap()), None);
        assert_eq!(Verb::of(&Method::TRACE), None);
    }
}
