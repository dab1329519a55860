//! One compiled path: which requests it matches, and when two spellings of a user are one segment.

use super::{
    Asked, Spellings,
    glob::{CALLER, Glob, folded, same},
};

/// The collection whose members have several spellings.
const USERS: &str = "users";

/// The caller, in the caller's own words.
const ME: &str = "me";

/// The path of a permission, or what follows its first segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pattern {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// In lower case.
    Literal(String),
    /// `${user}`
    Caller,
    /// `*`
    One,
    /// `**`: any number of segments, none as well.
    Many,
    Glob(Glob),
}

impl Pattern {
    /// Reads a path in which empty segments, and so slashes at either end, mean nothing.
    pub(super) fn read(path: &str) -> Self {
        let mut segments: Vec<_> =
            path.split('/').filter(|text| !text.is_empty()).map(Segment::read).collect();
        segments.dedup_by(|one, before| *one == Segment::Many && *before == Segment::Many);
        Self { segments }
    }

    /// `/**`
    pub(super) fn is_everything(&self) -> bool {
        self.segments == [Segment::Many]
    }

    /// The first segment and what follows it; the whole pattern where that segment names nothing:
    /// `${user}` is no name either, for a user may be called `roles`.
    pub(super) fn split_name(mut self) -> Result<(String, Self), Self> {
        match self.segments.first_mut() {
            Some(Segment::Literal(name)) => {
                let name = std::mem::take(name);
                self.segments.remove(0);
                Ok((name, self))
            }
            Some(Segment::Caller | Segment::One | Segment::Many | Segment::Glob(_)) | None => {
                Err(self)
            }
        }
    }

    /// Whether it matches the request's segments from `from` on, all of them.
    ///
    /// A last `*` may stand for nothing: the platform tries again with a slash at the end of the
    /// path, after which `*` finds its empty segment. Not after `**`, there as here.
    pub(super) fn matches(&self, asked: &Asked<'_>, from: usize) -> bool {
        walk(&self.segments, asked, from)
            || match self.segments.split_last() {
                Some((Segment::One, before)) if !before.contains(&Segment::Many) => {
                    walk(before, asked, from)
                }
                Some(_) | None => false,
            }
    }
}

impl Segment {
    fn read(text: &str) -> Self {
        match text {
            "*" => Self::One,
            "**" => Self::Many,
            CALLER => Self::Caller,
            _ if text.contains(['*', '?']) || text.contains(CALLER) => Self::Glob(Glob::read(text)),
            _ => Self::Literal(folded(text).collect()),
        }
    }

    /// Whether it matches the one segment of the request at `place`.
    fn matches(&self, asked: &Asked<'_>, place: usize) -> bool {
        let Some(typed) = asked.path.get(place) else { return false };
        match self {
            Self::One | Self::Many => true,
            Self::Literal(text) => {
                same(text, typed) || Person::at(place, asked).is_some_and(|one| one.is(text))
            }
            Self::Caller => match Person::at(place, asked) {
                Some(person) => person.is_caller,
                None => asked.caller.is_some_and(|caller| caller.has(typed)),
            },
            Self::Glob(glob) => {
                let fits = |text| glob.matches(text, asked.caller);
                fits(typed)
                    || Person::at(place, asked).is_some_and(|one| one.spellings.each().any(fits))
            }
        }
    }
}

/// Whether `segments` describe the request from `at` on. Only the last `**` ever grows: when what
/// follows it fits somewhere, an earlier one has nothing to gain. So this is at most quadratic.
fn walk(segments: &[Segment], asked: &Asked<'_>, mut at: usize) -> bool {
    let end = asked.path.len();
    let mut next = 0;
    let mut last_many = None;
    loop {
        match segments.get(next) {
            Some(Segment::Many) => {
                next += 1;
                if next == segments.len() {
                    return true;
                }
                last_many = Some((next, at));
                continue;
            }
            Some(_) if at >= end => return false,
            Some(segment) if segment.matches(asked, at) => {
                next += 1;
                at += 1;
                continue;
            }
            None if at >= end => return true,
            Some(_) | None => {}
        }
        let Some((after, grown)) = &mut last_many else { return false };
        *grown += 1;
        next = *after;
        at = *grown;
    }
}

/// The user whom a segment after `users` names, whichever way it is spelled.
struct Person<'a> {
    spellings: Spellings<'a>,
    is_caller: bool,
}

impl<'a> Person<'a> {
    /// Where the user has been looked up, the UUID says whether it is the caller: names that only
    /// look alike do not.
    fn at(place: usize, asked: &Asked<'a>) -> Option<Self> {
        let before = place.checked_sub(1)?;
        if !same(asked.path.get(before)?, USERS) {
            return None;
        }
        if let Some(subject) = asked.subject.filter(|_| before == 0) {
            let is_caller = asked.caller.is_some_and(|caller| same(caller.id, subject.id));
            return Some(Self { spellings: subject, is_caller });
        }
        let typed = asked.path.get(place)?;
        let caller = asked.caller.filter(|caller| same(typed, ME) || caller.has(typed))?;
        Some(Self { spellings: caller, is_caller: true })
    }

    fn is(&self, text: &str) -> bool {
        self.spellings.has(text) || self.is_caller && text == ME
    }
}

impl<'a> Spellings<'a> {
    pub(super) fn each(self) -> impl Iterator<Item = &'a str> {
        [Some(self.id), self.name, self.email].into_iter().flatten()
    }

    pub(super) fn has(self, text: &str) -> bool {
        self.each().any(|spelling| same(spelling, text))
    }
}
