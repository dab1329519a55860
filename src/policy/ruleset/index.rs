//! The rules as a tree of segments per host, so that a request meets only rules that fit it.
//!
//! Walking goes from the most specific rule to the widest, without allocating and without reading a
//! segment twice in the same case. Which rule may win by its method is the caller's business.

use std::{cmp::Ordering, hash::BuildHasher as _, ops::ControlFlow};

use foldhash::{HashMap, HashMapExt as _, fast::FixedState};
use hashbrown::HashTable;

use super::super::{
    Rule,
    pattern::{Claim, HostPattern, Methods, Segment, Verb, suffixes},
};
use crate::request::path::Case;

/// A rule at the place where its path ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) methods: Methods,
    pub(super) rule: usize,
}

/// The entry that takes `verb` by the best claim; of equal claims the first.
pub(super) fn best(entries: &[Entry], verb: Verb) -> Option<(Claim, &Entry)> {
    let mut best: Option<(Claim, &Entry)> = None;
    for entry in entries {
        if let Some(claim) = entry.methods.claim(verb)
            && best.is_none_or(|(other, _)| claim > other)
        {
            best = Some((claim, entry));
        }
    }
    best
}

/// So many literals are found as fast by halving.
const FEW: usize = 8;

fn hash(literal: &str) -> u64 {
    FixedState::default().hash_one(literal)
}

#[derive(Debug, Default)]
pub(super) struct Node {
    /// Sorted by the literal.
    pub(super) literals: Vec<(Box<str>, usize)>,
    /// Where in `literals` one is, if there are many: what a request costs does not grow with the rules.
    /// What is looked for may be chosen by a stranger, what is there is not: a fixed hash will do.
    places: HashTable<u32>,
    pub(super) capture: Option<usize>,
    /// Rules whose path ends here.
    pub(super) exact: Vec<Entry>,
    /// Rules whose path ends here with `/**`.
    pub(super) open: Vec<Entry>,
}

impl Node {
    /// The child for a literal that is already folded where case does not count.
    pub(super) fn literal(&self, value: &str) -> Option<usize> {
        if self.places.is_empty() {
            return self.find(|literal| literal.cmp(value));
        }
        let is_it = |place: &u32| *self.literals[*place as usize].0 == *value;
        let place = self.places.find(hash(value), is_it)?;
        Some(self.literals[*place as usize].1)
    }

    /// The rules are all there.
    fn settle(&mut self) {
        if self.literals.len() <= FEW {
            return;
        }
        for (place, (literal, _)) in (0_u32..).zip(&self.literals) {
            let hash_of = |place: &u32| hash(&self.literals[*place as usize].0);
            self.places.insert_unique(hash(literal), place, hash_of);
        }
    }

    /// The child for a segment of a request.
    fn step(&self, segment: &str, case: Case) -> Option<usize> {
        match case {
            Case::Exact => self.literal(segment),
            Case::Fold => self.find(|literal| {
                literal.bytes().cmp(segment.bytes().map(|byte| byte.to_ascii_lowercase()))
            }),
        }
    }

    fn find(&self, compare: impl Fn(&str) -> Ordering) -> Option<usize> {
        let found = self.literals.binary_search_by(|(literal, _)| compare(literal)).ok()?;
        Some(self.literals[found].1)
    }
}

#[derive(Debug)]
pub(super) struct Index {
    case: Case,
    /// Roots of the rules for exactly this host.
    exactly: HashMap<Box<str>, usize>,
    /// Roots of the rules for all hosts below this one.
    under: HashMap<Box<str>, usize>,
    /// Root of the rules without a host.
    any: Option<usize>,
    nodes: Vec<Node>,
    roots: Vec<(HostPattern, usize)>,
}

impl Index {
    /// Indexes `rules` in the order given, which must be that of `Area::order`.
    pub(super) fn new(rules: &[Rule], order: &[usize], case: Case) -> Self {
        let mut index = Self {
            case,
            exactly: HashMap::new(),
            under: HashMap::new(),
            any: None,
            nodes: Vec::new(),
            roots: Vec::new(),
        };
        for &rule in order {
            let left = &rules[rule].left;
            let area = left.area();
            let mut node = index.root_for(&area.host);
            for segment in &area.segments {
                node = index.child_for(node, segment);
            }
            let entry = Entry { methods: left.methods(), rule };
            let node = &mut index.nodes[node];
            if area.open { node.open.push(entry) } else { node.exact.push(entry) }
        }
        index.nodes.iter_mut().for_each(Node::settle);
        index
    }

