//! The list as data: one file per group in `tests/gauntlet`, read and checked before anything runs.
//! Knows nothing of sockets: whoever wants the same bytes for another purpose begins here.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

/// How many rows the list has, numbered from 1 without a gap.
pub(crate) const ROWS: u32 = 125;

/// The files, in the order of their rows.
pub(crate) const FILES: [&str; 9] = [
    "a-path",
    "b-query",
    "c-authorization",
    "d-fields",
    "e-host",
    "f-method",
    "g-framing",
    "h-store",
    "i-rules",
];

/// One file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Group {
    pub(crate) title: String,
    /// Gateways by name; rows that name none are asked of `default`.
    #[serde(default)]
    pub(crate) gates: BTreeMap<String, Gate>,
    #[serde(rename = "row")]
    pub(crate) rows: Vec<Row>,
}

/// A gateway's configuration. Each also has the rule `"GET /in-sync" = "public"`, by which the runner sees
/// that a connection is still in step.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Gate {
    /// Keys above the first table, as TOML values.
    #[serde(default)]
    pub(crate) keys: BTreeMap<String, String>,
    /// Everything from the first table on.
    pub(crate) tables: String,
    /// Requests that come before all cases, each answered with 200.
    #[serde(default)]
    pub(crate) setup: Vec<Preparation>,
}

/// A request that makes what cases need.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Preparation {
    /// `POST /management/token`.
    pub(crate) ask: String,
    /// A word whose text is sent as bearer token.
    pub(crate) with: Option<String>,
    #[serde(default)]
    pub(crate) body: String,
    /// Words for later `<<…>>`, and where in the answer their text stands, as JSON pointers.
    #[serde(default)]
    pub(crate) keep: BTreeMap<String, String>,
}

/// One row of the list: bytes in and bytes out, or the names of tests that hold it, or both.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) number: u32,
    pub(crate) name: String,
    /// One of the file's gateways.
    pub(crate) gate: Option<String>,
    /// Or a gateway of its own.
    pub(crate) tables: Option<String>,
    #[serde(default)]
    pub(crate) cases: Vec<Case>,
    /// Tests of `tests/it` as `module::name`, tests inside `src` as `lib module::name`.
    #[serde(default)]
    pub(crate) held_by: Vec<String>,
    /// Why bytes alone cannot show it.
    pub(crate) why: Option<String>,
    /// What is done otherwise than one might expect, and why.
    pub(crate) note: Option<String>,
}

/// One exchange, over both versions unless one of them cannot carry it.
///
/// Texts that become bytes know `\r \n \t \0 \\ \xNN`, no other escape, and `<<…>>` (see `bytes`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Case {
    /// One of the file's gateways, instead of the row's.
    pub(crate) gate: Option<String>,

    // The short form: a whole request of which this much is told.
    pub(crate) method: Option<String>,
    pub(crate) target: Option<String>,
    /// As many cases, of which each has one of these.
    #[serde(default)]
    pub(crate) targets: Vec<String>,
    pub(crate) host: Option<String>,
    /// `Name: value`.
    #[serde(default)]
    pub(crate) fields: Vec<String>,
    /// As many cases, of which each has one of these beside `fields`.
    #[serde(default)]
    pub(crate) each_field: Vec<String>,
    /// One of the people of the tests, or a word that the setup kept: whose token is sent.
    #[serde(rename = "as")]
    pub(crate) caller: Option<String>,
    /// Sent with its Content-Length.
    pub(crate) body: Option<String>,

    // The long forms, where the short one cannot say it. Line breaks of the file are nothing.
    /// All that is sent over HTTP/1.1.
    pub(crate) h1: Option<String>,
    /// The fields sent over HTTP/2, pseudo-fields included.
    pub(crate) h2: Option<Vec<String>>,
    /// Whole frames instead, after the preface and our SETTINGS: `TYPE FLAGS STREAM payload`, type and
    /// flags in hexadecimal (see `run::frames`).
    pub(crate) h2_frames: Option<Vec<String>>,
    pub(crate) h2_body: Option<String>,
    pub(crate) h2_trailers: Option<Vec<String>>,
    /// Why this version cannot carry it.
    pub(crate) no_h1: Option<String>,
    pub(crate) no_h2: Option<String>,

    /// The address of this machine that asks.
    pub(crate) from: Option<String>,
    /// Nothing more is sent after it, and the gateway is told so (HTTP/1.1).
    #[serde(default)]
    pub(crate) finishes: bool,

    // What comes back: `400 path_dot_segment`, `closed` without an answer, `reset` (of the stream). A list
    // where several answers come.
    pub(crate) is: Option<OneOrMore>,
    pub(crate) is_h1: Option<OneOrMore>,
    pub(crate) is_h2: Option<OneOrMore>,
    /// The connection must end after the answer (HTTP/1.1).
    #[serde(default)]
    pub(crate) closes: bool,
    /// `Name: value` of the answer.
    #[serde(default)]
    pub(crate) answer_fields: Vec<String>,

    // What the backend receives: nothing, unless said.
    /// `GET /admin`. A list where several requests arrive.
    pub(crate) gets: Option<OneOrMore>,
    /// All fields but those that every request has, in lower case and in any order. Unless said: the
    /// identity of who asks.
    pub(crate) gets_fields: Option<Vec<String>>,
    pub(crate) gets_body: Option<String>,
    /// The request's body must not have come to its clean end, if the request came at all.
    #[serde(default)]
    pub(crate) gets_cut: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    /// With `<<target>>` for one of several targets that are all forwarded as they came.
    fn about(&self, target: &str) -> Self {
        Self::More(self.all().iter().map(|text| text.replace("<<target>>", target)).collect())
    }

    pub(crate) fn all(&self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one.clone()],
            Self::More(more) => more.clone(),
        }
    }
}

