//! The caller of an expectation: `user eve role=buyer`, `admin olga @acme`, `guest`.

use std::{ops::Range, sync::Arc};

use super::tenants;
use crate::{
    permission::PermissionSet,
    policy::requirement::At,
    principal::{Home, Named, Principal, PrincipalKind, Words},
};

/// Where, what is wrong, and what to write.
pub(super) type Fault = (Range<usize>, String, &'static str);

/// A word and where it stands.
type Word = (Range<usize>, String);

const PLAIN_KINDS: &str = "`as guest`, or `as user ID`";
const KINDS: &str = "`as guest`, `as user ID @acme/shop`, `as application @acme/shop`, \
    `as organization @acme`, or `as admin ID @acme`";

/// Reads what follows `as`; `None` is a guest. `end` is where the text ends.
pub(super) fn read(
    words: &mut impl Iterator<Item = Word>,
    end: Range<usize>,
    usergrid: bool,
) -> Result<Option<Principal>, Fault> {
    let kinds = if usergrid { KINDS } else { PLAIN_KINDS };
    let (at, word) = words.next().ok_or((end.clone(), "as whom?".to_owned(), kinds))?;
    let kind = match word.as_str() {
        "guest" => {
            return match words.next() {
                Some((at, _)) => Err((at, "a guest has neither name nor roles".to_owned(), kinds)),
                None => Ok(None),
            };
        }
        "user" if !usergrid => PrincipalKind::User,
        "user" => PrincipalKind::ApplicationUser,
        "application" if usergrid => PrincipalKind::Application,
        "organization" if usergrid => PrincipalKind::Organization,
        "admin" if usergrid => PrincipalKind::AdminUser,
        _ => return Err((at, format!("`{word}` is no kind of caller"), kinds)),
    };
    let mut reader =
        Reader { principal: Principal { kind, ..Principal::guest() }, homes: Vec::new() };
    if reader.is_person() {
        let what = if word == "admin" { "admin" } else { "user" };
        let missing = format!("the {what}'s id is missing");
        let (at, id) = words.next().ok_or((end.clone(), missing.clone(), kinds))?;
        if id.contains('=') || (usergrid && id.starts_with('@')) {
            return Err((at, missing, if usergrid { kinds } else { "`as user ID role=x`" }));
        }
        // Only with `[usergrid]` every person has a name.
        reader.principal.name = usergrid.then(|| id.clone());
        reader.principal.id = id;
    }
    for word in words {
        reader.word(word, usergrid)?;
    }
    reader.finish(end, usergrid).map(Some)
}

struct Reader {
    principal: Principal,
    homes: Vec<At>,
}

impl Reader {
    fn is_person(&self) -> bool {
        match self.principal.kind {
            PrincipalKind::User | PrincipalKind::ApplicationUser | PrincipalKind::AdminUser => true,
            PrincipalKind::Guest | PrincipalKind::Application | PrincipalKind::Organization => {
                false
            }
        }
    }

    /// `role=x`, `name=y` or `@acme/shop`.
    fn word(&mut self, (at, word): Word, usergrid: bool) -> Result<(), Fault> {
        let allowed = self.attributes();
        let fault = |message: String| (at.clone(), message, allowed);
        if let Some(tenant) = word.strip_prefix('@').filter(|_| usergrid) {
            self.homes.push(At::parse(tenant).map_err(fault)?);
            return Ok(());
        }
        let (attribute, value) =
            word.split_once('=').ok_or_else(|| fault(format!("`{word}` is no attribute")))?;
        if value.is_empty() {
            return Err(fault(format!("`{attribute}` is empty")));
        }
        let (kind, is_person) = (self.principal.kind, self.is_person());
        let principal = &mut self.principal;
        match (attribute, kind) {
            ("role", PrincipalKind::User) => add(&mut principal.roles, value.to_owned()),
            ("role", PrincipalKind::ApplicationUser) => {
                add(&mut principal.roles, value.to_lowercase())
            }
            ("scope", PrincipalKind::User) => add(&mut principal.scopes, value.to_owned()),
            ("name" | "email", _) if !is_person => {
                return Err(fault(format!("`{attribute}` is nothing that a client has")));
            }
            ("name", _) => {
                let is_given = usergrid && principal.name.as_ref() == Some(&principal.id);
                if principal.name.is_some() && !is_given {
                    return Err(fault("`name` stands here twice".to_owned()));
                }
                principal.name = Some(value.to_owned());
            }
            ("email", _) if principal.email.is_none() => principal.email = Some(value.to_owned()),
            ("email", _) => return Err(fault("`email` stands here twice".to_owned())),
            (_, PrincipalKind::AdminUser) => {
                return Err(fault(format!("`{attribute}` is nothing that an admin has")));
            }
            (_, PrincipalKind::Application | PrincipalKind::Organization) => {
                return Err(fault(format!("`{attribute}` is nothing that a client has")));
            }
            _ => return Err(fault(format!("`{attribute}` is nothing that a user has"))),
        }
        Ok(())
    }

    fn attributes(&self) -> &'static str {
        match self.principal.kind {
            PrincipalKind::ApplicationUser => {
                "`@acme/shop`, `role=x`, `name=z`, `email=e` and `cert=n` may follow"
            }
            PrincipalKind::AdminUser => "`@acme`, `name=z`, `email=e` and `cert=n` may follow",
            PrincipalKind::Application => "`@acme/shop` follows",
            PrincipalKind::Organization => "`@acme` follows",
            PrincipalKind::User | PrincipalKind::Guest => {
                "`role=x`, `scope=y`, `name=z`, `email=e` and `cert=n` may follow"
            }
        }
    }

    fn finish(self, end: Range<usize>, usergrid: bool) -> Result<Principal, Fault> {
        let Self { principal, homes } = self;
        if !usergrid {
            return Ok(principal);
        }
        at_home(principal, homes).map_err(|message| (end, message.to_owned(), KINDS))
    }
}

