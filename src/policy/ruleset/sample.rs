//! A few requests that stand for all.
//!
//! Every capture and every host that a rule leaves free is filled with a word that no rule knows. Whatever
//! holds of some request that two rules share holds of their sample of the same method and length too,
//! because only rules that hold all of what the two share match it. Longer paths than the deepest rule and one
//! segment more are alike.

use std::collections::HashSet;

use super::super::pattern::{Area, HostPattern, Left, Methods, Segment, Verb};

/// How samples of some rules are made.
pub(super) struct Samples {
    /// Most segments that any rule has.
    deepest: usize,
    /// A word that is no literal and no host's label.
    fresh: String,
}

/// A request, given by what matters of it.
pub(super) struct Sample<'a> {
    pub(super) host: &'a str,
    pub(super) segments: Vec<&'a str>,
}

impl Samples {
    pub(super) fn of<'a, L: Iterator<Item = &'a Left>>(lefts: impl Fn() -> L) -> Self {
        let deepest = lefts().map(|left| left.area().segments.len()).max().unwrap_or(0);
        Self { deepest, fresh: fresh(lefts()) }
    }

    /// How long paths of `area` can be, as far as it makes a difference. The second shortest first:
    /// something below a path makes a better example than the path itself.
    pub(super) fn lengths(&self, area: &Area) -> impl Iterator<Item = usize> {
        let shortest = area.segments.len();
        let longest = if area.open { self.deepest + 1 } else { shortest };
        let second = (shortest < longest).then_some(shortest + 1);
        second.into_iter().chain([shortest]).chain(shortest + 2..=longest)
    }

    pub(super) fn host(&self, area: &Area) -> String {
        match &area.host {
            HostPattern::Exactly(host) => host.clone(),
            HostPattern::Under(suffix) => format!("{}.{suffix}", self.fresh),
            HostPattern::Any => self.fresh.clone(),
        }
    }

    /// The one of this length; `host` is that of [`host`](Self::host).
    pub(super) fn at<'s>(&'s self, area: &'s Area, host: &'s str, length: usize) -> Sample<'s> {
        let fixed = area.segments.iter().map(|segment| match segment {
            Segment::Literal { value, .. } => value.as_str(),
            Segment::Capture(_) => self.fresh.as_str(),
        });
        let free = std::iter::repeat(self.fresh.as_str());
        Sample { host, segments: fixed.chain(free).take(length).collect() }
    }

    /// The sample as a person writes it. Where any host will do, none is shown.
    pub(super) fn show(&self, verb: Verb, area: &Area, length: usize) -> String {
        let host = match &area.host {
            HostPattern::Any => String::new(),
            HostPattern::Exactly(_) | HostPattern::Under(_) => self.host(area),
        };
        let fixed = area.segments.iter().map(|segment| match segment {
            Segment::Literal { text, .. } => text.as_str(),
            Segment::Capture(_) => self.fresh.as_str(),
        });
        let free = std::iter::repeat(self.fresh.as_str());
        let path: Vec<&str> = fixed.chain(free).take(length).collect();
        format!("{} {host}/{}", verb.name(), path.join("/"))
    }
}

/// A list that takes these methods; GET stands for its HEAD too.
pub(super) fn written(verbs: &[Verb]) -> Methods {
    let brought = |verb: Verb| verb == Verb::Head && verbs.contains(&Verb::Get);
    Methods::list(verbs.iter().copied().filter(|verb| !brought(*verb)))
}

/// A word that neither a segment nor a host of any rule has.
fn fresh<'a>(lefts: impl Iterator<Item = &'a Left>) -> String {
    let mut taken = HashSet::new();
    for left in lefts {
        let area = left.area();
        match &area.host {
            HostPattern::Exactly(host) | HostPattern::Under(host) => taken.extend(host.split('.')),
            HostPattern::Any => {}
        }
        taken.extend(area.segments.iter().filter_map(|segment| match segment {
            Segment::Literal { value, .. } => Some(value.as_str()),
            Segment::Capture(_) => None,
        }));
    }
    let letters = ["x", "y", "z"].into_iter().map(str::to_owned);
    let mut words = letters.chain((1..).map(|number| format!("x{number}")));
    words.find(|word| !taken.contains(word.as_str())).unwrap_or_default()
}
