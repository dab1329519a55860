//! TLS towards Redis: what a server has to prove, and what we show it.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio_rustls::TlsConnector;

use crate::{config::RedisTls, store::StoreError};

/// TLS 1.2 and 1.3, the server's name checked against the CA or the system's roots; with our own
/// certificate where there is one.
pub(super) fn connector(store: &str, settings: &RedisTls) -> Result<TlsConnector, StoreError> {
    let failed = |cause: String| StoreError::Failed { store: store.to_owned(), cause };
    let roots = roots(settings.ca.as_deref()).map_err(failed)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_root_certificates(roots);
    let config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate).map_err(failed)?;
            let secret = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| failed(format!("reading {}: {error}", key.display())))?;
            let unfit = |error| failed(format!("{}: {error}", key.display()));
            builder.with_client_auth_cert(chain, secret).map_err(unfit)?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        for certificate in certificates(path)? {
            let unusable = |error| format!("{}: {error}", path.display());
            roots.add(certificate).map_err(unusable)?;
        }
        return Ok(roots);
    }
    // Some of a system's roots may be odd; none at all means the store is never reached.
    let (_, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("the system has no CA certificates; name a CA file".to_owned());
    }
    Ok(roots)
}

/// All certificates of a file, of which there is at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error| format!("reading {}: {error}", path.display());
    let found = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    if found.is_empty() {
        return Err(format!("{} holds no certificate", path.display()));
    }
    Ok(found)
}
