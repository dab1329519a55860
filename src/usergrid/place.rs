//! Which part of the platform a path means, and the one canonical form of a tenant's path. Pure.

use uuid::Uuid;

use crate::{
    directory::{KnownTenant, TenantName},
    request::{
        owned::{collection, word},
        path::CanonicalPath,
        tenant_name::{APPLICATIONS, ORGANIZATIONS, is_reserved, is_settled},
    },
};

/// What a path is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `/management/…`: the segments after it.
    Management(Vec<String>),
    /// `/token`.
    Token,
    /// `/system/…`, and what else only the platform's superuser could do.
    System,
    /// A tenant's.
    Tenant(TenantPath),
    /// Something else, which the rules know of.
    Other,
}

/// A path that names a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantPath {
    /// Which.
    pub name: TenantName,
    /// The organization that must be its own, where the path says so by UUID.
    pub organization: Option<Uuid>,
    /// And by name, where the application is named by its UUID.
    pub organization_name: Option<String>,
    /// The decoded segments after the tenant; collections of ours in the plural and in lower case.
    pub rest: Vec<String>,
    /// The same segments as they are sent.
    pub spelled: Vec<String>,
}

impl Place {
    /// Reads a path, whose empty segments have been dropped.
    #[must_use]
    pub fn of(path: &CanonicalPath) -> Self {
        let segments: Vec<&str> = path.segments().collect();
        let lower: Vec<String> = segments.iter().map(|it| it.to_lowercase()).collect();
        let words: Vec<&str> = lower.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["management", ..] => {
                let rest = segments[1..].iter().map(|&it| it.to_owned());
                Self::Management(rest.collect())
            }
            ["token"] => Self::Token,
            ["system", ..] => Self::System,
            _ => Self::tenant(path, &segments, &words),
        }
    }

    fn tenant(path: &CanonicalPath, segments: &[&str], words: &[&str]) -> Self {
        let after = |count: usize, name, organization, organization_name| {
            let spelled = spelled(path).skip(count).map(str::to_owned).collect();
            let rest = segments[count..].iter().map(|&it| it.to_owned()).collect();
            let path = TenantPath { name, organization, organization_name, rest, spelled };
            Self::Tenant(path.settled())
        };
        let id = |text: &str| text.parse::<Uuid>().ok();
        // `/orgs/{org}/…` is `/{org}/…`.
        let (skip, words) = match words {
            [first, rest @ ..] if ORGANIZATIONS.contains(first) => (1, rest),
            words => (0, words),
        };
        match words {
            [apps, app, ..] if skip == 0 && APPLICATIONS.contains(apps) => match id(app) {
                Some(app) => after(2, TenantName::Application(app), None, None),
                None => Self::Other,
            },
            [word, ..] if is_reserved(word) => Self::Other,
            [org, apps, app, ..] if APPLICATIONS.contains(apps) => {
                Self::under(id(org), org, id(app), app, skip + 3, after)
            }
            [org, app, ..] if !is_reserved(app) && (id(org).is_none() || id(app).is_some()) => {
                Self::under(id(org), org, id(app), app, skip + 2, after)
            }
            [app, ..] if skip == 0 => match id(app) {
                Some(app) => after(1, TenantName::Application(app), None, None),
                None => Self::Other,
            },
            _ => Self::Other,
        }
    }

    fn under(
        org_id: Option<Uuid>,
        org: &str,
        app_id: Option<Uuid>,
        app: &str,
        count: usize,
        after: impl Fn(usize, TenantName, Option<Uuid>, Option<String>) -> Self,
    ) -> Self {
        match (org_id, app_id) {
            (None, None) => after(count, TenantName::Names(org.into(), app.into()), None, None),
            (None, Some(id)) => {
                after(count, TenantName::Application(id), None, Some(org.to_owned()))
            }
            (Some(org), Some(id)) => after(count, TenantName::Application(id), Some(org), None),
            // An organization's UUID goes with an application's only.
            (Some(_), None) => Self::Other,
        }
    }
}

/// The tenant of a path that is in its one form as it came and asks for nothing of ours: `acme/shop`.
/// Nearly every request that is forwarded has such a path, and nothing of it needs to be written anew.
#[must_use]
pub fn settled(path: &CanonicalPath) -> Option<&str> {
    let mut segments = path.segments();
    let (organization, application) = (segments.next()?, segments.next()?);
    let first = segments.next()?;
    let ours = collection(first).is_some()
        || first.eq_ignore_ascii_case("token")
        || first.eq_ignore_ascii_case("credentials");
    if ours || path.has_trailing_slash() || !is_settled(organization) || !is_settled(application) {
        return None;
    }
    // The letters of such names are spelled as they are.
    path.as_str().get(1..organization.len() + application.len() + 2)
}

