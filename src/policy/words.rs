//! Stretches of a rule's text that know where they stand, so that an error can point at them.

use std::ops::Range;

use super::SyntaxError;

/// A stretch of the text and where it begins.
#[derive(Clone, Copy)]
pub(super) struct Word<'a> {
    pub(super) start: usize,
    pub(super) text: &'a str,
}

impl<'a> Word<'a> {
    pub(super) fn range(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    pub(super) fn part(self, range: Range<usize>) -> Self {
        Self { start: self.start + range.start, text: &self.text[range] }
    }

    pub(super) fn split(self, separator: char) -> impl Iterator<Item = Self> {
        let Self { mut start, text } = self;
        text.split(separator).map(move |text| {
            let word = Self { start, text };
            start += text.len() + separator.len_utf8();
            word
        })
    }

    /// What stands between blanks.
    pub(super) fn words(self) -> Vec<Word<'a>> {
        self.split(' ').filter(|word| !word.text.is_empty()).collect()
    }
}

/// A mistake at `at`, and what to write instead.
pub(super) fn wrong<T>(
    at: Range<usize>,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Result<T, SyntaxError> {
    Err(SyntaxError { at, message: message.into(), help: Some(help.into()) })
}
