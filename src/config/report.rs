//! Every mistake of a configuration, and how a person or a script is told of them.
//!
//! Invariant: a line that holds a secret is never printed, and neither is what a variable held. A
//! mistake on such a line has its message and its place, and no source line.

use std::{
    fmt::{self, Write},
    ops::Range,
};

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::json;

use super::source::{Place, SourceFile};

/// Further mistakes are counted but not printed: nobody reads on, and a generated file can have thousands.
const SHOWN_MAX: usize = 100;

/// All that is wrong with a configuration file and what it includes; at least one mistake.
#[derive(Debug)]
pub struct Report {
    mistakes: Vec<Mistake>,
    files: Vec<SourceFile>,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// What is wrong, in a sentence without a full stop.
    message: String,
    /// Where, and what is said under the caret. The first is the mistake's own place.
    labels: Vec<(Place, String)>,
    /// What else is to be known.
    note: Option<String>,
    /// What to do.
    help: Option<String>,
}

impl Mistake {
    /// A mistake that has no place in a file: something is missing.
    pub(super) fn nowhere(message: impl Into<String>) -> Self {
        Self { message: message.into(), labels: Vec::new(), note: None, help: None }
    }

    /// A mistake at `place`, with `hint` under the caret (empty for a caret alone).
    pub(super) fn at(place: Place, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { labels: vec![(place, hint.into())], ..Self::nowhere(message) }
    }

    pub(super) fn place(&self) -> Option<&Place> {
        self.labels.first().map(|(place, _)| place)
    }

    pub(super) fn and(mut self, place: Place, hint: impl Into<String>) -> Self {
        self.labels.push((place, hint.into()));
        self
    }

    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Report {
    /// In the order of the files and of the lines in them.
    pub(super) fn new(mut mistakes: Vec<Mistake>, files: Vec<SourceFile>) -> Self {
        mistakes.sort_by(|a, b| a.place().cmp(&b.place()));
        mistakes.dedup();
        Self { mistakes, files }
    }

    /// How many mistakes there are.
    #[must_use]
    pub fn mistakes(&self) -> usize {
        self.mistakes.len()
    }

    /// The first mistake in one line, for a log: `config.toml:14:1: unknown key ...`.
    #[must_use]
    pub fn first_line(&self) -> String {
        let Some(mistake) = self.mistakes.first() else { return String::new() };
        match mistake.labels.first() {
            Some((place, _)) => {
                let file = &self.files[place.file];
                let (line, column) = file.position(place.start);
                format!("{}:{line}:{column}: {}", file.name, mistake.message)
            }
            None => mistake.message.clone(),
        }
    }

    /// Every mistake with its line and a caret, and how many there are.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled().hyperlink(false) } else { Renderer::plain() };
        let mut text = String::new();
        for mistake in self.mistakes.iter().take(SHOWN_MAX) {
            text.push_str(&renderer.render(&[self.group(mistake)]));
            text.push_str("\n\n");
        }
        if let Some(more @ 1..) = self.mistakes.len().checked_sub(SHOWN_MAX) {
            let _ = writeln!(text, "… and {more} more.\n");
        }
        let count = self.mistakes.len();
        let _ = writeln!(text, "{count} error{}; nothing was started.", plural(count));
        text
    }

    /// A list of `{file, line, column, message, help}`; what has no place has no line.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let mistakes = self.mistakes.iter().map(|mistake| {
            let place = mistake.place();
            let position = place.map(|place| self.files[place.file].position(place.start));
            let hint = mistake.labels.iter().map(|(_, hint)| hint).find(|hint| !hint.is_empty());
            let help: Vec<&str> = [hint, mistake.note.as_ref(), mistake.help.as_ref()]
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect();
            json!({
                "file": place.map(|place| &self.files[place.file].name),
                "line": position.map(|(line, _)| line),
                "column": position.map(|(_, column)| column),
                "message": mistake.message,
                "help": (!help.is_empty()).then(|| help.join("; ")),
            })
        });
        mistakes.collect()
    }

    fn group<'a>(&'a self, mistake: &'a Mistake) -> Group<'a> {
        let mut group = Group::with_title(Level::ERROR.primary_title(&*mistake.message));
        let mut unsaid = Vec::new();
        let mut labels = mistake.labels.as_slice();
        while let Some((place, hint)) = labels.first() {
            let file = &self.files[place.file];
            if !file.may_show(&(place.start..place.end)) {
                let (line, column) = file.position(place.start);
                group = group.element(Origin::path(&*file.name).line(line).char_column(column));
                unsaid.push(Level::NOTE.message("the line may hold a secret and is not shown"));
                unsaid.extend((!hint.is_empty()).then(|| Level::HELP.message(hint)));
                labels = &labels[1..];
                continue;
            }
            // Labels whose lines and all between may be shown stand in one picture.
            let (mut start, mut end, mut count) = (place.start, place.end, 1);
            for (other, _) in &labels[1..] {
                let whole = start.min(other.start)..end.max(other.end);
                if other.file != place.file || !file.may_show(&whole) {
                    break;
                }
                (start, end, count) = (whole.start, whole.end, count + 1);
            }
            group = group.element(self.snippet(start..end, &labels[..count]));
            labels = &labels[count..];
        }
        let note = mistake.note.as_deref().map(|note| Level::NOTE.message(note));
        let help = mistake.help.as_deref().map(|help| Level::HELP.message(help));
        group.elements(unsaid.into_iter().chain(note).chain(help))
    }

    /// The lines of `span` with `labels`, all of one file; the first is the mistake's own.
    fn snippet<'a>(
        &'a self,
        span: Range<usize>,
        labels: &'a [(Place, String)],
    ) -> Snippet<'a, Annotation<'a>> {
        let file = &self.files[labels[0].0.file];
        let (offset, line, text) = file.excerpt(&span);
        let annotations = labels.iter().enumerate().map(|(index, (place, hint))| {
            let start = (place.start - offset).min(text.len());
            // An empty range would print no caret.
            let next = text[start..].chars().next().map_or(0, char::len_utf8);
            let end = (place.end - offset).max(start + next);
            let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            kind.span(start..end).label((!hint.is_empty()).then_some(hint.as_str()))
        });
        Snippet::source(text).path(&*file.name).line_start(line).annotations(annotations)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

/// The letter that makes a word plural.
pub(super) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
