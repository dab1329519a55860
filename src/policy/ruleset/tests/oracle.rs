//! Which rule a request falls to, worked out by trying every small request. Shares no code with what
//! it is compared with, and knows no trees: a rule is the set of requests it takes.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::policy::testing::Line;

pub(super) const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const HOSTS: [&str; 4] = ["x.a.com", "q.a.com", "a.com", "q"];
/// `q` stands for all the words that no rule has.
const WORDS: [&str; 3] = ["a", "b", "q"];
/// One more than the deepest rule has.
const LONGEST: usize = 4;

#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) methods: Vec<&'static str>,
    host: &'static str,
    segments: Vec<&'static str>,
    open: bool,
    pub(super) right: &'static str,
}

pub(super) fn spec() -> impl Strategy<Value = Spec> {
    let some = prop::sample::subsequence(vec!["GET", "HEAD", "POST", "PUT", "DELETE"], 1..4);
    let methods = prop_oneof![2 => Just(vec!["*"]), 3 => some];
    let host = prop_oneof![
        5 => Just(""), 1 => Just("x.a.com"), 1 => Just("*.a.com"), 1 => Just("*.com")
    ];
    let segment = prop::sample::select(vec!["a", "b", "{}", "{}"]);
    let segments = prop::collection::vec(segment, 0..LONGEST);
    let right = prop::sample::select(vec!["public", "guest", "role:a", "role:b", "deny"]);
    (methods, host, segments, any::<bool>(), right).prop_map(
        |(methods, host, segments, open, right)| Spec { methods, host, segments, open, right },
    )
}

pub(super) fn specs() -> impl Strategy<Value = Vec<Spec>> {
    prop::collection::vec(spec(), 1..8)
}

impl Spec {
    pub(super) fn line(&self) -> Line {
        let mut left = format!("{} {}", self.methods.join(","), self.host);
        for (index, segment) in self.segments.iter().enumerate() {
            match *segment {
                "{}" => left.push_str(&format!("/{{c{index}}}")),
                literal => left.push_str(&format!("/{literal}")),
            }
        }
        if self.open {
            left.push_str("/**");
        } else if self.segments.is_empty() {
            left.push('/');
        }
        Line::new(&left, self.right)
    }

    fn fits(&self, host: &str, path: &[&str]) -> bool {
        let host_fits = match self.host {
            "" => true,
            pattern => match pattern.strip_prefix('*') {
                Some(ending) => host.ends_with(ending),
                None => host == pattern,
            },
        };
        let length_fits = if self.open {
            path.len() >= self.segments.len()
        } else {
            path.len() == self.segments.len()
        };
        host_fits
            && length_fits
            && self.segments.iter().zip(path).all(|(s, p)| *s == "{}" || s == p)
    }

    /// How well the rule fits the method; more is better.
    fn claim(&self, method: &str) -> Option<u8> {
        if self.methods.contains(&method) {
            Some(2)
        } else if method == "HEAD" && self.methods.contains(&"GET") {
            Some(1)
        } else {
            self.methods.contains(&"*").then_some(0)
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.right, "public" | "guest")
    }
}

pub(super) struct Oracle<'a> {
    specs: &'a [Spec],
    places: Vec<(&'static str, Vec<&'static str>)>,
    /// For each rule, which of `places` it is about.
    areas: Vec<Vec<bool>>,
}

impl<'a> Oracle<'a> {
    pub(super) fn new(specs: &'a [Spec]) -> Self {
        let mut paths: Vec<Vec<&'static str>> = vec![Vec::new()];
        let mut begin = 0;
        for _ in 0..LONGEST {
            let end = paths.len();
            for index in begin..end {
                for word in WORDS {
                    paths.push([paths[index].as_slice(), &[word]].concat());
                }
            }
            begin = end;
        }
        let places: Vec<_> =
            HOSTS.iter().flat_map(|host| paths.iter().map(|path| (*host, path.clone()))).collect();
        let area = |spec: &Spec| places.iter().map(|(host, path)| spec.fits(host, path)).collect();
        let areas = specs.iter().map(area).collect();
        Self { specs, places, areas }
    }

    /// Every host, path and the rules that are about them, whatever their methods.
    pub(super) fn places(&self) -> impl Iterator<Item = (&'static str, String, Vec<usize>)> {
        self.places.iter().enumerate().map(|(place, (host, path))| {
            let about = (0..self.specs.len()).filter(|rule| self.areas[*rule][place]).collect();
            (*host, format!("/{}", path.join("/")), about)
        })
    }

    pub(super) fn same(&self, one: usize, two: usize) -> bool {
        self.areas[one] == self.areas[two]
    }

    pub(super) fn inside(&self, one: usize, two: usize) -> bool {
        !self.same(one, two) && self.areas[one].iter().zip(&self.areas[two]).all(|(a, b)| a <= b)
    }

    /// Whether `one` goes before `two` for a request that both match.
    pub(super) fn beats(&self, one: usize, two: usize, method: &str) -> bool {
        let claim = |rule: usize| self.specs[rule].claim(method);
        self.inside(one, two) || self.same(one, two) && claim(one) > claim(two)
    }

    pub(super) fn matching(&self, about: &[usize], method: &str) -> Vec<usize> {
        let takes = |rule: &usize| self.specs[*rule].claim(method).is_some();
        about.iter().copied().filter(takes).collect()
    }

    /// The rules that no other goes before.
    pub(super) fn best(&self, about: &[usize], method: &str) -> Vec<usize> {
        let all = self.matching(about, method);
        let beaten = |rule: usize| all.iter().any(|other| self.beats(*other, rule, method));
        all.iter().copied().filter(|rule| !beaten(*rule)).collect()
    }

    /// Pairs, the smaller first, that are both best for some request and ask for different things.
    pub(super) fn clashes(&self) -> BTreeSet<(usize, usize)> {
        let mut found = BTreeSet::new();
        for (_, _, about) in self.places() {
            for method in METHODS {
                let best = self.best(&about, method);
                for &one in &best {
                    for &two in &best {
                        if one < two && self.specs[one].right != self.specs[two].right {
                            found.insert((one, two));
                        }
                    }
                }
            }
        }
        found
    }

    /// Pairs of the own rule of some path, which asks for something, and an open rule around it that
    /// a method other than GET, HEAD and OPTIONS falls to from there.
    pub(super) fn falls(&self) -> BTreeSet<(usize, usize)> {
        let mut found = BTreeSet::new();
        for (_, _, about) in self.places() {
            let own = |rule: usize| !about.iter().any(|other| self.inside(*other, rule));
            for method in ["POST", "PUT", "PATCH", "DELETE"] {
                for wide in self.best(&about, method) {
                    for &rule in &about {
                        if self.specs[wide].is_open()
                            && !self.specs[rule].is_open()
                            && self.inside(rule, wide)
                            && own(rule)
                        {
                            found.insert((rule, wide));
                        }
                    }
                }
            }
        }
        found
    }
}
