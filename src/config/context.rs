//! What reading a configuration shares: the files so far, the mistakes so far, and the outside world
//! it may ask (variables, files, the time), handed in so that a test can stand in for it.

use std::{
    cell::RefCell,
    ops::Range,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    disk::Disk,
    report::{Mistake, Report},
    source::{Place, SourceFile},
};

/// Variables of the environment. `None` for one that is not set.
pub(super) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

pub(super) struct Context<'a> {
    pub(super) variables: Variables<'a>,
    pub(super) now: SystemTime,
    pub(super) disk: Disk,
    /// The configuration file's folder: what relative paths are relative to.
    pub(super) folder: PathBuf,
    files: RefCell<Vec<SourceFile>>,
    mistakes: RefCell<Vec<Mistake>>,
    /// Mistakes of TOML itself: what else is wrong on such a line follows from them.
    syntax: RefCell<Vec<Mistake>>,
    /// Files and folders whose change may change the configuration.
    sources: RefCell<Vec<PathBuf>>,
    /// Every key that was asked for, with dots between the tables: what the reference must list.
    #[cfg(test)]
    pub(super) known: RefCell<std::collections::BTreeSet<String>>,
}

impl<'a> Context<'a> {
    pub(super) fn new(file: &Path, variables: Variables<'a>, now: SystemTime) -> Self {
        let folder = file.parent().map(Path::to_owned).unwrap_or_default();
        Self {
            variables,
            now,
            disk: Disk::Real,
            folder,
            files: RefCell::default(),
            mistakes: RefCell::default(),
            syntax: RefCell::default(),
            sources: RefCell::default(),
            #[cfg(test)]
            known: RefCell::default(),
        }
    }

    /// Keeps a file's text for the report, and tells its number.
    pub(super) fn add_file(&self, name: String, text: String) -> usize {
        let mut files = self.files.borrow_mut();
        files.push(SourceFile::new(name, text));
        files.len() - 1
    }

    pub(super) fn mistake(&self, mistake: Mistake) {
        self.mistakes.borrow_mut().push(mistake);
    }

    pub(super) fn syntax_mistake(&self, mistake: Mistake) {
        self.syntax.borrow_mut().push(mistake);
    }

    /// Whether keys may be missing only because their lines could not be read.
    pub(super) fn is_torn(&self) -> bool {
        !self.syntax.borrow().is_empty()
    }

    pub(super) fn source(&self, path: PathBuf) {
        let mut sources = self.sources.borrow_mut();
        if !sources.contains(&path) {
            sources.push(path);
        }
    }

    /// The text at `place`.
    pub(super) fn text_at(&self, place: &Place) -> String {
        let files = self.files.borrow();
        files[place.file].text.get(place.start..place.end).unwrap_or_default().to_owned()
    }

    /// Forbids showing the lines of `place` in any report.
    pub(super) fn hide(&self, place: &Place) {
        self.files.borrow_mut()[place.file].hide(place.start..place.end);
    }

    /// `rules.toml:19`.
    pub(super) fn line_name(&self, place: &Place) -> String {
        let files = self.files.borrow();
        let file = &files[place.file];
        format!("{}:{}", file.name, file.position(place.start).0)
    }

    /// `path` as written in the file, seen from the configuration file's folder.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// The sources, or all mistakes if there are any.
    pub(super) fn finish(&self) -> Result<Vec<PathBuf>, Report> {
        let (files, syntax) = (self.files.take(), self.syntax.take());
        let line = |mistake: &Mistake| {
            mistake.place().map(|place| (place.file, files[place.file].position(place.start).0))
        };
        let mut torn: Vec<_> = Vec::new();
        let mut mistakes = Vec::new();
        // Of a line that is not TOML, the first fault: the others follow from it.
        for mistake in syntax {
            let line = line(&mistake);
            if !torn.contains(&line) {
                torn.push(line);
                mistakes.push(mistake);
            }
        }
        for mistake in self.mistakes.take() {
            // What the parser puts in the place of what it could not read has no text.
            let made_up = mistake.place().is_some_and(|place| place.start == place.end);
            if torn.is_empty() || !made_up && !torn.contains(&line(&mistake)) {
                mistakes.push(mistake);
            }
        }
        if mistakes.is_empty() {
            return Ok(self.sources.take());
        }
        Err(Report::new(mistakes, files))
    }
}

/// The place of a part of a string's text, when the file spells the string without escapes; the
/// whole string otherwise.
pub(super) fn inside_string(cx: &Context, string: &Place, text: &str, part: Range<usize>) -> Place {
    let written = cx.text_at(string);
    let quote = written.len().saturating_sub(text.len()) / 2;
    if quote > 0 && written.get(quote..quote + text.len()) == Some(text) {
        return string.part(quote + part.start..quote + part.end);
    }
    string.clone()
}
