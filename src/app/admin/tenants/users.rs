//! Users of an application.

use serde_json::Value;

use super::{
    Office, PAGE,
    view::{Page, PermissionsView, UserView},
    wire::{TenantRef, UserJob},
};
use crate::{
    app::admin::{desk::to_value, wire::Complaint},
    directory::{Grant, NewUser, UserChange},
};

impl Office {
    pub(super) async fn user(&self, job: &UserJob) -> Result<Value, Complaint> {
        let directory = &self.directory;
        let changed = match job {
            UserJob::Create { app, username, email, name, password } => {
                let application = self.find_application(app).await?;
                let new = NewUser {
                    username: username.clone(),
                    email: email.clone(),
                    name: name.clone(),
                    password: password.as_ref().map(Into::into),
                    ..NewUser::default()
                };
                directory.create_user(application.id, new).await?
            }
            UserJob::List { app, after } => return self.list_users(app, after.as_deref()).await,
            UserJob::Show { app, user } => self.find_user(app, user).await?.1,
            UserJob::Delete { app, user } => {
                let (application, user) = self.find_user(app, user).await?;
                directory.delete_user(application.id, user.id).await?
            }
            UserJob::Password { app, user, password } => {
                let (application, user) = self.find_user(app, user).await?;
                let password = password.into();
                directory.set_user_password(application.id, user.id, &password).await?
            }
            UserJob::Activated { app, user, activated } => {
                let (application, user) = self.find_user(app, user).await?;
                directory.set_user_activated(application.id, user.id, *activated).await?
            }
            UserJob::Disabled { app, user, disabled } => {
                let (application, user) = self.find_user(app, user).await?;
                let change = UserChange { disabled: Some(*disabled), ..UserChange::default() };
                directory.update_user(application.id, user.id, &change).await?
            }
            UserJob::Revoke { app, user } => {
                let (application, user) = self.find_user(app, user).await?;
                directory.revoke_user_tokens(application.id, user.id).await?
            }
            UserJob::Role { app, user, role, held } => {
                let (application, user) = self.find_user(app, user).await?;
                let role = self.find_role(app, &application, role).await?;
                directory.set_role(application.id, user.id, &role, *held).await?
            }
            UserJob::Permission { app, user, permission, granted } => {
                let (application, user) = self.find_user(app, user).await?;
                let (to, texts) = (Grant::User(user.id), std::slice::from_ref(permission));
                let all = directory.set_permission(application.id, to, texts, *granted).await?;
                return to_value(&PermissionsView { permissions: all });
            }
        };
        to_value(&UserView::from(&changed))
    }

    async fn list_users(&self, app: &TenantRef, after: Option<&str>) -> Result<Value, Complaint> {
        let id = self.find_application(app).await?.id;
        let (found, next) = self.directory.users(id, after, PAGE).await?;
        let brief = |mut view: UserView| {
            view.permissions.clear();
            view
        };
        let items = found.iter().map(UserView::from).map(brief).collect();
        to_value(&Page { items, next })
    }
}
