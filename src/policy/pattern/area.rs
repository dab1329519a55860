//! Which hosts and paths a rule is about, as a set: what it contains, and how two of them lie.
//! Knows nothing of methods and of who may.

use std::{cmp::Ordering, fmt};

use super::host::is_bare;

/// The hosts of a rule, lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) enum HostPattern {
    /// `api.example.com`
    Exactly(String),
    /// `*.example.com`: one label or more before this.
    Under(String),
    /// No host is written.
    Any,
}

impl HostPattern {
    fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Any) | (Self::Exactly(_), Self::Under(_)) => false,
            (Self::Exactly(ours), Self::Exactly(theirs)) => ours == theirs,
            (Self::Under(ours), Self::Under(theirs)) => ours == theirs || is_under(theirs, ours),
            (Self::Under(ours), Self::Exactly(theirs)) => is_under(theirs, ours),
        }
    }

    /// Names first, then the longest suffix.
    fn order(&self, other: &Self) -> Ordering {
        let labels = |host: &str| host.split('.').count();
        match (self, other) {
            (Self::Exactly(one), Self::Exactly(two)) => one.cmp(two),
            (Self::Under(one), Self::Under(two)) => {
                labels(two).cmp(&labels(one)).then_with(|| one.cmp(two))
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Exactly(_) => 0,
            Self::Under(_) => 1,
            Self::Any => 2,
        }
    }
}

fn is_under(host: &str, suffix: &str) -> bool {
    host.strip_suffix(suffix).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

/// What follows each dot of `host`, the longest first: `a.b.c` is under `b.c` and under `c`.
pub(in crate::policy) fn suffixes(host: &str) -> impl Iterator<Item = &str> {
    host.match_indices('.').map(|(dot, _)| &host[dot + 1..])
}

/// One segment of a rule's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Segment {
    Literal {
        /// Decoded, and folded where case does not count: what is compared.
        value: String,
        /// As a request would carry it.
        text: String,
    },
    /// Exactly one segment, by this name.
    Capture(String),
}

/// A set of hosts times a set of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Area {
    pub(in crate::policy) host: HostPattern,
    pub(in crate::policy) segments: Vec<Segment>,
    /// Ends in `/**`.
    pub(in crate::policy) open: bool,
}

/// How one area lies to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Relation {
    Same,
    /// Contained in the other, which holds more.
    Inside,
    Around,
    /// Some requests are in both, and each has some of its own.
    Crossing,
    Apart,
}

impl Area {
    pub(in crate::policy) fn relation(&self, other: &Self) -> Relation {
        let mut ours_holds_more = false;
        let mut theirs_holds_more = false;
        match (self.host.contains(&other.host), other.host.contains(&self.host)) {
            (true, true) => {}
            (true, false) => ours_holds_more = true,
            (false, true) => theirs_holds_more = true,
            (false, false) => return Relation::Apart,
        }
        for index in 0.. {
            match (self.part(index), other.part(index)) {
                (Part::End, Part::End) | (Part::Rest, Part::Rest) => break,
                (Part::Rest, _) => {
                    ours_holds_more = true;
                    break;
                }
                (_, Part::Rest) => {
                    theirs_holds_more = true;
                    break;
                }
                (Part::End, _) | (_, Part::End) => return Relation::Apart,
                (Part::Literal(ours), Part::Literal(theirs)) if ours != theirs => {
                    return Relation::Apart;
                }
                (Part::Capture, Part::Literal(_)) => ours_holds_more = true,
                (Part::Literal(_), Part::Capture) => theirs_holds_more = true,
                (Part::Literal(_), Part::Literal(_)) | (Part::Capture, Part::Capture) => {}
            }
        }
        match (ours_holds_more, theirs_holds_more) {
            (false, false) => Relation::Same,
            (false, true) => Relation::Inside,
            (true, false) => Relation::Around,
            (true, true) => Relation::Crossing,
        }
    }

    /// What both hold. Captures keep our names, or get a number where a name would stand twice.
    pub(in crate::policy) fn meet(&self, other: &Self) -> Option<Self> {
        if self.relation(other) == Relation::Apart {
            return None;
        }
        let host =
            if self.host.contains(&other.host) { other.host.clone() } else { self.host.clone() };
        let longest = self.segments.len().max(other.segments.len());
        let mut names: Vec<String> = Vec::new();
        let mut segments = Vec::with_capacity(longest);
        for index in 0..longest {
            segments.push(match (self.segments.get(index), other.segments.get(index)) {
                (Some(literal @ Segment::Literal { .. }), _)
                | (_, Some(literal @ Segment::Literal { .. })) => literal.clone(),
                (Some(Segment::Capture(name)), _) | (None, Some(Segment::Capture(name))) => {
                    let name = unused(name, &names);
                    names.push(name.clone());
                    Segment::Capture(name)
                }
                // Below the longer of the two there is one of them at every index.
                (None, None) => break,
            });
        }
        Some(Self { host, segments, open: self.open && other.open })
    }

    /// The order of a listing, most specific first. Extends [`Relation::Inside`]: what lies inside
    /// another area comes before it.
    pub(in crate::policy) fn order(&self, other: &Self) -> Ordering {
        let mut order = self.host.order(&other.host);
        let mut index = 0;
        while order.is_eq() {
            let (ours, theirs) = (self.part(index), other.part(index));
            order = ours.cmp(&theirs);
            if matches!(ours, Part::End | Part::Rest) {
                break;
            }
            index += 1;
        }
        order
    }

    fn part(&self, index: usize) -> Part<'_> {
        match self.segments.get(index) {
            Some(Segment::Literal { value, .. }) => Part::Literal(value),
            Some(Segment::Capture(_)) => Part::Capture,
            None if self.open => Part::Rest,
            None => Part::End,
        }
    }
}

/// What stands at one place of a path. The order of the variants is the order of a listing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    End,
    Literal(&'a str),
    Capture,
    Rest,
}

fn unused(name: &str, taken: &[String]) -> String {
    let mut candidate = name.to_owned();
    let mut number = 2;
    while taken.contains(&candidate) {
        candidate = format!("{name}{number}");
        number += 1;
    }
    candidate
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            HostPattern::Exactly(host) if is_bare(host) => write!(f, "{host}.")?,
            HostPattern::Exactly(host) => f.write_str(host)?,
            HostPattern::Under(suffix) => write!(f, "*.{suffix}")?,
            HostPattern::Any => {}
        }
        for segment in &self.segments {
            match segment {
                Segment::Literal { text, .. } => write!(f, "/{text}")?,
                Segment::Capture(name) => write!(f, "/{{{name}}}")?,
            }
        }
        match (self.open, self.segments.is_empty()) {
            (true, _) => f.write_str("/**"),
            (false, true) => f.write_str("/"),
            (false, false) => Ok(()),
        }
    }
}
