//! `[usergrid]`: what it sets, what it changes elsewhere, and what `[expect]` says of tenants.

use std::time::Duration;

use super::read;
use crate::{
    auth::credential::Source,
    config::{Config, Management, check},
    request::path::EmptySegments,
};

#[track_caller]
fn good(text: &str) -> Config {
    read(text).unwrap_or_else(|report| panic!("{report}"))
}

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn the_bare_section_has_every_default_and_changes_those_of_others() {
    let config = good("[usergrid]\n");
    let usergrid = config.usergrid.unwrap();
    assert_eq!((usergrid.default_ttl, usergrid.max_ttl), (7 * DAY, 7 * DAY));
    assert_eq!(usergrid.application_ttl_max, 365 * DAY);
    assert!(usergrid.never_expire && !usergrid.open_registration);
    assert!(!usergrid.jsonp && !usergrid.open_roles);
    assert_eq!(usergrid.management, Management::Public);
    assert_eq!(usergrid.guest_grace, Duration::from_secs(600));
    assert_eq!((usergrid.wrong_passwords, usergrid.wrong_passwords_per_address), (10, 20));
    assert_eq!((usergrid.hashes, usergrid.bootstrap), (2, None));

    let query = Source::Query("access_token".to_owned());
    assert_eq!(config.tokens.from, [Source::Header, query, Source::Basic, Source::ClientParams]);
    assert_eq!(config.paths.empty_segments, EmptySegments::Merge);
    let cors = config.cors.unwrap();
    assert_eq!((cors.origins, cors.credentials), (None, false));
    assert_eq!((cors.methods, cors.headers), (None, None));
    let [rule] = config.rules.rules() else { panic!("one rule") };
    assert_eq!((rule.name.as_str(), rule.asks.as_str()), ("* /{org}/{app}/**", "permissions"));
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn what_is_written_holds_beside_the_section() {
    let config = good(
        "admin = \"unix:admin.sock\"\n\
         [usergrid]\nmax-ttl = \"1d\"\naccesstokenttl-max = \"30d\"\nnever-expire = \"deny\"\n\
         management = \"admin\"\nregistration = \"open\"\njsonp = true\nopen-roles = true\n\
         guest-grace = \"0s\"\nwrong-passwords = 3\nwrong-passwords-per-address = 5\nhashes = 4\n\
         [tokens]\nfrom = \"header\"\n[paths]\nempty-segments = \"merge\"\n\
         [cors]\norigins = [\"https://app.example\"]\ncredentials = true\n[rules]\n",
    );
    let usergrid = config.usergrid.unwrap();
    assert_eq!(usergrid.default_ttl, DAY, "bounded by max-ttl");
    assert_eq!((usergrid.max_ttl, usergrid.application_ttl_max), (DAY, 30 * DAY));
    assert!(!usergrid.never_expire && usergrid.open_registration);
    assert!(usergrid.jsonp && usergrid.open_roles);
    assert_eq!(usergrid.management, Management::Admin);
    assert_eq!((usergrid.guest_grace, usergrid.hashes), (Duration::ZERO, 4));
    assert_eq!((usergrid.wrong_passwords, usergrid.wrong_passwords_per_address), (3, 5));
    assert_eq!(config.tokens.from, [Source::Header]);
    assert!(config.cors.unwrap().credentials);
    assert_eq!(config.rules.rules().len(), 0, "an empty [rules] is one");
}

#[test]
fn the_first_tenant_has_names_in_lower_case_and_a_hidden_password() {
    let config = good(
        "[usergrid.bootstrap]\norganization = \"ACME\"\napplication = \"Shop\"\n\
         username = \"olga@acme.example\"\nemail = \"olga@acme.example\"\nname = \"Olga B\"\n\
         password = \"${SHORT}\"\n",
    );
    let bootstrap = config.usergrid.unwrap().bootstrap.unwrap();
    assert_eq!(bootstrap.organization, "acme");
    assert_eq!(bootstrap.application.as_deref(), Some("shop"));
    assert_eq!(
        (bootstrap.username.as_str(), bootstrap.name.as_deref()),
        ("olga@acme.example", Some("Olga B"))
    );
    assert_eq!(bootstrap.password.expose(), "interpolated");
    assert!(!format!("{bootstrap:?}").contains("interpolated"));
}

#[test]
fn without_the_section_nothing_of_it_holds() {
    let config = good("");
    assert_eq!((config.usergrid, config.cors), (None, None));
    assert_eq!(config.paths.empty_segments, EmptySegments::Refuse);
    assert_eq!(config.rules.rules().len(), 0);
}

const RULES: &str = r#"
[usergrid]
[rules]
"GET /status"                             = "public"
"GET /ops"                                = "admin@acme | authenticated@tools/bot"
"* /{org}/{app}/**"                       = "permissions"
"* /{org}/{app}/orders/**"                = "role:buyer | admin"
"* /{org}/{app}/users/{u}/devices/**"     = "self:{u} | admin"
"GET /{org}/{app}/catalog/**"             = "guest"
"* /acme/shop/reports/**"                 = "organization | application"
[expect]
"#;

#[test]
fn expectations_are_judged_in_the_tenant_of_their_path() {
    let config = good(&format!(
        "{RULES}{}",
        r#"
"GET /status as user eve @acme/shop"                                   = "public"
"GET /ops"                                                             = "unauthenticated"
"GET /ops as admin olga @acme"                                         = "allow"
"GET /ops as admin olga @tools @other"                                 = "allow"
"GET /ops as application @tools/bot"                                   = "allow"
"GET /ops as user eve @acme/shop"                                      = "other_tenant"
"GET /acme/shop/things"                                                = "401"
"GET /acme/shop/things as user eve @acme/shop"                         = "allow"
"GET /acme/shop/things as user eve @acme/blog"                         = "other_tenant"
"GET /acme/shop/things as user eve @other/shop"                        = "other_tenant"
"POST /acme/shop/devices"                                              = "allow"
"GET /acme/shop/devices"                                               = "401"
"PUT /acme/shop/devices/7"                                             = "allow"
"GET /acme/sandbox/things"                                             = "allow"
"PATCH /acme/sandbox/things"                                           = "401"
"PATCH /acme/shop/things as user eve @acme/shop"                       = "not_permitted"
"PATCH /acme/shop/things as organization @acme"                        = "allow"
"PATCH /acme/shop/things as application @acme/shop"                    = "allow"
"PATCH /acme/shop/things as application @acme/blog"                    = "other_tenant"
"PATCH /acme/shop/things as admin olga @other"                         = "other_tenant"
"POST /acme/shop/orders as user eve role=Buyer @acme/shop"             = "allow"
"POST /acme/shop/orders as user eve role=buyer @other/shop"            = "other_tenant"
"POST /acme/shop/orders as user eve @acme/shop"                        = "role_missing"
"POST /ACME/Shop//orders/ as admin olga @acme"                         = "allow"
"GET /acme/shop/users/eve/devices as user eve @acme/shop"              = "allow"
"GET /acme/shop/users/me/devices as user eve @acme/shop"               = "allow"
"GET /acme/shop/users/Eve@x.example/devices as user eve email=eve@x.example @acme/shop" = "allow"
"GET /acme/shop/user/Me/devices as user eve @acme/shop"                = "allow"
"GET /acme/shop/users/bob/devices as user eve @acme/shop"              = "not_self"
"GET /acme/shop/users/bob/devices as user eve @acme/blog"              = "other_tenant"
"GET /acme/shop/catalog/1"                                             = "guest"
"GET /acme/shop/catalog/1 as user eve @other/blog"                     = "guest"
"GET /acme/shop/reports/1 as application @acme/shop"                   = "allow"
"GET /acme/shop/reports/1 as admin olga @acme"                         = "forbidden"
"GET /status/shop/things as user eve @acme/shop"                       = "other_tenant"
"GET /status/shop/things"                                              = "unauthenticated"
"GET /nothing"                                                         = "no_rule"
"GET /acme/shop/a/../b"                                                = "400"
"#
    ));
    assert_eq!(config.expectations, 38);
}

#[test]
fn a_check_says_how_far_the_roles_of_applications_are_open() {
    let said = "  `permissions`: guests may what each application's role `guest` says; a new one has \
                post:/users, post:/devices, put:/devices/*, one called `sandbox` everything\n";
    let default = good("[usergrid]\n");
    let text = check::render(&default);
    assert!(text.ends_with(said) && !text.contains("No rule is open"), "{text}");
    let names = check::to_json(&default)["permissions"].clone();
    assert_eq!(names, serde_json::json!(["* /{org}/{app}/**"]));

    let text = check::render(&good(
        "[usergrid]\n[rules]\n\"GET /status\" = \"public\"\n\
         \"* /{org}/{app}/**\" = \"admin | permissions\"\n",
    ));
    assert!(
        text.contains("1 rule is open without a credential.") && text.ends_with(said),
        "{text}"
    );

    let with_more =
        good("[usergrid]\n[rules]\n\"* /{org}/{app}/**\" = \"permissions & user | role:buyer\"\n");
    let text = check::render(&with_more);
    assert!(text.contains("No rule is open without a credential."), "{text}");
    assert_eq!(check::to_json(&with_more)["permissions"], serde_json::json!([]));
}

#[test]
fn without_rules_the_roles_of_each_application_say_who_may() {
    let config = good(
        "[usergrid]\n[expect]\n\"GET /acme/shop/things as user eve @acme/shop\" = \"allow\"\n\
         \"GET /acme/shop/things\" = \"401\"\n\"GET /other\" = \"no_rule\"\n",
    );
    assert_eq!(config.expectations, 3);
}
