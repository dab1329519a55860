//! The names in certificates: those that we are asked for, and those that clients have.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::principal::{Certificate, CertificateName};

/// What is read of one certificate.
pub(super) struct Read {
    pub(super) names: Vec<CertificateName>,
    pub(super) from: SystemTime,
    pub(super) until: SystemTime,
}

/// Reads the first certificate of `der`; `None` when it cannot be read whole, names included.
pub(super) fn read(der: &[u8]) -> Option<Read> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let names = certificate.subject_alternative_name().ok()?;
    let names = names.map(|names| names.value.general_names.iter().filter_map(name).collect());
    let validity = certificate.validity();
    Some(Read {
        names: names.unwrap_or_default(),
        from: moment(validity.not_before.timestamp()),
        // The last second counts whole (RFC 5280 4.1.2.5).
        until: moment(validity.not_after.timestamp()) + Duration::from_secs(1),
    })
}

/// What a client's certificate says, whose issuer was verified; `None` when it cannot be read.
pub(super) fn of_client(der: &[u8]) -> Option<Certificate> {
    read(der).map(|Read { names, until, .. }| Certificate { names, until })
}

fn moment(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { SystemTime::UNIX_EPOCH - distance } else { SystemTime::UNIX_EPOCH + distance }
}

fn name(general: &GeneralName<'_>) -> Option<CertificateName> {
    match general {
        GeneralName::DNSName(name) => Some(CertificateName::dns(name)),
        GeneralName::URI(uri) => Some(CertificateName::Uri((*uri).to_owned())),
        GeneralName::RFC822Name(address) => Some(CertificateName::email(address)),
        GeneralName::IPAddress(bytes) => address(bytes).map(CertificateName::Ip),
        // Nothing that a rule could name.
        GeneralName::OtherName(..)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::RegisteredID(_)
        | GeneralName::Invalid(..) => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()?;
    Some(address.to_canonical())
}

/// The hosts that a certificate of ours is for.
#[derive(Debug, Default)]
pub struct Names {
    /// In lower case; an IPv6 address in brackets, as in an authority.
    exact: Vec<String>,
    /// What follows the `*.` of a wildcard.
    below: Vec<String>,
}

impl Names {
    pub(super) fn of(names: &[CertificateName]) -> Self {
        let mut hosts = Self::default();
        for name in names {
            match name {
                CertificateName::Dns(name) => match name.strip_prefix("*.") {
                    Some(parent) => hosts.below.push(parent.to_owned()),
                    None => hosts.exact.push(name.clone()),
                },
                CertificateName::Ip(IpAddr::V4(ip)) => hosts.exact.push(ip.to_string()),
                CertificateName::Ip(IpAddr::V6(ip)) => hosts.exact.push(format!("[{ip}]")),
                CertificateName::Uri(_) | CertificateName::Email(_) => {}
            }
        }
        hosts
    }

    pub(super) fn exact(&self) -> impl Iterator<Item = &str> {
        self.exact.iter().map(String::as_str)
    }

    pub(super) fn below(&self) -> impl Iterator<Item = &str> {
        self.below.iter().map(String::as_str)
    }

    /// Whether `host`, which is canonical, is one of them. A wildcard stands for one label.
    #[must_use]
    pub fn cover(&self, host: &str) -> bool {
        let parent = host.split_once('.').filter(|(label, _)| !label.is_empty());
        self.exact.iter().any(|name| name == host)
            || parent.is_some_and(|(_, parent)| self.below.iter().any(|name| name == parent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_wildcard_stands_for_exactly_one_label() {
        let names = ["A.example.", "*.b.example"].map(CertificateName::dns);
        let ip = CertificateName::Ip("fd00::1".parse().unwrap());
        let names = Names::of(&[names.as_slice(), &[ip]].concat());
        for (host, covered) in [
            ("a.example",     true),
            ("x.b.example",   true),
            ("[fd00::1]",     true),
            ("b.example",     false),
            ("x.y.b.example", false),
            (".b.example",    false),
            ("x.a.example",   false),
            ("example",       false),
        ] {
            assert_eq!(names.cover(host), covered, "{host}");
        }
    }
}
