//! Usergrid's permissions: `get,post:/users/**`, compiled once per role. Pure.
//!
//! They only ever allow, so their order means nothing, and text that is no permission grants nothing.

mod glob;
mod pattern;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;
use http::Method;

use glob::folded;
use pattern::Pattern;

/// The permissions of one role, or of one user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PermissionSet {
    /// The application itself: only the path `*` covers it.
    root: Methods,
    /// `/**`, which most roles hold and which needs no look at the path.
    everything: Methods,
    /// Patterns by the first segment they name, so that a thousand of them cost no more than ten. What is
    /// looked for may be chosen by a stranger, what is there is not: a fixed hash will do.
    named: HashMap<String, Vec<Grant>, FixedState>,
    /// Patterns whose first segment could be several.
    unnamed: Vec<Grant>,
}

/// How a path may name one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spellings<'a> {
    /// The UUID.
    pub id: &'a str,
    /// The username.
    pub name: Option<&'a str>,
    /// The e-mail address.
    pub email: Option<&'a str>,
}

/// How far patterns reach whose first segment is `*` or `**`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// As far as they match.
    Everything,
    /// Not here: only a pattern that names the first segment counts.
    Named,
}

/// A request as permissions see it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// HEAD counts as GET.
    pub method: &'a Method,
    /// The decoded segments after the tenant. None at all: the application itself.
    pub path: &'a [&'a str],
    /// The user whom the second segment names, where the first is `users` and that user is known.
    pub subject: Option<Spellings<'a>>,
    /// The application user who asks.
    pub caller: Option<Spellings<'a>>,
    /// What patterns that begin with a wildcard are worth here.
    pub reach: Reach,
}

impl PermissionSet {
    /// Compiles `texts`. What is no permission grants nothing.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut set = Self::default();
        let mut named = BTreeMap::<String, Vec<Grant>>::new();
        for text in texts {
            let text = stored(text);
            let (words, paths) = text.split_once(':').unwrap_or(("*", &text));
            let methods = Methods::read(words);
            for path in paths.split(',').filter(|_| methods != Methods::NONE) {
                set.grant(methods, path, &mut named);
            }
        }
        set.named = named.into_iter().collect();
        for grants in set.named.values_mut().chain([&mut set.unnamed]) {
            grants.sort_unstable();
            grants.dedup();
        }
        set
    }

    /// Whether one of them allows what is asked.
    #[must_use]
    pub fn allows(&self, asked: &Asked<'_>) -> bool {
        let method = Methods::asked(asked.method);
        let wild = asked.reach == Reach::Everything;
        let Some(first) = asked.path.first() else {
            return wild && self.root.cover(method);
        };
        if wild && self.everything.cover(method) {
            return true;
        }
        let allow =
            |grants: &[Grant], from| grants.iter().any(|grant| grant.allows(method, asked, from));
        self.named(first).is_some_and(|grants| allow(grants, 1)) || wild && allow(&self.unnamed, 0)
    }

    fn named(&self, first: &str) -> Option<&[Grant]> {
        let is_folded = first.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
        let found = match is_folded {
            true => self.named.get(first),
            false => self.named.get(&folded(first).collect::<String>()),
        };
        found.map(Vec::as_slice)
    }

    fn grant(&mut self, methods: Methods, path: &str, named: &mut BTreeMap<String, Vec<Grant>>) {
        if path == "*" {
            self.root.add(methods);
            self.everything.add(methods);
            return;
        }
        let pattern = Pattern::read(path);
        if pattern.is_everything() {
            self.everything.add(methods);
            return;
        }
        match pattern.split_name() {
            Ok((first, pattern)) => {
                named.entry(first).or_default().push(Grant { methods, pattern });
            }
            Err(pattern) => self.unnamed.push(Grant { methods, pattern }),
        }
    }
}

/// A permission as it is stored and compared for deletion: in lower case.
#[must_use]
pub fn stored(text: &str) -> String {
    text.to_lowercase()
}

/// One path of one permission.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Grant {
    methods: Methods,
    /// Without the first segment, where that is what the grant was found by.
    pattern: Pattern,
}

impl Grant {
    fn allows(&self, method: Methods, asked: &Asked<'_>, from: usize) -> bool {
        self.methods.cover(method) && self.pattern.matches(asked, from)
    }
}

/// A set of methods, one bit each; the last stands for all that have no word of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Methods(u8);

impl Methods {
    const NONE: Self = Self(0);
    const GET: Self = Self(1);
    const PUT: Self = Self(1 << 1);
    const POST: Self = Self(1 << 2);
    const DELETE: Self = Self(1 << 3);
    const OTHER: Self = Self(1 << 4);
    const EVERY: Self = Self((1 << 5) - 1);

    /// Words before the colon. A word with a blank in it is another word, as on the platform.
    fn read(words: &str) -> Self {
        if words.is_empty() {
            return Self::EVERY;
        }
        let mut methods = Self::NONE;
        for word in words.split(',') {
            methods.add(match word {
                "*" => Self::EVERY,
                "get" => Self::GET,
                "put" => Self::PUT,
                "post" => Self::POST,
                "delete" => Self::DELETE,
                _ => Self::NONE,
            });
        }
        methods
    }

    /// The one bit of a request.
    fn asked(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD => Self::GET,
            Method::PUT => Self::PUT,
            Method::POST => Self::POST,
            Method::DELETE => Self::DELETE,
            _ => Self::OTHER,
        }
    }

    fn add(&mut self, more: Self) {
        self.0 |= more.0;
    }

    fn cover(self, method: Self) -> bool {
        self.0 & method.0 != 0
    }
}