/// The caller where it belongs: `homes` are the tenants that are said to be its own.
///
/// # Errors
/// Why such a caller cannot belong there.
pub(crate) fn at_home(mut principal: Principal, homes: Vec<At>) -> Result<Principal, &'static str> {
    let mut home = Home {
        organizations: Vec::new(),
        application: None,
        permissions: PermissionSet::default(),
    };
    let in_application = match principal.kind {
        PrincipalKind::ApplicationUser | PrincipalKind::Application => true,
        PrincipalKind::Organization | PrincipalKind::AdminUser => false,
        PrincipalKind::Guest | PrincipalKind::User => return Ok(principal),
    };
    let one = principal.kind != PrincipalKind::AdminUser;
    match homes.as_slice() {
        [] => return Err("the caller's tenant is missing"),
        [_, _, ..] if one => return Err("only an admin belongs to several tenants"),
        _ => {}
    }
    for at in homes {
        match at {
            At::Application { organization, application } if in_application => {
                let organization = tenants::organization(organization);
                home.application = Some(tenants::application(&organization, application));
                home.organizations.push(organization);
            }
            At::Organization(organization) if !in_application => {
                home.organizations.push(tenants::organization(organization));
            }
            At::Anywhere | At::Organization(_) if in_application => {
                return Err("this caller is of one application: `@acme/shop`");
            }
            At::Anywhere | At::Organization(_) | At::Application { .. } => {
                return Err("this caller is of an organization: `@acme`");
            }
        }
    }
    if principal.id.is_empty() {
        // A client is called as what it is the client of.
        let own: Option<&Named> = home.application.as_ref().or(home.organizations.first());
        principal.name = own.map(|own| own.name.clone());
        principal.id = own.map(|own| own.id.to_string()).unwrap_or_default();
    }
    principal.home = Some(Arc::new(home));
    Ok(principal)
}

/// One word more.
fn add(words: &mut Words, word: String) {
    *words = words.iter().cloned().chain([word]).collect();
}