    fn add(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    fn root_for(&mut self, host: &HostPattern) -> usize {
        if let Some(root) = self.root(host) {
            return root;
        }
        let root = self.add();
        match host {
            HostPattern::Exactly(name) => {
                self.exactly.insert(name.as_str().into(), root);
            }
            HostPattern::Under(suffix) => {
                self.under.insert(suffix.as_str().into(), root);
            }
            HostPattern::Any => self.any = Some(root),
        }
        self.roots.push((host.clone(), root));
        root
    }

    fn child_for(&mut self, node: usize, segment: &Segment) -> usize {
        let known = match segment {
            Segment::Literal { value, .. } => {
                // Sorted rules come with equal literals side by side: only the last can be the same.
                self.nodes[node]
                    .literals
                    .last()
                    .filter(|(last, _)| **last == **value)
                    .map(|it| it.1)
            }
            Segment::Capture(_) => self.nodes[node].capture,
        };
        known.unwrap_or_else(|| {
            let child = self.add();
            match segment {
                Segment::Literal { value, .. } => {
                    self.nodes[node].literals.push((value.as_str().into(), child));
                }
                Segment::Capture(_) => self.nodes[node].capture = Some(child),
            }
            child
        })
    }

    pub(super) fn node(&self, node: usize) -> &Node {
        &self.nodes[node]
    }

    /// Every host that rules name, with the root of its tree.
    pub(super) fn roots(&self) -> &[(HostPattern, usize)] {
        &self.roots
    }

    fn root(&self, host: &HostPattern) -> Option<usize> {
        match host {
            HostPattern::Exactly(name) => self.exactly.get(name.as_str()).copied(),
            HostPattern::Under(suffix) => self.under.get(suffix.as_str()).copied(),
            HostPattern::Any => self.any,
        }
    }

    /// Roots of the hosts that hold all of `host` and more.
    pub(super) fn wider(&self, host: &HostPattern) -> impl Iterator<Item = usize> {
        let name = match host {
            HostPattern::Exactly(name) | HostPattern::Under(name) => name.as_str(),
            HostPattern::Any => "",
        };
        let any = self.any.filter(|_| *host != HostPattern::Any);
        suffixes(name).filter_map(|suffix| self.under.get(suffix).copied()).chain(any)
    }

    /// Hands the entries of every place that fits `host` and `path` to `visit`, the most specific first.
    pub(super) fn walk<'i, 'p, T>(
        &'i self,
        host: &str,
        path: impl Iterator<Item = &'p str> + Clone,
        mut visit: impl FnMut(&'i [Entry]) -> ControlFlow<T>,
    ) -> ControlFlow<T> {
        if !self.exactly.is_empty()
            && let Some(root) = self.exactly.get(host)
        {
            self.descend(*root, path.clone(), &mut visit)?;
        }
        if !self.under.is_empty() {
            for root in suffixes(host).filter_map(|suffix| self.under.get(suffix)) {
                self.descend(*root, path.clone(), &mut visit)?;
            }
        }
        match self.any {
            Some(root) => self.descend(root, path, &mut visit),
            None => ControlFlow::Continue(()),
        }
    }

    /// As deep as the deepest rule at most; each node is entered once.
    fn descend<'i, 'p, T>(
        &'i self,
        node: usize,
        mut rest: impl Iterator<Item = &'p str> + Clone,
        visit: &mut impl FnMut(&'i [Entry]) -> ControlFlow<T>,
    ) -> ControlFlow<T> {
        let node = &self.nodes[node];
        match rest.next() {
            Some(segment) => {
                if let Some(child) = node.step(segment, self.case) {
                    self.descend(child, rest.clone(), visit)?;
                }
                if let Some(child) = node.capture {
                    self.descend(child, rest, visit)?;
                }
            }
            None if !node.exact.is_empty() => visit(&node.exact)?,
            None => {}
        }
        if node.open.is_empty() { ControlFlow::Continue(()) } else { visit(&node.open) }
    }
}