/// The two ways in which a request may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    Http1,
    Http2,
}

impl Case {
    /// Where and what, in a line.
    pub(crate) fn title(&self) -> String {
        let long = || self.h1.clone().or_else(|| self.h2.as_ref().map(|h2| h2.join(" | ")));
        let target = self.target.clone().or_else(long).unwrap_or_default();
        let method = self.method.as_deref().unwrap_or_default();
        let text = format!("{method} {target} {}", self.fields.join(" | "));
        let line: String = text.trim().replace('\n', "").chars().take(120).collect();
        format!("{line:?}")
    }

    /// The versions that can carry it.
    pub(crate) fn versions(&self) -> Vec<Version> {
        let carried =
            [(Version::Http1, self.no_h1.is_none()), (Version::Http2, self.no_h2.is_none())];
        carried.into_iter().filter(|(_, can)| *can).map(|(version, _)| version).collect()
    }

    /// What must come back.
    pub(crate) fn expected(&self, version: Version) -> Vec<String> {
        let own = match version {
            Version::Http1 => &self.is_h1,
            Version::Http2 => &self.is_h2,
        };
        own.as_ref().or(self.is.as_ref()).map(OneOrMore::all).unwrap_or_default()
    }

    /// One case for each of `targets` and `each_field`.
    fn expand(&self) -> Vec<Self> {
        let targets = self.targets.iter().map(|target| Self {
            target: Some(target.clone()),
            targets: Vec::new(),
            gets: self.gets.as_ref().map(|gets| gets.about(target)),
            ..self.clone()
        });
        let mut cases: Vec<Self> = targets.collect();
        if cases.is_empty() {
            cases.push(self.clone());
        }
        if self.each_field.is_empty() {
            return cases;
        }
        let with = |case: &Self, field: &String| {
            let fields = [case.fields.as_slice(), std::slice::from_ref(field)].concat();
            Self { fields, each_field: Vec::new(), ..case.clone() }
        };
        let each = |case: &Self| -> Vec<Self> {
            self.each_field.iter().map(|field| with(case, field)).collect()
        };
        cases.iter().flat_map(each).collect()
    }

    /// What is wrong with how it is written.
    fn fault(&self) -> Option<&'static str> {
        let short = self.target.is_some();
        let h2 = self.h2.is_some() || self.h2_frames.is_some();
        if self.no_h1.is_some() && self.no_h2.is_some() {
            return Some("no version carries it");
        }
        if self.no_h1.is_none() && !short && self.h1.is_none() {
            return Some("no bytes for HTTP/1.1, and no reason");
        }
        if self.no_h2.is_none() && !short && !h2 {
            return Some("no bytes for HTTP/2, and no reason");
        }
        let lacks = |version: &Version| self.expected(*version).is_empty();
        if self.versions().iter().any(lacks) {
            return Some("nothing is expected");
        }
        None
    }
}

impl Row {
    /// The configuration that a case is asked of.
    pub(crate) fn gate(&self, case: &Case, group: &Group) -> Gate {
        let name = case.gate.as_ref().or(self.gate.as_ref());
        match (&self.tables, name) {
            (Some(tables), None) => Gate { tables: tables.clone(), ..Gate::default() },
            (_, name) => group.gates[name.map_or("default", String::as_str)].clone(),
        }
    }

    /// The versions over which it is asked.
    pub(crate) fn versions(&self) -> Vec<Version> {
        let mut versions: Vec<Version> = self.cases.iter().flat_map(Case::versions).collect();
        versions.sort();
        versions.dedup();
        versions
    }
}

/// Reads one of [`FILES`], and spreads out what it says in short.
pub(crate) fn read(file: &str) -> Group {
    let mut group: Group = load(file);
    for row in &mut group.rows {
        row.cases = row.cases.iter().flat_map(Case::expand).collect();
        let number = row.number;
        for case in &row.cases {
            let fault = case.fault();
            assert!(fault.is_none(), "row {number}, {}: {}", case.title(), fault.unwrap());
        }
        let tests = row.held_by.len();
        assert!(tests + row.cases.len() > 0, "row {number} says nothing");
        assert!(tests == 0 || row.why.is_some(), "row {number} does not say why");
    }
    group
}

/// Reads a file of the folder as what it holds.
pub(crate) fn load<T: serde::de::DeserializeOwned>(file: &str) -> T {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gauntlet");
    let path = folder.join(file).with_extension("toml");
    let text = std::fs::read_to_string(&path).unwrap();
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All groups. Every number is there once, in its order.
pub(crate) fn all() -> Vec<Group> {
    let groups: Vec<Group> = FILES.into_iter().map(read).collect();
    let numbers: Vec<u32> =
        groups.iter().flat_map(|group| &group.rows).map(|row| row.number).collect();
    assert_eq!(numbers, (1..=ROWS).collect::<Vec<_>>(), "every row once, in its order");
    groups
}
