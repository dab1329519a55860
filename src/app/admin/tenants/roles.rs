//! Roles of an application.

use serde_json::Value;

use super::{
    Office,
    view::{Page, PermissionsView, RoleView},
    wire::RoleJob,
};
use crate::{
    app::admin::{desk::to_value, wire::Complaint},
    directory::Grant,
};

impl Office {
    pub(super) async fn role(&self, job: &RoleJob) -> Result<Value, Complaint> {
        match job {
            RoleJob::List { app } => {
                let id = self.find_application(app).await?.id;
                let table = self.directory.role_table(id).await?;
                let items = table.roles.iter().map(|(name, role)| RoleView::of(name, role));
                to_value(&Page { items: items.collect(), next: None })
            }
            RoleJob::Create { app, role, title } => {
                let id = self.find_application(app).await?.id;
                let title = title.as_deref();
                let (name, role) = self.directory.put_role(id, role, title, None, true).await?;
                to_value(&RoleView::of(&name, &role))
            }
            RoleJob::Delete { app, role } => {
                let application = self.find_application(app).await?;
                let name = self.find_role(app, &application, role).await?;
                let gone = self.directory.delete_role(application.id, &name).await?;
                to_value(&RoleView::of(&name, &gone))
            }
            RoleJob::Permission { app, role, permission, granted } => {
                let application = self.find_application(app).await?;
                let name = self.find_role(app, &application, role).await?;
                let (to, texts) = (Grant::Role(&name), std::slice::from_ref(permission));
                let all = self.directory.set_permission(application.id, to, texts, *granted);
                to_value(&PermissionsView { permissions: all.await? })
            }
        }
    }
}
