//! The JSON of the platform's entities. No password, hash or secret is in any of them, except where a
//! client's credentials are what was asked for.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::directory::{
    ClientSecret,
    model::{Admin, Application, Group, Organization, Role, User},
};

/// The application that admins are users of, as the platform's first generation numbered it.
const MANAGEMENT: &str = "00000000-0000-0000-0000-000000000001";

/// Names that an entity's own properties may not take.
pub(super) const USER_FIELDS: [&str; 20] = [
    "uuid",
    "type",
    "name",
    "created",
    "modified",
    "username",
    "email",
    "activated",
    "disabled",
    "deactivated",
    "picture",
    "password",
    "pin",
    "metadata",
    "roles",
    "groups",
    "permissions",
    "confirmed",
    "admin",
    "generation",
];

/// A user, without the block of metadata.
pub(super) fn user(user: &User) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("uuid".to_owned(), json!(user.id));
    body.insert("type".to_owned(), json!("user"));
    insert(&mut body, "name", user.name.as_deref());
    body.insert("created".to_owned(), json!(user.created_ms));
    body.insert("modified".to_owned(), json!(user.modified_ms));
    body.insert("username".to_owned(), json!(user.username));
    insert(&mut body, "email", user.email.as_deref());
    body.insert("activated".to_owned(), json!(user.activated));
    if user.disabled {
        body.insert("disabled".to_owned(), json!(true));
    }
    insert(&mut body, "deactivated", user.deactivated_ms);
    insert(&mut body, "picture", picture(user));
    for (name, value) in &user.properties {
        let wins = name == "picture" || !body.contains_key(name);
        if wins {
            body.insert(name.clone(), value.clone());
        }
    }
    body
}

/// A user as an entity of its collection.
pub(super) fn user_entity(of: &User) -> Value {
    let mut body = user(of);
    let path = format!("/users/{}", of.id);
    let sets = json!({
        "rolenames": format!("{path}/roles"),
        "permissions": format!("{path}/permissions"),
    });
    let collections =
        ["activities", "devices", "feed", "groups", "roles", "following", "followers"];
    body.insert("metadata".to_owned(), metadata(&path, Some(sets), &collections));
    Value::Object(body)
}

/// The picture that goes with an address; the service takes its SHA-256.
fn picture(user: &User) -> Option<String> {
    let email = user.email.as_ref()?;
    let digest = Sha256::digest(email.trim().to_lowercase());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("https://www.gravatar.com/avatar/{hex}"))
}

/// A role as an entity of its collection.
pub(super) fn role(name: &str, of: &Role) -> Value {
    let path = format!("/roles/{}", of.id);
    let sets = json!({ "permissions": format!("{path}/permissions") });
    json!({
        "uuid": of.id,
        "type": "role",
        "name": name,
        "created": of.created_ms,
        "modified": of.modified_ms,
        "roleName": name,
        "title": of.title,
        "inactivity": of.inactivity_ms,
        "metadata": metadata(&path, Some(sets), &["users", "groups"]),
    })
}

/// A group as an entity of its collection.
pub(super) fn group(id: Uuid, of: &Group) -> Value {
    let path = format!("/groups/{id}");
    let mut body = Map::new();
    body.insert("uuid".to_owned(), json!(id));
    body.insert("type".to_owned(), json!("group"));
    body.insert("created".to_owned(), json!(of.created_ms));
    body.insert("modified".to_owned(), json!(of.modified_ms));
    body.insert("path".to_owned(), json!(of.path));
    insert(&mut body, "title", of.title.as_deref());
    for (name, value) in &of.properties {
        if !body.contains_key(name) {
            body.insert(name.clone(), value.clone());
        }
    }
    let sets = json!({
        "rolenames": format!("{path}/roles"),
        "permissions": format!("{path}/permissions"),
    });
    let collections = ["activities", "feed", "roles", "users"];
    body.insert("metadata".to_owned(), metadata(&path, Some(sets), &collections));
    Value::Object(body)
}

/// An application as the entity that it is to itself.
pub(super) fn application(of: &Application) -> Value {
    let mut body = Map::new();
    body.insert("uuid".to_owned(), json!(of.id));
    body.insert("type".to_owned(), json!("application"));
    body.insert("name".to_owned(), json!(full_name(of)));
    body.insert("created".to_owned(), json!(of.created_ms));
    body.insert("modified".to_owned(), json!(of.modified_ms));
    insert(&mut body, "accesstokenttl", of.token_ttl_ms);
    body.insert("organizationName".to_owned(), json!(of.organization.name));
    body.insert("applicationName".to_owned(), json!(of.name));
    for (name, value) in &of.properties {
        if !body.contains_key(name) {
            body.insert(name.clone(), value.clone());
        }
    }
    body.insert("metadata".to_owned(), metadata("", None, &["users", "groups", "roles"]));
    Value::Object(body)
}

/// `acme/shop`
pub(super) fn full_name(of: &Application) -> String {
    format!("{}/{}", of.organization.name, of.name)
}

/// `{"acme/sandbox": "<uuid>", …}`
pub(super) fn applications(of: &[Application]) -> Value {
    Value::Object(of.iter().map(|it| (full_name(it), json!(it.id))).collect())
}

/// An organization, without its applications and users.
pub(super) fn organization(of: &Organization) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("name".to_owned(), json!(of.name));
    body.insert("uuid".to_owned(), json!(of.id));
    body.insert("properties".to_owned(), Value::Object(of.properties.clone()));
    body.insert("passwordHistorySize".to_owned(), json!(0));
    body
}

/// An admin, without its organizations.
pub(super) fn admin(of: &Admin) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("applicationId".to_owned(), json!(MANAGEMENT));
    body.insert("uuid".to_owned(), json!(of.id));
    body.insert("username".to_owned(), json!(of.username));
    body.insert("name".to_owned(), json!(of.name));
    body.insert("email".to_owned(), json!(of.email));
    body.insert("activated".to_owned(), json!(of.activated));
    body.insert("confirmed".to_owned(), json!(true));
    body.insert("disabled".to_owned(), json!(of.disabled));
    body.insert("adminUser".to_owned(), json!(true));
    body.insert("properties".to_owned(), Value::Object(of.properties.clone()));
    body.insert("displayEmailAddress".to_owned(), json!(format!("{} <{}>", of.name, of.email)));
    let (name, email) = (html(&of.name), html(&of.email));
    let link = format!("{name} &lt;<a href=\"mailto:{email}\">{email}</a>&gt;");
    body.insert("htmldisplayEmailAddress".to_owned(), json!(link));
    body
}

/// A client's id and secret, for whoever may read them.
pub(super) fn credentials(of: &ClientSecret) -> Value {
    json!({ "client_id": of.id.to_string(), "client_secret": of.secret.expose() })
}

fn metadata(path: &str, sets: Option<Value>, collections: &[&str]) -> Value {
    let mut body = Map::new();
    if !path.is_empty() {
        body.insert("path".to_owned(), json!(path));
    }
    insert(&mut body, "sets", sets);
    let collections =
        collections.iter().map(|it| ((*it).to_owned(), json!(format!("{path}/{it}"))));
    body.insert("collections".to_owned(), Value::Object(collections.collect()));
    Value::Object(body)
}

fn insert(body: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        body.insert(name.to_owned(), value.into());
    }
}

/// What a page may hold of a text that somebody chose.
fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
