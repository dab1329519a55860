//! The one hot token: minted with the gateway's own key, and its record put where the gateway looks.

use std::{
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
