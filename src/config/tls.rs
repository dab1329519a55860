//! `[tls]`: certificates with their keys, whoever vouches for clients, and the oldest version spoken.
//!
//! Every file is read and tried here, so that nothing is left to fail at a handshake. What a file holds
//! is never quoted: a key may stand in the wrong one.

use std::{sync::Arc, time::SystemTime};

use super::{
    context::Context,
    disk::FILE_BYTES_MAX,
    instant,
    interpolate::reason,
    reader::{Table, Text, Value},
    report::Mistake,
};
use crate::tls::{BadPem, ClientCa, Settings, Site, Sites, authorities, site};

const PAIRS: &str = "a list such as `[{ certificate = \"site.pem\", key = \"site.key\" }]`";

/// What the table says, and what an operator should know of it although it loads.
#[derive(Default)]
pub(super) struct Tls {
    pub(super) settings: Option<Settings>,
    pub(super) warnings: Vec<String>,
    /// Whether there is a `client-ca`: even a faulty one is one.
    pub(super) asks_clients: bool,
}

pub(super) fn read(table: Table) -> Tls {
    let mut warnings = Vec::new();
    let pairs = table.need("certificates", &format!("add `certificates`, {PAIRS}"));
    let sites = pairs.and_then(|pairs| read_sites(&pairs, &mut warnings));
    let client_ca = table.get("client-ca");
    let asks_clients = client_ca.is_some();
    let client_ca = match client_ca {
        None => Some(None),
        Some(value) => read_client_ca(&value).map(Some),
    };
    let tls12 = table.get("min").and_then(|min| min.choice(&[("1.2", true), ("1.3", false)]));
    table.done();
    let settings = sites.zip(client_ca).map(|(sites, client_ca)| Settings {
        sites: Arc::new(sites),
        client_ca,
        tls12: tls12.unwrap_or(true),
    });
    Tls { settings, warnings, asks_clients }
}

fn read_sites(pairs: &Value, warnings: &mut Vec<String>) -> Option<Sites> {
    let values = pairs.list(PAIRS)?;
    if values.is_empty() {
        pairs.bad("`tls.certificates` is an empty list", "name at least one");
        return None;
    }
    // All of them, so that each one's mistakes are noted.
    let sites: Vec<Option<Site>> =
        values.iter().map(|value| read_site(value.table()?, warnings)).collect();
    let mut sites = sites.into_iter().collect::<Option<Vec<Site>>>()?.into_iter();
    Some(Sites::new(sites.next()?, sites.collect()))
}

fn read_site(table: Table, warnings: &mut Vec<String>) -> Option<Site> {
    let cx = table.cx;
    let certificate = table.need("certificate", "add `certificate = \"site.pem\"`, its leaf first");
    let key = table.need("key", "add `key = \"site.key\"`");
    table.done();
    let certificate = certificate.and_then(|value| read_file(cx, &value));
    let key = key.and_then(|value| read_file(cx, &value));
    let ((certificate, chain), (key, secret)) = certificate.zip(key)?;
    match site(&chain, &secret) {
        Ok(site) => {
            warnings.extend(warning(&certificate, &site, cx.now));
            Some(site)
        }
        Err(bad) => {
            let about = if bad == BadPem::NoCertificate { &certificate } else { &key };
            let message = format!("{} {bad}", about.quoted());
            let mistake = Mistake::at(about.place.clone(), message, hint(bad));
            cx.mistake(match bad {
                BadPem::OtherKey => mistake.and(certificate.place, "this certificate"),
                BadPem::NoCertificate | BadPem::NoKey | BadPem::NoAuthority => mistake,
            });
            None
        }
    }
}

fn hint(bad: BadPem) -> &'static str {
    match bad {
        BadPem::NoCertificate | BadPem::NoAuthority => "expected PEM",
        BadPem::NoKey => "expected PEM, not encrypted",
        BadPem::OtherKey => "name the pair that belongs together",
    }
}

fn warning(certificate: &Text, site: &Site, now: SystemTime) -> Option<String> {
    let name = certificate.quoted();
    if site.until <= now {
        let end = instant::show(site.until);
        return Some(format!("the certificate {name} expired at {end}: no client accepts it"));
    }
    let begin = (site.from > now).then(|| instant::show(site.from))?;
    Some(format!("the certificate {name} is valid from {begin} on: no client accepts it yet"))
}

fn read_client_ca(value: &Value) -> Option<ClientCa> {
    let (text, pem) = read_file(value.cx, value)?;
    let built = match authorities(&pem) {
        Ok(roots) => ClientCa::new(pem, roots).map_err(|_| BadPem::NoAuthority),
        Err(bad) => Err(bad),
    };
    built.map_err(|bad| value.bad(format!("{} {bad}", text.quoted()), hint(bad))).ok()
}

/// A file's bytes; from now on its change may change the configuration.
fn read_file(cx: &Context, value: &Value) -> Option<(Text, Vec<u8>)> {
    let text = value.text()?;
    let path = cx.resolve(&text.text);
    cx.source(path.clone());
    match cx.disk.read(&path, FILE_BYTES_MAX) {
        Ok(bytes) => Some((text, bytes)),
        Err(error) => {
            let message = format!("cannot read {}: {}", text.quoted(), reason(&error));
            value.bad(message, "create it, or correct the path");
            None
        }
    }
}