impl TenantPath {
    /// Words of ours in their one form: a backend that folds `Users` would otherwise be asked for what
    /// nobody judged.
    fn settled(mut self) -> Self {
        let settle = |rest: &mut Vec<String>, spelled: &mut Vec<String>, at: usize| {
            if let Some(word) = rest.get(at).and_then(|segment| word(segment)) {
                word.clone_into(&mut rest[at]);
                word.clone_into(&mut spelled[at]);
            }
        };
        settle(&mut self.rest, &mut self.spelled, 0);
        if self
            .rest
            .first()
            .is_some_and(|first| matches!(first.as_str(), "users" | "roles" | "groups"))
        {
            settle(&mut self.rest, &mut self.spelled, 2);
        }
        self
    }

    /// Whether the tenant that was found is the organization's that the path says.
    #[must_use]
    pub fn fits(&self, there: &KnownTenant) -> bool {
        self.organization.is_none_or(|id| id == there.organization.id)
            && self.organization_name.as_ref().is_none_or(|name| *name == there.organization.name)
    }

    /// Puts `id` in the place of whatever names the user in `users/{u}`.
    pub(crate) fn name_user(&mut self, id: &str) {
        for segments in [&mut self.rest, &mut self.spelled] {
            if let Some(user) = segments.get_mut(1) {
                id.clone_into(user);
            }
        }
    }

    /// The text of the canonical path, with a tenant's own names.
    #[must_use]
    pub fn text(&self, organization: &str, application: &str) -> String {
        let mut text = format!("/{organization}/{application}");
        for segment in &self.spelled {
            text.push('/');
            text.push_str(segment);
        }
        text
    }
}

