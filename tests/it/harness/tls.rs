//! TLS in front of a recording backend: certificates made for the test, handshakes counted.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread::JoinHandle,
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::{
    HandshakeKind, RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// Somebody who vouches for others.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        // Two of one name would be taken for each other.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        let name = format!("authority {}", NEXT.fetch_add(1, Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Vouches for whoever is called `name`.
    pub(crate) fn vouch(&self, name: &str) -> Identity {
        self.sign(name, 4_000)
    }

    /// The same, until the end of 2001.
    pub(crate) fn vouched_once(&self, name: &str) -> Identity {
        self.sign(name, 2_001)
    }

    fn sign(&self, name: &str, last_year: i32) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(last_year, 12, 31);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}

impl Identity {
    /// Writes `NAME.pem` and `NAME.key`.
    pub(crate) fn write(&self, folder: &Path, name: &str) {
        std::fs::write(folder.join(format!("{name}.pem")), &self.certificate).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), &self.key).unwrap();
    }

    /// What a server needs to be this one, and to ask for a certificate of `clients`.
    pub(crate) fn server(&self, clients: Option<&Authority>) -> ServerConfig {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots
                    .add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap())
                    .unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        builder.with_single_cert(vec![certificate], key).unwrap()
    }
}

/// What was agreed on in a handshake.
#[derive(Clone, Debug)]
pub(crate) struct Agreed {
    pub(crate) kind: HandshakeKind,
    pub(crate) name: Option<String>,
    pub(crate) certified: bool,
}

/// A TLS server before a plain one; ends when dropped.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    agreed: Arc<Mutex<Vec<Agreed>>>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Front {
    /// Passes on to `backend` what comes in.
    pub(crate) fn before(backend: SocketAddr, config: ServerConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (agreed, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
        let (heard, stopped) = (Arc::clone(&agreed), Arc::clone(&stop));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = stopped.notified() => (),
                    () = accept(listener, acceptor, backend, heard) => (),
                }
            });
        });
        Self { address, agreed, stop, thread: Some(thread) }
    }

    /// What stands after `backend =` in the configuration.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// All handshakes that were finished.
    pub(crate) fn agreed(&self) -> Vec<Agreed> {
        self.agreed.lock().unwrap().clone()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    backend: SocketAddr,
    heard: Arc<Mutex<Vec<Agreed>>>,
) {
    let mut running = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let (acceptor, heard) = (acceptor.clone(), Arc::clone(&heard));
        running.spawn(async move {
            let _ = stream.set_nodelay(true);
            let Ok(mut client) = acceptor.accept(stream).await else { return };
            let (_, session) = client.get_ref();
            heard.lock().unwrap().push(Agreed {
                kind: session.handshake_kind().unwrap(),
                name: session.server_name().map(str::to_owned),
                certified: session.peer_certificates().is_some(),
            });
            let Ok(mut server) = TcpStream::connect(backend).await else { return };
            let _ = copy_bidirectional(&mut client, &mut server).await;
        });
    }
}
