//! The files that were read, and places in them.

use std::{fmt, ops::Range};

use super::veil;

/// One file's text, and which of its lines may never be shown.
pub(super) struct SourceFile {
    /// As the operator named it: what stands before `:line:column`.
    pub(super) name: String,
    pub(super) text: String,
    /// Byte offset of each line's start.
    lines: Vec<usize>,
    /// Lines that hold a secret in plain text.
    hidden: Vec<bool>,
}

/// A range of bytes in one of the files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Place {
    pub(super) fn new(file: usize, span: Range<usize>) -> Self {
        Self { file, start: span.start, end: span.end }
    }

    /// The part `within` of this place, counted from its start.
    pub(super) fn part(&self, within: Range<usize>) -> Self {
        let end = (self.start + within.end).min(self.end);
        Self { file: self.file, start: (self.start + within.start).min(end), end }
    }
}

impl SourceFile {
    pub(super) fn new(name: String, text: String) -> Self {
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(starts.map(|(at, _)| at + 1)).collect();
        let hidden = veil::secret_lines(&text);
        Self { name, text, lines, hidden }
    }

    /// Line and column of a byte, both counted from 1; columns are characters.
    pub(super) fn position(&self, at: usize) -> (usize, usize) {
        let line = self.line_of(at);
        let before = self.text.get(self.lines[line]..at).unwrap_or_default();
        (line + 1, before.chars().count() + 1)
    }

    /// Forbids showing any line that `span` touches.
    pub(super) fn hide(&mut self, span: Range<usize>) {
        for line in self.line_of(span.start)..=self.line_of(span.end) {
            if let Some(hidden) = self.hidden.get_mut(line) {
                *hidden = true;
            }
        }
    }

    /// Whether every line that `span` touches may be shown.
    pub(super) fn may_show(&self, span: &Range<usize>) -> bool {
        let lines = self.line_of(span.start)..=self.line_of(span.end);
        lines.into_iter().all(|line| !self.hidden.get(line).copied().unwrap_or(false))
    }

    /// The whole lines around `span`, where they begin, and the number of the first.
    pub(super) fn excerpt(&self, span: &Range<usize>) -> (usize, usize, &str) {
        let (first, last) = (self.line_of(span.start), self.line_of(span.end));
        let end = self.lines.get(last + 1).copied().unwrap_or(self.text.len());
        (self.lines[first], first + 1, &self.text[self.lines[first]..end])
    }

    fn line_of(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).saturating_sub(1)
    }
}

/// Shows no text: some of it is secret.
impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceFile").field("name", &self.name).finish_non_exhaustive()
    }
}
