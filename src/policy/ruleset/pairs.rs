//! All pairs of rules that share requests and of which neither is inside the other.
//!
//! Found by walking the tree against itself, so that rules which nothing ties together are never
//! compared: a list of ten thousand has fifty million pairs, and hardly any of them meet.

use std::ops::ControlFlow::{self, Continue};

use super::index::{Entry, Index};

/// Hands each such pair to `visit`, rules of the same host and path included.
pub(super) fn unordered<T>(
    index: &Index,
    visit: &mut impl FnMut(&Entry, &Entry) -> ControlFlow<T>,
) -> ControlFlow<T> {
    let mut walk = Walk { index, visit };
    for (host, root) in index.roots() {
        walk.within(*root)?;
        for wider in index.wider(host) {
            // Whatever lies there, its host holds more.
            walk.between(*root, wider, More { left: false, right: true })?;
        }
    }
    Continue(())
}

/// Which side already holds something that the other does not.
#[derive(Clone, Copy)]
struct More {
    left: bool,
    right: bool,
}

struct Walk<'a, F> {
    index: &'a Index,
    visit: &'a mut F,
}

impl<T, F: FnMut(&Entry, &Entry) -> ControlFlow<T>> Walk<'_, F> {
    /// Pairs among the rules at and below one node.
    fn within(&mut self, node: usize) -> ControlFlow<T> {
        let node = self.index.node(node);
        for entries in [&node.exact, &node.open] {
            for (count, one) in entries.iter().enumerate() {
                for two in &entries[count + 1..] {
                    (self.visit)(one, two)?;
                }
            }
        }
        for &(_, literal) in &node.literals {
            self.within(literal)?;
            if let Some(capture) = node.capture {
                self.between(capture, literal, More { left: true, right: false })?;
            }
        }
        node.capture.map_or(Continue(()), |capture| self.within(capture))
    }

    /// Pairs of a rule at or below `left` with one at or below `right`, of which both hold more.
    fn between(&mut self, left: usize, right: usize, more: More) -> ControlFlow<T> {
        let (ours, theirs) = (self.index.node(left), self.index.node(right));
        if more.left && more.right {
            self.each(&ours.exact, &theirs.exact)?;
            self.each(&ours.open, &theirs.open)?;
        }
        if more.left {
            self.each(&ours.exact, &theirs.open)?;
            self.each_below(left, &theirs.open)?;
        }
        if more.right {
            self.each(&ours.open, &theirs.exact)?;
            self.each_below(right, &ours.open)?;
        }
        if ours.literals.len() <= theirs.literals.len() {
            for (value, left) in &ours.literals {
                if let Some(right) = theirs.literal(value) {
                    self.between(*left, right, more)?;
                }
            }
        } else {
            for (value, right) in &theirs.literals {
                if let Some(left) = ours.literal(value) {
                    self.between(left, *right, more)?;
                }
            }
        }
        if let (Some(left), Some(right)) = (ours.capture, theirs.capture) {
            self.between(left, right, more)?;
        }
        if let Some(left) = ours.capture {
            for &(_, right) in &theirs.literals {
                self.between(left, right, More { left: true, ..more })?;
            }
        }
        if let Some(right) = theirs.capture {
            for &(_, left) in &ours.literals {
                self.between(left, right, More { right: true, ..more })?;
            }
        }
        Continue(())
    }

    fn each(&mut self, ours: &[Entry], theirs: &[Entry]) -> ControlFlow<T> {
        for one in ours {
            for two in theirs {
                (self.visit)(one, two)?;
            }
        }
        Continue(())
    }

    /// Pairs of `open`, which holds all that is below the node, and each rule there.
    fn each_below(&mut self, node: usize, open: &[Entry]) -> ControlFlow<T> {
        if open.is_empty() {
            return Continue(());
        }
        let node = self.index.node(node);
        for child in node.literals.iter().map(|(_, child)| *child).chain(node.capture) {
            let below = self.index.node(child);
            self.each(open, &below.exact)?;
            self.each(open, &below.open)?;
            self.each_below(child, open)?;
        }
        Continue(())
    }
}
