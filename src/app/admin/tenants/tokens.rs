//! Tokens of tenants, issued by an operator: what a login would give, without a password.

use std::time::{Duration, SystemTime};

use super::{
    Office,
    wire::{ClientRef, HolderRef, TenantOrder},
};
use crate::{
    app::admin::{
        desk::{self, Desk, bad_input, instant},
        wire::{Complaint, Issued},
    },
    auth::resolve::Unresolved,
    config::show_duration,
    directory::Directory,
    telemetry::instant::unix_ms,
    token::{record::TokenRecord, ttl::expiry_ms},
};

impl Desk {
    /// Makes a token of somebody whom the directory knows.
    pub(super) async fn issue_to(
        &self,
        office: &Office,
        order: &TenantOrder,
        now: SystemTime,
    ) -> Result<Issued, Complaint> {
        let directory = &office.directory;
        let (record, own_ttl_ms) = office.record(&order.to).await?;
        let ttl = office.lifetime(order.ttl.as_deref(), own_ttl_ms)?;
        let issued_ms = unix_ms(now);
        let expires_ms = expiry_ms(issued_ms, ttl)
            .ok_or_else(|| bad_input("this lifetime ends after time itself"))?;
        let record = TokenRecord { issued_ms, expires_ms, ..record };
        let id = directory.new_id();
        let mark = directory.fences.mark(directory.fences.of_token(id));
        let principal = directory.holder(&record, mark).await?.principal.map_err(|why| {
            let why = Unresolved::from(why);
            bad_input(&format!("its tokens would be refused: {}", why.reason()))
        })?;
        let token = self.keyring()?.mint(id, expires_ms).ok_or_else(|| {
            bad_input("the configuration has no secret").help("`tollgate keygen` makes one")
        })?;
        self.store.keep(id, &record).await?;
        Ok(Issued {
            token: token.expose().to_owned(),
            id,
            subject: principal.name.unwrap_or(principal.id),
            roles: principal.roles.to_vec(),
            scopes: Vec::new(),
            expires: instant(expires_ms),
        })
    }
}

impl Office {
    /// The record of its token, and what its application says of lifetimes.
    async fn record(&self, to: &HolderRef) -> Result<(TokenRecord, Option<i64>), Complaint> {
        let directory = &self.directory;
        Ok(match to {
            HolderRef::User { app, user } => {
                let (application, user) = self.find_user(app, user).await?;
                (directory.user_record(&application, &user).await?, application.token_ttl_ms)
            }
            HolderRef::Admin(admin) => {
                (Directory::admin_record(&self.find_admin(admin).await?), None)
            }
            HolderRef::Client(ClientRef::Organization(name)) => {
                (Directory::organization_record(&self.find_organization(name).await?), None)
            }
            HolderRef::Client(ClientRef::Application(app)) => {
                let application = self.find_application(app).await?;
                (directory.application_record(&application).await?, None)
            }
        })
    }

    /// `None` never ends. What holds for a login holds for an operator: a policy without exceptions.
    fn lifetime(
        &self,
        asked: Option<&str>,
        own_ms: Option<i64>,
    ) -> Result<Option<Duration>, Complaint> {
        let settings = self.directory.settings();
        let own = own_ms.map(|ms| Duration::from_millis(ms.unsigned_abs()));
        let (standard, most) = match own {
            Some(Duration::ZERO) => (None, None),
            Some(own) => (Some(own), Some(own)),
            None => (Some(settings.default_ttl), Some(settings.max_ttl)),
        };
        let ttl = match asked {
            None => standard,
            Some(text) => desk::ttl(text)?,
        };
        match (ttl, most) {
            (None, _) if settings.never_expire => Ok(None),
            (None, _) => Err(bad_input("tokens have to expire here: `never-expire = \"deny\"`")),
            (Some(ttl), Some(most)) if ttl > most => {
                Err(bad_input(&format!("a token lives at most {} here", show_duration(most))).help(
                    "`max-ttl` of `[usergrid]`, or `tollgate app set … --token-ttl`, says so",
                ))
            }
            (Some(ttl), _) => Ok(Some(ttl)),
        }
    }
}
