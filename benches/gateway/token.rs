//! The one hot token: minted with the gateway's own key, and its record put where the gateway looks.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    time::{Duration, SystemTime},
};

use tollgate::{
    config::Config,
    store::StoreOrigin,
    token::{
        id::IdSource,
        keyring::Keyring,
        record::TokenRecord,
        ttl::{expiry_ms, unix_ms},
    },
};

use crate::Outcome;

/// Long enough for any run.
const LIFETIME: Duration = Duration::from_secs(6 * 3600);

/// Writes a record into the store that the configuration `file` names, and gives its token's text.
pub(crate) fn issue(file: &Path) -> Outcome<String> {
    let config = Config::load(file).map_err(|report| report.to_string())?;
    let now = SystemTime::now();
    let expires_ms = expiry_ms(unix_ms(now), Some(LIFETIME)).ok_or("no such instant")?;
    let id = IdSource::new([7; 8]).next(now);
    let text = Keyring::new(&config.secrets).mint(id, expires_ms).ok_or("no secret")?;
    let record = TokenRecord {
        subject: "bench".to_owned(),
        holder: None,
        name: Some("Ann Example".to_owned()),
        email: Some("ann@shop.example".to_owned()),
        roles: vec!["buyer".to_owned(), "support".to_owned()],
        scopes: Vec::new(),
        issued_ms: unix_ms(now),
        expires_ms,
        generation: 0, // the store's business
    };
    let origin = StoreOrigin::open(&config.store)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())?;
    runtime.block_on(async {
        let store = origin.attach(|_| ());
        let mut tries = 0;
        // The store's connection is made beside us.
        while let Err(error) = store.issue(id, record.clone()).await {
            tries += 1;
            if tries > 50 {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    })?;
    Ok(text.expose().to_owned())
}

/// Registers a user with the gateway at `port`, and logs it in.
pub(crate) fn log_in(port: u16) -> Outcome<String> {
    let user = r#"{"username":"ann","email":"ann@shop.example","password":"of the bench"}"#;
    // The tenant is made beside the first requests.
    let mut tries = 0;
    while let Err(error) = post(port, "/acme/shop/users", user) {
        tries += 1;
        if tries > 50 {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let grant = r#"{"grant_type":"password","username":"ann","password":"of the bench"}"#;
    let answer = post(port, "/acme/shop/token", grant)?;
    let body: serde_json::Value = serde_json::from_str(&answer)?;
    Ok(body["access_token"].as_str().ok_or("nobody was logged in")?.to_owned())
}

/// The body of an answer that has to be 200.
fn post(port: u16, path: &str, body: &str) -> Outcome<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let length = body.len();
    let fields = format!("Host: bench\r\nConnection: close\r\nContent-Length: {length}");
    write!(stream, "POST {path} HTTP/1.1\r\n{fields}\r\n\r\n{body}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => Ok(body.to_owned()),
        _ => Err(format!("POST {path}: {answer}").into()),
    }
}
