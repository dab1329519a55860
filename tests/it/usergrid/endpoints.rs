//! All the ways to spell a token endpoint, and by which methods it is asked.

use super::{
    ADMIN_TOKEN, APPLICATION_TOKEN, DENIED, HELLO, Shop, UNCOUNTED, USER_TOKEN, WRONG, grant,
};

/// Spellings of `/acme/shop`.
const SAME: [&str; 27] = [
    "/acme/shop",
    "/ACME/Shop",
    "//acme//shop",
    "/acme/applications/shop",
    "/acme/apps/shop",
    "/acme/a/shop",
    "/organizations/acme/shop",
    "/orgs/acme/shop",
    "/o/acme/shop",
    "/organizations/acme/applications/shop",
    "/organizations/acme/apps/shop",
    "/organizations/acme/a/shop",
    "/orgs/acme/applications/shop",
    "/orgs/acme/apps/shop",
    "/orgs/acme/a/shop",
    "/o/acme/applications/shop",
    "/o/acme/apps/shop",
    "/o/acme/a/shop",
    "/<acme>/<shop>",
    "/acme/<shop>",
    "/acme/apps/<shop>",
    "/orgs/acme/<shop>",
    "/orgs/<acme>/<shop>",
    "/<shop>",
    "/applications/<shop>",
    "/apps/<shop>",
    "/a/<shop>",
];

#[test]
fn every_form_of_a_tenants_path_means_the_same_application() {
    let shop = Shop::with(UNCOUNTED);
    for prefix in SAME {
        let orders = shop.ask(&format!("GET {prefix}/orders"), "bearer <nora>", "");
        assert_eq!(orders.status, 200, "{prefix}: {}", orders.text());
        assert_eq!(shop.backend.last().line(), "GET /acme/shop/orders", "{prefix}");
        for tail in ["/token", "/token/", "/Token", "/token?"] {
            let body = r#"{"grant_type":"client_credentials","client_id":"<app-id>","client_secret":"<app-secret>"}"#;
            shop.check(&[(&format!("POST {prefix}{tail}"), "", body, APPLICATION_TOKEN)]);
        }
        let login = shop.ask(&format!("POST {prefix}/token"), "", &grant("nora")).json();
        assert_eq!(login["user"]["uuid"], shop.word("nora-uuid"), "{prefix}");
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn what_is_no_form_of_it_means_nothing() {
    let shop = Shop::with(UNCOUNTED);
    let nora = &*grant("nora");
    shop.check(&[
        // An organization's UUID goes with an application's only, and with its own.
        ("POST /<acme>/shop/token",    "", nora, DENIED),
        ("GET /<acme>/shop/orders",    "bearer <nora>", "", DENIED),
        ("POST /<shop>/<shop>/token",  "", nora, WRONG),
        ("GET /<shop>/<shop>/orders",  "bearer <nora>", "", DENIED),
        ("POST /globex/<shop>/token",  "", nora, WRONG),
        ("GET /globex/<shop>/orders",  "bearer <nora>", "", DENIED),
        // Others hear of an unknown tenant what they hear of one that refuses.
        ("POST /acme/nope/token",      "", nora, WRONG),
        ("POST /nobody/shop/token",    "", nora, WRONG),
        ("GET /acme/nope/orders",      "", "", DENIED),
        ("GET /acme/shop/orders",      "", "", DENIED),
        ("GET /acme/nope/orders",      "bearer <gina>", "", DENIED),
        ("GET /acme/shop/orders",      "bearer <gina>", "", DENIED),
        ("GET /acme/nope/orders",      "bearer <olga>", "",
         "404 organization_application_not_found: Could not find application for acme/nope from URI: acme/nope/orders (OrganizationApplicationNotFoundException)"),
        // The application that admins are users of is nobody's to reach.
        ("POST /00000000-0000-0000-0000-000000000001/token", "", r#"{"grant_type":"password","username":"olga","password":"olga-pass-1"}"#, WRONG),
        ("GET /00000000-0000-0000-0000-000000000001/users",  "bearer <olga>", "", DENIED),
        ("GET /acme/sandbox/orders",   "", "", HELLO),
    ]);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_token_endpoint_is_asked_by_get_and_post() {
    const NOT: &str = "405 unsupported_service_operation: This operation is not supported here (UnsupportedServiceOperationException)";
    let shop = Shop::with(UNCOUNTED);
    let (olga, nora) = (&*grant("olga"), &*grant("nora"));
    shop.check(&[
        ("GET /management/token?grant_type=password&username=olga&password=olga-pass-1", "", "", ADMIN_TOKEN),
        ("GET /management/me?grant_type=password&username=olga&password=olga-pass-1",    "", "", ADMIN_TOKEN),
        ("GET /token?grant_type=password&username=olga&password=olga-pass-1",            "", "", ADMIN_TOKEN),
        ("GET /acme/shop/token?grant_type=password&username=nora&password=nora-pass-1",  "", "", USER_TOKEN),
        ("POST /management/token", "", olga, ADMIN_TOKEN),
        ("POST /management/me",    "", olga, ADMIN_TOKEN),
        ("POST /token",            "", olga, ADMIN_TOKEN),
        ("POST /acme/shop/token",  "", nora, USER_TOKEN),
        ("POST /management/token", "form", "grant_type=password&username=olga&password=olga-pass-1", ADMIN_TOKEN),
        ("POST /management/me",    "form", "grant_type=password&username=olga&password=olga-pass-1", ADMIN_TOKEN),
        ("POST /token",            "form", "grant_type=password&username=olga&password=olga-pass-1", ADMIN_TOKEN),
        ("POST /acme/shop/token",  "form", "grant_type=password&username=nora&password=nora-pass-1", USER_TOKEN),
        ("PUT /management/token",  "", olga, NOT),
        ("DELETE /token",          "", "", NOT),
        ("PUT /acme/shop/token",   "", nora, NOT),
        ("DELETE /acme/shop/token", "bearer <nora>", "", NOT),
        ("GET /acme/shop/users/nora/token",    "bearer <olga>", "", USER_TOKEN),
        ("POST /acme/shop/users/nora/token",   "bearer <olga>", "{}", NOT),
    ]);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn the_management_endpoints_answer_where_they_are_switched_on_only() {
    const GONE: &str = "404 service_resource_not_found: Service resource not found (ServiceResourceNotFoundException)";
    let backend = super::Backend::plain();
    let gate = super::start(&backend, r#""file:directory.redb""#, "management = \"off\"");
    let shop = Shop { backend, gate, words: Vec::new() };
    let olga = &*grant("olga");
    shop.check(&[
        ("POST /management/token", "", olga, GONE),
        ("POST /token",            "", olga, GONE),
        ("GET /management/me",     "", "", GONE),
        ("POST /acme/shop/token",  "", olga, WRONG),
    ]);
}
