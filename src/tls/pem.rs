//! Certificates and keys from PEM.

use std::sync::Arc;

use rustls::{
    Error, InconsistentKeys, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

use super::{
    names::{self, Names, Read},
    sites::Site,
};

/// What is wrong with a PEM file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPem {
    /// There is none, or one that is cut or no base64.
    #[error("holds no certificate that can be read")]
    NoCertificate,
    /// There is none, or one that is cut, encrypted or of a kind that nobody uses.
    #[error("holds no private key that can be read")]
    NoKey,
    /// They are not a pair.
    #[error("is not the key of this certificate")]
    OtherKey,
    /// It cannot vouch for anybody.
    #[error("holds a certificate that cannot be an authority")]
    NoAuthority,
}

/// The provider of cryptography that everything here uses.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadPem> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or(BadPem::NoCertificate)
}

/// A certificate, its leaf first, with its key.
///
/// # Errors
/// [`BadPem`]; of the two files, [`BadPem::NoCertificate`] is about the first.
pub fn site(certificate: &[u8], key: &[u8]) -> Result<Site, BadPem> {
    let chain = chain(certificate)?;
    let leaf = chain.first().ok_or(BadPem::NoCertificate)?;
    let Read { names, from, until } = names::read(leaf).ok_or(BadPem::NoCertificate)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| BadPem::NoKey)?;
    let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| {
        if matches!(error, Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) {
            BadPem::OtherKey
        } else {
            BadPem::NoKey
        }
    })?;
    Ok(Site { key: Arc::new(key), names: Arc::new(Names::of(&names)), from, until })
}

/// The certificates that may vouch for others.
///
/// # Errors
/// [`BadPem`], an empty file included.
pub fn authorities(pem: &[u8]) -> Result<RootCertStore, BadPem> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(pem)? {
        roots.add(certificate).map_err(|_| BadPem::NoAuthority)?;
    }
    Ok(roots)
}
