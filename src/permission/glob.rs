//! Text without case, and wildcards within one segment. Nothing here allocates to compare.

use super::Spellings;

/// The caller's own name inside a pattern.
pub(super) const CALLER: &str = "${user}";

/// A segment of which only parts are fixed: `c?ts`, `*-draft`, `notes-${user}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Glob {
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Char(char),
    /// `?`
    One,
    /// `*`
    Run,
    Caller,
}

impl Glob {
    pub(super) fn read(segment: &str) -> Self {
        let mut pieces = Vec::new();
        for (index, part) in segment.split(CALLER).enumerate() {
            if index > 0 {
                pieces.push(Piece::Caller);
            }
            pieces.extend(folded(part).map(|char| match char {
                '*' => Piece::Run,
                '?' => Piece::One,
                char => Piece::Char(char),
            }));
        }
        Self { pieces }
    }

    pub(super) fn matches(&self, text: &str, caller: Option<Spellings<'_>>) -> bool {
        if !self.pieces.contains(&Piece::Caller) {
            return fits(&self.pieces, text);
        }
        caller.is_some_and(|caller| caller.each().any(|name| fits(&self.with(name), text)))
    }

    /// The pieces with the caller's name filled in: as text, whatever characters it has.
    fn with(&self, name: &str) -> Vec<Piece> {
        let mut filled = Vec::with_capacity(self.pieces.len() + name.len());
        for piece in &self.pieces {
            match piece {
                Piece::Caller => filled.extend(folded(name).map(Piece::Char)),
                Piece::Char(_) | Piece::One | Piece::Run => filled.push(*piece),
            }
        }
        filled
    }
}

/// Whether `pieces` describe all of `text`. Only the last `*` ever grows: when the pieces after it
/// fit somewhere, an earlier one has nothing to gain. So this costs at most both lengths multiplied.
fn fits(pieces: &[Piece], text: &str) -> bool {
    let mut rest = folded(text);
    let mut next = 0;
    let mut last_run = None;
    loop {
        let mut ahead = rest.clone();
        let char = ahead.next();
        let fit = match (pieces.get(next), char) {
            (Some(Piece::Run), _) => {
                next += 1;
                last_run = Some((next, rest.clone()));
                continue;
            }
            (Some(Piece::One), Some(_)) => true,
            (Some(Piece::Char(wanted)), Some(char)) => *wanted == char,
            (Some(Piece::One | Piece::Char(_)), None) => return false,
            (Some(Piece::Caller), _) => false,
            (None, None) => return true,
            (None, Some(_)) => false,
        };
        if fit {
            rest = ahead;
            next += 1;
            continue;
        }
        let Some((after, grown)) = &mut last_run else { return false };
        if grown.next().is_none() {
            return false;
        }
        next = *after;
        rest = grown.clone();
    }
}

/// The characters of `text` in lower case. One by one, for a word's last sigma looks at its
/// neighbours, and a pattern may end where a word goes on.
pub(super) fn folded(text: &str) -> impl Iterator<Item = char> + Clone {
    text.chars().flat_map(char::to_lowercase).map(|char| if char == 'ς' { 'σ' } else { char })
}

/// Whether both are one text but for case.
pub(super) fn same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
        || !(left.is_ascii() && right.is_ascii()) && folded(left).eq(folded(right))
}
