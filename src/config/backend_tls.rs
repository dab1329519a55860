//! `tls` of `[backends.NAME]`: whom we believe at the other end, and who we are there.
//!
//! The files are read once, when the configuration is: what is wrong with one has a place in the report,
//! and no connection waits for a disk. A key stays inside rustls; nothing here can print it.

use std::{fmt, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use sha2::{Digest as _, Sha256};

use super::{Http, disk::FILE_BYTES_MAX, interpolate::reason, reader::Value};

/// How the servers of a backend are spoken to over TLS. Equal when the files held the same: a pool lives
/// on across a reload only then.
#[derive(Clone)]
pub struct BackendTls {
    client: Arc<ClientConfig>,
    made_from: [u8; 32],
}

impl BackendTls {
    /// What a handshake needs. All workers share it, and with it the sessions that can be resumed.
    #[must_use]
    pub fn client(&self) -> &Arc<ClientConfig> {
        &self.client
    }
}

impl PartialEq for BackendTls {
    fn eq(&self, other: &Self) -> bool {
        self.made_from == other.made_from
    }
}

impl Eq for BackendTls {}

impl fmt::Debug for BackendTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackendTls(..)")
    }
}

/// The table as it was read.
#[derive(Default)]
struct Settings<'c> {
    ca: Option<Pem<'c>>,
    certificate: Option<Pem<'c>>,
    key: Option<Pem<'c>>,
    name: Option<ServerName<'static>>,
}

/// A file, and the value that names it.
struct Pem<'c> {
    value: Value<'c>,
    bytes: Vec<u8>,
}

/// Reads `settings`, if there are any, for servers that `url` names. The name is the one that each server
/// has to prove, where that is not its own.
///
/// `None` only after a mistake was noted.
pub(super) fn read(
    settings: Option<&Value>,
    url: &Value,
    http: Http,
) -> Option<(BackendTls, Option<ServerName<'static>>)> {
    let settings = settings.map_or_else(|| Some(Settings::default()), read_settings)?;
    let mut digest = Sha256::new();
    let roots = match &settings.ca {
        Some(ca) => roots_of(ca)?,
        None => system_roots(url)?,
    };
    for root in &roots {
        feed(&mut digest, root);
    }
    let mut store = RootCertStore::empty();
    let (good, _) = store.add_parsable_certificates(roots);
    if good == 0 {
        let value = settings.ca.as_ref().map_or(url, |ca| &ca.value);
        value.bad("none of these certificates can be used", "expected X.509");
        return None;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| url.bad("there is no TLS", error.to_string()))
        .ok()?
        .with_root_certificates(store);
    let mut client = match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => {
            feed(&mut digest, b"certificate");
            feed(&mut digest, &certificate.bytes);
            feed(&mut digest, &key.bytes);
            let (chain, secret) = identity(certificate, key)?;
            let made = builder.with_client_auth_cert(chain, secret);
            made.map_err(|error| key.does_not_fit(&error)).ok()?
        }
        (_, _) => builder.with_no_client_auth(),
    };
    client.alpn_protocols = vec![http.alpn().to_vec()];
    let tls = BackendTls { client: Arc::new(client), made_from: digest.finalize().into() };
    Some((tls, settings.name))
}

fn read_settings<'c>(value: &Value<'c>) -> Option<Settings<'c>> {
    let table = value.table()?;
    let keys = ["ca", "certificate", "key"].map(|key| table.get(key));
    let name = table.get("server-name");
    table.done();
    let [_, certificate, key] = &keys;
    match (certificate, key) {
        (Some(alone), None) => alone.bad("a certificate without its key", "add `key`"),
        (None, Some(alone)) => alone.bad("a key without its certificate", "add `certificate`"),
        (Some(_), Some(_)) | (None, None) => (),
    }
    // Each one, so that each one's mistake is noted.
    let files = keys.each_ref().map(|value| value.as_ref().and_then(Pem::read));
    let server_name = name.as_ref().and_then(read_name);
    let whole = keys.iter().zip(&files).all(|(key, file)| key.is_some() == file.is_some())
        && certificate.is_some() == key.is_some()
        && name.is_some() == server_name.is_some();
    let [ca, certificate, key] = files;
    whole.then_some(Settings { ca, certificate, key, name: server_name })
}

fn read_name(value: &Value) -> Option<ServerName<'static>> {
    let text = value.text()?;
    let name = server_name(&text.text);
    if name.is_none() {
        let message = format!("{} is no name that a certificate can hold", text.quoted());
        value.bad(message, "expected a host name or an address");
    }
    name
}

/// What a server at `host` has to prove; an address is proven as an address.
pub(super) fn server_name(host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(host.to_ascii_lowercase()).ok()
}

impl<'c> Pem<'c> {
    fn read(value: &Value<'c>) -> Option<Self> {
        let text = value.text()?;
        let path = value.cx.resolve(&text.text);
        value.cx.source(path.clone());
        match value.cx.disk.read(&path, FILE_BYTES_MAX) {
            Ok(bytes) => Some(Self { value: value.clone(), bytes }),
            Err(error) => {
                let message = format!("cannot read {}: {}", text.quoted(), reason(&error));
                value.bad(message, "create it, or correct the path");
                None
            }
        }
    }

    /// All certificates, of which there is at least one.
    fn certificates(&self) -> Option<Vec<CertificateDer<'static>>> {
        match CertificateDer::pem_slice_iter(&self.bytes).collect::<Result<Vec<_>, _>>() {
            Ok(found) if !found.is_empty() => Some(found),
            Ok(_) | Err(_) => {
                self.value.bad(format!("`{}` holds no certificate", self.value.path), PEM);
                None
            }
        }
    }

    fn does_not_fit(&self, error: &rustls::Error) {
        let message = format!("`{}` does not fit the certificate", self.value.path);
        self.value.bad(message, error.to_string());
    }
}

const PEM: &str = "expected PEM, with a line such as `-----BEGIN CERTIFICATE-----`";

/// The roots of a file. All must be good: one that is not would be missed much later.
fn roots_of(ca: &Pem) -> Option<Vec<CertificateDer<'static>>> {
    let roots = ca.certificates()?;
    for root in &roots {
        if let Err(error) = RootCertStore::empty().add(root.clone()) {
            ca.value.bad(format!("`{}` holds no usable CA", ca.value.path), error.to_string());
            return None;
        }
    }
    Some(roots)
}

/// Some of a system's roots may be odd; none at all means that no server is ever believed.
fn system_roots(url: &Value) -> Option<Vec<CertificateDer<'static>>> {
    let found = url.cx.disk.system_roots();
    if found.is_empty() {
        let hint =
            "install them, or name a file: `[backends.NAME]` with `tls = { ca = \"ca.pem\" }`";
        url.bad("the system has no CA certificates", hint);
        return None;
    }
    Some(found)
}

fn identity(
    certificate: &Pem,
    key: &Pem,
) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = certificate.certificates();
    let secret = PrivateKeyDer::from_pem_slice(&key.bytes).ok();
    if secret.is_none() {
        key.value.bad(format!("`{}` holds no private key", key.value.path), PEM_KEY);
    }
    Some((chain?, secret?))
}

const PEM_KEY: &str = "expected PEM without a passphrase: `-----BEGIN PRIVATE KEY-----`";

/// Each piece with its length, so that no two lists of pieces look alike.
fn feed(digest: &mut Sha256, piece: &[u8]) {
    digest.update((piece.len() as u64).to_be_bytes());
    digest.update(piece);
}
