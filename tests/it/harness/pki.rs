//! Certificates for tests, and clients that speak TLS.

use std::{net::SocketAddr, net::TcpStream, path::Path, sync::Arc, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    client::WebPkiServerVerifier,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};

use super::PATIENCE;

/// Somebody who vouches for others.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Pair {
    /// Writes `NAME.pem` and `NAME.key`.
    pub(crate) fn write(&self, folder: &Path, name: &str) {
        std::fs::write(folder.join(format!("{name}.pem")), &self.certificate).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), &self.key).unwrap();
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for DNS names and addresses, and for URIs and mailboxes behind `uri:` and `mail:`.
    pub(crate) fn vouch(&self, names: &[&str]) -> Pair {
        self.vouch_until(names, None)
    }

    /// The same, valid until so many seconds after 1970.
    pub(crate) fn vouch_until(&self, names: &[&str], until: Option<Duration>) -> Pair {
        let is_host = |name: &&&str| !name.starts_with("uri:") && !name.starts_with("mail:");
        let hosts: Vec<String> = names.iter().filter(is_host).map(ToString::to_string).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        for name in names {
            if let Some(uri) = name.strip_prefix("uri:") {
                params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
            }
            if let Some(mail) = name.strip_prefix("mail:") {
                params.subject_alt_names.push(SanType::Rfc822Name(mail.try_into().unwrap()));
            }
        }
        if let Some(until) = until {
            params.not_after = date_time_ymd(1970, 1, 1) + until;
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A client that trusts this authority.
    pub(crate) fn client(&self) -> Trust {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let versions = vec![&TLS13, &TLS12];
        Trust { roots: Arc::new(roots), versions, alpn: Vec::new(), own: None }
    }
}

/// How a client speaks TLS.
#[derive(Clone)]
pub(crate) struct Trust {
    roots: Arc<RootCertStore>,
    versions: Vec<&'static SupportedProtocolVersion>,
    alpn: Vec<Vec<u8>>,
    own: Option<Pair>,
}

impl Trust {
    pub(crate) fn only(self, version: &'static SupportedProtocolVersion) -> Self {
        Self { versions: vec![version], ..self }
    }

    pub(crate) fn alpn(self, protocol: &str) -> Self {
        Self { alpn: vec![protocol.as_bytes().to_vec()], ..self }
    }

    /// Shows its own certificate to whoever asks.
    pub(crate) fn showing(self, own: &Pair) -> Self {
        Self { own: Some(own.clone()), ..self }
    }

    /// The client; it keeps the tickets that it gets.
    pub(crate) fn config(&self) -> ClientConfig {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots = Arc::clone(&self.roots);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_webpki_verifier(verifier.build().unwrap());
        let mut config = match &self.own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![own.der()], key).unwrap()
            }
        };
        config.alpn_protocols.clone_from(&self.alpn);
        config.enable_early_data = true;
        config
    }
}

/// A TLS connection.
pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Shakes hands; `Err` when either side does not want to. What a server has to say of a client's
/// certificate comes after a TLS 1.3 handshake: it shows at the first read.
pub(crate) fn shake(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    name: &str,
) -> std::io::Result<Tls> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut tls = StreamOwned::new(connection, stream);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock)?;
    }
    Ok(tls)
}
