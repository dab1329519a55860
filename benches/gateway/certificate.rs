//! One certificate for every server of a run, and a client that trusts it and nothing else.

use std::{fs, path::Path, sync::Arc};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ClientConfig, RootCertStore, client::Resumption, pki_types::CertificateDer};

use crate::Outcome;

/// The name that the certificate holds.
pub(crate) const HOST: &str = "bench.example";

/// A self-signed certificate with a P-256 key.
pub(crate) struct Certificate(CertificateDer<'static>);

impl Certificate {
    /// Writes `cert.pem` and `key.pem`, and `both.pem` for HAProxy.
    pub(crate) fn write(folder: &Path) -> Outcome<Self> {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([HOST.to_owned()])?;
        let (cert_pem, key_pem) = (cert.pem(), signing_key.serialize_pem());
        fs::write(folder.join("both.pem"), format!("{cert_pem}{key_pem}"))?;
        fs::write(folder.join("cert.pem"), cert_pem)?;
        fs::write(folder.join("key.pem"), key_pem)?;
        Ok(Self(cert.der().clone()))
    }

    /// Every connection makes a whole handshake: nothing is resumed.
    pub(crate) fn client(&self) -> Outcome<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.clone())?;
        let mut config =
            ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}