/// The segments as they are sent.
fn spelled(path: &CanonicalPath) -> impl Iterator<Item = &str> {
    path.as_str().split('/').filter(|piece| !piece.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::path::{Case, EmptySegments, EncodedSlash, PathPolicy, Punctuation};

    const ORG: &str = "0b5c1f60-7d2a-11ee-8a11-0123456789ab";
    const APP: &str = "1b5c1f60-7d2a-11ee-8a11-0123456789ab";

    fn policy() -> PathPolicy {
        PathPolicy {
            empty_segments: EmptySegments::Merge,
            encoded_slash: EncodedSlash::Refuse,
            punctuation: Punctuation::Refuse,
            case: Case::Exact,
            segments_max: 32,
        }
    }

    fn of(path: &str) -> Place {
        Place::of(&CanonicalPath::parse(path, &policy()).unwrap())
    }

    /// `acme/shop` or an application's UUID, and what is sent.
    fn told(path: &str) -> String {
        match of(path) {
            Place::Tenant(path) => {
                let name = match &path.name {
                    TenantName::Names(org, app) => format!("{org}/{app}"),
                    TenantName::Application(id) => {
                        match (&path.organization, &path.organization_name) {
                            (Some(org), _) => format!("{org} {id}"),
                            (None, Some(org)) => format!("{org} {id}"),
                            (None, None) => id.to_string(),
                        }
                    }
                };
                format!("{name} {}", path.text("o", "a"))
            }
            Place::Management(rest) => format!("management {}", rest.join(" ")),
            Place::Token => "token".to_owned(),
            Place::System => "system".to_owned(),
            Place::Other => "other".to_owned(),
        }
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_path_is_settled_only_where_its_one_form_is_itself_and_nothing_of_it_is_ours() {
        let rows = [
            ("/acme/shop/orders".to_owned(),        Some("acme/shop")),
            ("/acme/shop/orders/7".to_owned(),      Some("acme/shop")),
            ("/a.b-c_d/x1/Orders".to_owned(),       Some("a.b-c_d/x1")),
            ("/acme/shop/%6Frders".to_owned(),      Some("acme/shop")),
            ("/%61cme/shop/orders".to_owned(),      Some("acme/shop")),
            ("/acme/shop/orders/".to_owned(),       None),
            ("/acme/shop".to_owned(),               None),
            ("/acme/Shop/orders".to_owned(),        None),
            ("/acme/apps/shop/orders".to_owned(),   None),
            ("/orgs/acme/shop/orders".to_owned(),   None),
            (format!("/{ORG}/{APP}/orders"),        None),
            (format!("/acme/{APP}/orders"),         None),
            ("/acme/shop/users".to_owned(),         None),
            ("/acme/shop/user/me/x".to_owned(),     None),
            ("/acme/shop/Roles".to_owned(),         None),
            ("/acme/shop/TOKEN".to_owned(),         None),
            ("/acme/shop/credentials".to_owned(),   None),
            ("/acme/sh+p/orders".to_owned(),        None),
            ("/management/orgs/x".to_owned(),       None),
        ];
        for (path, expected) in rows {
            let path = CanonicalPath::parse(&path, &policy()).unwrap();
            assert_eq!(settled(&path), expected, "{path:?}");
            if let Some(names) = settled(&path) {
                let Place::Tenant(full) = Place::of(&path) else { panic!("{path:?}") };
                let (organization, application) = names.split_once('/').unwrap();
                let name = TenantName::Names(organization.into(), application.into());
                assert_eq!((&full.name, full.text(organization, application).as_str()), (&name, path.as_str()));
            }
        }
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn every_form_of_a_path_has_one_canonical_form() {
        let rows = [
            ("/acme/shop".to_owned(),                       "acme/shop /o/a".to_owned()),
            ("/ACME/Shop/Orders/7".to_owned(),              "acme/shop /o/a/Orders/7".to_owned()),
            ("/acme/shop/".to_owned(),                      "acme/shop /o/a".to_owned()),
            ("//acme//shop//x/".to_owned(),                 "acme/shop /o/a/x".to_owned()),
            ("/acme/applications/shop/x".to_owned(),        "acme/shop /o/a/x".to_owned()),
            ("/acme/apps/shop/x".to_owned(),                "acme/shop /o/a/x".to_owned()),
            ("/acme/a/shop/x".to_owned(),                   "acme/shop /o/a/x".to_owned()),
            ("/organizations/acme/shop/x".to_owned(),       "acme/shop /o/a/x".to_owned()),
            ("/orgs/acme/apps/shop/x".to_owned(),           "acme/shop /o/a/x".to_owned()),
            ("/o/acme/a/shop".to_owned(),                   "acme/shop /o/a".to_owned()),
            (format!("/{ORG}/{APP}/x"),                     format!("{ORG} {APP} /o/a/x")),
            (format!("/acme/{APP}/x"),                      format!("acme {APP} /o/a/x")),
            (format!("/acme/apps/{APP}/x"),                 format!("acme {APP} /o/a/x")),
            (format!("/{APP}/x"),                           format!("{APP} /o/a/x")),
            (format!("/{APP}"),                             format!("{APP} /o/a")),
            (format!("/applications/{APP}/x"),              format!("{APP} /o/a/x")),
            (format!("/apps/{APP}"),                        format!("{APP} /o/a")),
            (format!("/{ORG}/apps/shop/x"),                 "other".to_owned()),
            ("/acme/shop/user/eve".to_owned(),              "acme/shop /o/a/users/eve".to_owned()),
            ("/acme/shop/Users/Eve/Role/x".to_owned(),      "acme/shop /o/a/users/Eve/roles/x".to_owned()),
            ("/acme/shop/%75sers/Eve/%52oles".to_owned(),   "acme/shop /o/a/users/Eve/roles".to_owned()),
            ("/acme/shop/roles/x/user/eve".to_owned(),      "acme/shop /o/a/roles/x/users/eve".to_owned()),
            ("/acme/shop/users/eve/Devices".to_owned(),     "acme/shop /o/a/users/eve/Devices".to_owned()),
            ("/acme/shop/cats/user".to_owned(),             "acme/shop /o/a/cats/user".to_owned()),
            ("/Management/orgs/Acme".to_owned(),            "management orgs Acme".to_owned()),
            ("/token".to_owned(),                           "token".to_owned()),
            ("/system/database".to_owned(),                 "system".to_owned()),
            ("/status".to_owned(),                          "other".to_owned()),
            ("/status/x".to_owned(),                        "other".to_owned()),
            ("/".to_owned(),                                "other".to_owned()),
            ("/acme".to_owned(),                            "other".to_owned()),
            ("/orgs/acme".to_owned(),                       "other".to_owned()),
            ("/acme/apps".to_owned(),                       "other".to_owned()),
        ];
        for (path, expected) in rows {
            assert_eq!(told(&path), expected, "{path}");
        }
    }
}
