//! Applications.

use std::time::Duration;

use serde_json::Value;

use super::{
    Office,
    view::{AppView, Page},
    wire::AppJob,
};
use crate::{
    app::admin::{
        desk::{self, to_value},
        wire::{Complaint, Kind},
    },
    config::{self, show_duration},
    directory,
};

impl Office {
    pub(super) async fn app(&self, job: &AppJob) -> Result<Value, Complaint> {
        match job {
            AppJob::Create { app, uuid } => {
                let organization = self.find_organization(&app.organization).await?;
                let of = super::named(&organization);
                let name = &app.application;
                let made = self.directory.create_application_as(&of, name, *uuid).await?;
                to_value(&AppView::from(&made))
            }
            AppJob::List { org, deleted } => {
                let id = self.find_organization(org).await?.id;
                let mut found = self.directory.all_applications(id).await?;
                found.retain(|application| application.deleted == *deleted);
                to_value(&Page { items: found.iter().map(AppView::from).collect(), next: None })
            }
            AppJob::Show { app } => {
                let application = self.find_application(app).await?;
                let table = self.directory.role_table(application.id).await?;
                let mut view = AppView::from(&application);
                view.users = Some(self.directory.count_users(application.id).await?);
                view.roles = table.roles.into_keys().collect();
                to_value(&view)
            }
            AppJob::Set { app, token_ttl } => {
                let ttl_ms = read_ttl(token_ttl, self.directory.settings())?;
                let id = self.find_application(app).await?.id;
                let set = |it: &mut directory::model::Application| it.token_ttl_ms = ttl_ms;
                to_value(&AppView::from(&self.directory.change_application(id, set).await?))
            }
            AppJob::Active { app, active } => {
                let id = self.find_application(app).await?.id;
                let changed = self.directory.set_application_active(id, *active).await?;
                to_value(&AppView::from(&changed))
            }
            AppJob::Delete { app } => {
                let id = self.find_application(app).await?.id;
                to_value(&AppView::from(&self.directory.delete_application(id).await?))
            }
            AppJob::Restore { org, uuid } => {
                let organization = self.find_organization(org).await?;
                let found = self.directory.application_by_id(*uuid).await?;
                found.filter(|it| it.organization.id == organization.id).ok_or_else(|| {
                    super::missing(directory::Kind::Application, &uuid.to_string()).help(format!(
                        "`tollgate app list {org} --deleted` shows what can be restored"
                    ))
                })?;
                to_value(&AppView::from(&self.directory.restore_application(*uuid).await?))
            }
        }
    }
}

/// `30m`, `never` (0), or `default`, which is `None`: what `[usergrid]` says.
fn read_ttl(text: &str, settings: &config::Usergrid) -> Result<Option<i64>, Complaint> {
    if text == "default" {
        return Ok(None);
    }
    let refused = |message: String| Err(Complaint::new(Kind::BadInput, message));
    match desk::ttl(text)? {
        None if settings.never_expire => Ok(Some(0)),
        None => refused("tokens have to expire here: `never-expire = \"deny\"`".to_owned()),
        Some(ttl) if ttl.is_zero() => refused("a token that lives no time is none".to_owned()),
        Some(ttl) if ttl > settings.application_ttl_max => refused(format!(
            "at most {} here, which is `accesstokenttl-max` of `[usergrid]`",
            show_duration(settings.application_ttl_max)
        )),
        Some(ttl) => Ok(Some(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX))),
    }
}

/// The same as text.
pub(super) fn show_ttl(ms: Option<i64>) -> String {
    match ms {
        None => "default".to_owned(),
        Some(0) => "never".to_owned(),
        Some(ms) => show_duration(Duration::from_millis(ms.unsigned_abs())),
    }
}
