//! The certificates that we show, and which of them a client gets.

use std::{collections::HashMap, fmt, sync::Arc, time::SystemTime};

use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::names::Names;

/// A certificate that we show, and its key.
pub struct Site {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) names: Arc<Names>,
    /// When it begins to be valid.
    pub from: SystemTime,
    /// From then it is not.
    pub until: SystemTime,
}

/// All of them: at least one. Whoever names no name of theirs gets the first.
pub struct Sites {
    first: Site,
    others: Vec<Site>,
    /// Indexes, where the first is 0. Of two certificates with the same name the first counts.
    exact: HashMap<String, usize>,
    below: HashMap<String, usize>,
}

impl Sites {
    /// Certificates in the order of the file.
    #[must_use]
    pub fn new(first: Site, others: Vec<Site>) -> Self {
        let (mut exact, mut below) = (HashMap::new(), HashMap::new());
        for (index, site) in std::iter::once(&first).chain(&others).enumerate() {
            for name in site.names.exact() {
                exact.entry(name.to_owned()).or_insert(index);
            }
            for parent in site.names.below() {
                below.entry(parent.to_owned()).or_insert(index);
            }
        }
        Self { first, others, exact, below }
    }

    /// All of them, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Site> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The certificate for whoever asks for `name`: that of exactly this name, else of a wildcard.
    pub(super) fn choose(&self, name: Option<&str>) -> &Site {
        let index = name.map(host).and_then(|name| {
            let below = || self.below.get(name.split_once('.')?.1);
            self.exact.get(&name).or_else(below).copied()
        });
        match index {
            None | Some(0) => &self.first,
            Some(index) => self.others.get(index - 1).unwrap_or(&self.first),
        }
    }
}

/// A server name as hosts are compared: in lower case, without the root's dot.
pub(super) fn host(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

impl ResolvesServerCert for Sites {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.choose(hello.server_name()).key))
    }
}

/// Names only: keys stand beside them.
impl fmt::Debug for Sites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|site| &site.names)).finish()
    }
}
