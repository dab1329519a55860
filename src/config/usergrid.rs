//! `[usergrid]` and `[usergrid.bootstrap]`: tenants, their tokens, and the first of them.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    Bootstrap, Management, Usergrid, defaults, quantity,
    reader::{Table, Value},
};
use crate::{
    request::{
        person_name::{check_email, check_username},
        tenant_name::tenant_name,
    },
    secret::Secret,
};

const DAY: Duration = Duration::from_secs(86_400);

/// From the shortest that a client has a use for to ten years: whoever wants more lets tokens never expire.
const TTLS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3_660 * 86_400);

/// The shortest password that anybody may choose, in characters: what clients of the platform know.
pub const PASSWORD_CHARS_MIN: usize = 4;

/// The longest, in bytes: each login hashes what a stranger sends.
pub const PASSWORD_BYTES_MAX: usize = 512;

/// `None` without the table. `admin`: whether there is an admin listener.
pub(super) fn read(table: Table, admin: bool) -> Option<Usergrid> {
    let ttl = |key| table.get(key).and_then(|value| value.duration(TTLS));
    let number = |key, range| {
        let value = table.get(key).and_then(|value| value.integer(range));
        value.and_then(|value| u32::try_from(value).ok())
    };
    let flag = |key| table.get(key).and_then(|value| value.boolean()).unwrap_or(false);
    let max_ttl = ttl("max-ttl").unwrap_or(defaults::USERGRID_MAX_TTL);
    let default_ttl = read_default_ttl(&table, max_ttl);
    let application_ttl_max =
        ttl("accesstokenttl-max").unwrap_or(defaults::USERGRID_APPLICATION_TTL_MAX);
    let never_expire = table
        .get("never-expire")
        .and_then(|value| value.choice(&[("allow", true), ("deny", false)]));
    let registration = table
        .get("registration")
        .and_then(|value| value.choice(&[("closed", false), ("open", true)]));
    let hashes = table.get("hashes").and_then(|value| value.integer(1..=64));
    let usergrid = Usergrid {
        default_ttl,
        max_ttl,
        application_ttl_max,
        never_expire: never_expire.unwrap_or(defaults::USERGRID_NEVER_EXPIRE),
        management: read_management(&table, admin),
        open_registration: registration.unwrap_or(defaults::USERGRID_REGISTRATION),
        jsonp: flag("jsonp"),
        open_roles: flag("open-roles"),
        guest_grace: table
            .get("guest-grace")
            .and_then(|value| value.duration(Duration::ZERO..=DAY))
            .unwrap_or(defaults::USERGRID_GUEST_GRACE),
        wrong_passwords: number("wrong-passwords", 1..=1_000)
            .unwrap_or(defaults::USERGRID_WRONG_PASSWORDS),
        wrong_passwords_per_address: number("wrong-passwords-per-address", 1..=1_000_000)
            .unwrap_or(defaults::USERGRID_WRONG_PASSWORDS_PER_ADDRESS),
        hashes: hashes
            .and_then(|hashes| usize::try_from(hashes).ok())
            .unwrap_or(defaults::USERGRID_HASHES),
        bootstrap: read_bootstrap(table.table("bootstrap")),
    };
    let present = table.is_present();
    table.done();
    present.then_some(usergrid)
}

fn read_default_ttl(table: &Table, max_ttl: Duration) -> Duration {
    let value = table.get("default-ttl");
    let ttl = value.as_ref().and_then(|value| value.duration(TTLS));
    if let (Some(value), Some(ttl)) = (&value, ttl)
        && ttl > max_ttl
    {
        let max = quantity::show_duration(max_ttl);
        let message = "what nobody asked for cannot live longer than what somebody may ask for";
        value.bad(message, format!("at most `max-ttl`, which is {max}"));
    }
    // Where `max-ttl` is shorter than the default, it bounds that too.
    ttl.unwrap_or(defaults::USERGRID_DEFAULT_TTL.min(max_ttl))
}

fn read_management(table: &Table, admin: bool) -> Management {
    let Some(value) = table.get("management") else { return defaults::USERGRID_MANAGEMENT };
    let choices =
        [("public", Management::Public), ("admin", Management::Admin), ("off", Management::Off)];
    let management = value.choice(&choices).unwrap_or(defaults::USERGRID_MANAGEMENT);
    if management == Management::Admin && !admin {
        let hint = "add `admin = \"unix:/run/tollgate/admin.sock\"` above the first `[table]`";
        value.bad("there is no admin listener to answer on", hint);
    }
    management
}

fn read_bootstrap(table: Table) -> Option<Bootstrap> {
    const NEEDED: [(&str, &str); 4] = [
        ("organization", "add `organization = \"acme\"`"),
        ("username", "add `username = \"olga\"`: who administers it"),
        ("email", "add `email = \"olga@acme.example\"`"),
        ("password", "add `password = \"${file:/run/secrets/admin-password}\"`"),
    ];
    let [organization, username, email, password] = NEEDED.map(|(key, help)| table.need(key, help));
    let organization = organization.and_then(|value| read_name(&value, "an organization"));
    let application = table.get("application");
    let application = application.map(|value| read_name(&value, "an application"));
    let email = email.and_then(|value| read_email(&value));
    let username = username.and_then(|value| read_username(&value, email.as_deref()));
    let name = table.get("name").map(|value| value.text());
    let password = password.and_then(|value| read_password(&value));
    table.done();
    Some(Bootstrap {
        organization: organization?,
        application: application.flatten(),
        username: username?,
        email: email?,
        name: name.flatten().map(|name| name.text),
        password: password?,
    })
}

fn read_name(value: &Value, what: &str) -> Option<String> {
    let text = value.text()?;
    match tenant_name(&text.text) {
        Ok(name) => Some(name),
        Err(why) => {
            value.bad(format!("{} cannot name {what}", text.quoted()), format!("it {why}"));
            None
        }
    }
}

fn read_email(value: &Value) -> Option<String> {
    let text = value.text()?;
    if check_email(&text.text).is_err() {
        let message = format!("{} is no e-mail address", text.quoted());
        value.bad(message, "expected `olga@acme.example`");
        return None;
    }
    Some(text.text)
}

fn read_username(value: &Value, email: Option<&str>) -> Option<String> {
    let text = value.text()?;
    if let Err(why) = check_username(&text.text, email) {
        value.bad(format!("{} is no username", text.quoted()), why);
        return None;
    }
    Some(text.text)
}

fn read_password(value: &Value) -> Option<Secret> {
    let text = value.text();
    // Hidden before anything is said of it.
    if text.as_ref().is_none_or(|text| !text.is_filled_in()) {
        value.cx.hide(&value.place);
    }
    let text = text?;
    if text.text.chars().count() < PASSWORD_CHARS_MIN {
        let message = format!("a password has at least {PASSWORD_CHARS_MIN} characters");
        value.bad(message, "choose a longer one");
    }
    if text.text.len() > PASSWORD_BYTES_MAX {
        let message = format!("a password has at most {PASSWORD_BYTES_MAX} bytes");
        value.bad(message, "choose a shorter one");
    }
    Some(Secret::new(text.text))
}
