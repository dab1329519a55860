//! One canonical path: every form of a tenant's path is judged and sent as `/{org}/{app}/…`, and no
//! spelling of a path of ours slips past its guard.

use super::{Rows, World, call, told};
use crate::harness::client::{bearer, get, request};

fn id_of(world: &World, application: &str) -> String {
    let apps = world.json(&world.olga, "GET", "/management/orgs/acme/apps", "");
    apps["data"][application].as_str().unwrap().to_owned()
}

#[test]
fn every_form_of_a_tenant_s_path_arrives_in_the_one_form() {
    let world = World::new();
    let app = id_of(&world, "acme/shop");
    let org = world.json(&world.olga, "GET", "/management/orgs/acme", "");
    let org = org["organization"]["uuid"].as_str().unwrap();
    let nora = world.user("/acme/shop", "nora");
    let mut rows = Rows::default();
    let mut forms: Vec<String> = Vec::new();
    for organization in ["acme", "organizations/acme", "orgs/acme", "o/acme", "ACME", "Orgs/Acme"] {
        for application in
            ["shop", "applications/shop", "apps/shop", "a/shop", "SHOP", "Apps/Shop", &app]
        {
            forms.push(format!("{organization}/{application}"));
        }
    }
    forms.extend([
        format!("{org}/{app}"),
        app.clone(),
        format!("applications/{app}"),
        format!("apps/{app}"),
    ]);
    forms.push(format!("{}/{}", org.to_uppercase(), app.to_uppercase()));
    for form in &forms {
        for who in [&world.olga, &nora.token] {
            rows.check(
                form,
                &world.road(who, "GET", &format!("/{form}/Cats/Tom")),
                "GET /acme/shop/Cats/Tom",
            );
            let own = told(&world.call(who, "GET", &format!("/{form}/users/nora"), ""));
            rows.check(form, &own, "200");
        }
        rows.check(form, &world.road("", "GET", &format!("/{form}/cats")), "401 unauthorized");
        rows.check(
            form,
            &world.road("", "GET", &format!("/{form}/users/nora")),
            "401 unauthorized",
        );
    }
    // Not a form: an organization's UUID with an application's name.
    rows.check(
        "uuid and name",
        &world.road(&world.olga, "GET", &format!("/{org}/shop/cats"))[..3],
        "401",
    );
    // The application's UUID below another organization's name.
    rows.check(
        "not its own",
        &world.road(&world.olga, "GET", &format!("/beta/{app}/cats")),
        "401 unauthorized",
    );
}

#[test]
fn a_user_of_a_forwarded_path_arrives_as_its_uuid() {
    let world = World::new();
    let nora = world.user("/acme/shop", "nora");
    world.json(&world.olga, "PUT", "/acme/shop/users/nora", r#"{"email":"nora+x@x.example"}"#);
    let expected = format!("GET /acme/shop/users/{}/devices/d1", nora.id);
    let mut rows = Rows::default();
    let upper = nora.id.to_uppercase();
    for user in [
        "nora",
        "NORA",
        "me",
        "Me",
        "nora+x@x.example",
        "nora%2Bx%40x.example",
        "%6eora",
        &nora.id,
        &upper,
    ] {
        for users in ["users", "user", "Users", "USER", "%75sers"] {
            let found =
                world.road(&nora.token, "GET", &format!("/acme/shop/{users}/{user}/devices/d1"));
            rows.check(&format!("{users}/{user}"), &found, &expected);
        }
    }
    let admin = world.road(&world.olga, "GET", "/acme/shop/users/nora/devices/d1");
    rows.check("the admin", &admin, &expected);
    rows.check(
        "nobody",
        &world.road(&world.olga, "GET", "/acme/shop/users/nobody/devices"),
        "404 service_resource_not_found",
    );
    rows.check(
        "a guest's nobody",
        &world.road("", "GET", "/acme/shop/users/nobody/devices"),
        "401 unauthorized",
    );
    rows.check(
        "a guest's me",
        &world.road("", "GET", "/acme/shop/users/me/devices"),
        "401 unauthorized",
    );
}

#[test]
fn empty_segments_and_a_last_slash_go_no_further() {
    let world = World::new();
    let mut rows = Rows::default();
    for (target, expected) in [
        ("/acme/shop/cats/", "GET /acme/shop/cats"),
        ("//acme//shop///cats//tom//", "GET /acme/shop/cats/tom"),
        ("/acme/shop/cats?", "GET /acme/shop/cats?"),
        ("/acme/shop/cats/?a=1", "GET /acme/shop/cats?a=1"),
        ("/acme/shop/cats/a,b:c", "GET /acme/shop/cats/a,b:c"),
        ("/acme/shop/cats/%61", "GET /acme/shop/cats/a"),
        ("/acme/shop/cats/../roles", "400 bad_request"),
        ("/acme/shop/cats/%2e%2e/roles", "400 bad_request"),
        ("/acme/shop/cats%2froles", "400 bad_request"),
    ] {
        let found = world.road(&world.olga, "GET", target);
        if expected.starts_with("400") {
            rows.check(target, &found[..3], "400");
        } else {
            rows.check(target, found.trim_end_matches('?'), expected.trim_end_matches('?'));
        }
    }
}

#[test]
fn no_spelling_of_an_owned_path_slips_past_its_guard() {
    let world = World::new();
    let nora = world.user("/acme/shop", "nora");
    world.user("/acme/shop", "fred");
    let olga = world.olga.as_str();
    let app = id_of(&world, "acme/shop");
    world.permit("/acme/shop", "guest", &["get,post,put,delete:/**"]);
    let spelled = [
        "/acme/shop/roles",
        "/acme/shop//roles",
        "/acme/shop/roles/",
        "/ACME/Shop/roles",
        "/acme/shop/Roles",
        "/acme/shop/role",
        "/acme/shop/ROLE",
        "/acme/shop/%72oles",
        "/acme/shop/rol%65",
        "//acme/shop/roles",
        "/%61cme/shop/roles",
        "/orgs/acme/apps/shop/Role",
        "/acme/shop/roles/default",
        "/acme/shop/Role/Default/Permissions",
        "/acme/shop/roles/default/%70ermission",
        "/acme/shop/users/nora/roles",
        "/acme/shop/Users/nora/roles",
        "/acme/shop/%75sers/nora/role",
        "/acme/shop/user/NORA/Roles",
        "/acme/shop/users//nora//roles",
        "/acme/shop/users/nora/%52oles",
        "/acme/shop/users/nora/groups",
        "/acme/shop/users/nora/Group",
        "/acme/shop/users/nora/permission",
        "/acme/shop/users/nora/PERMISSIONS/",
        "/acme/shop/permissions",
        "/acme/shop/Permission/x",
    ];
    for target in spelled
        .iter()
        .map(|it| (*it).to_owned())
        .chain([format!("/{app}/Roles"), format!("/apps/{app}/role/")])
    {
        for who in ["", &nora.token] {
            for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"] {
                let answer = world.call(who, method, &target, "");
                assert_eq!(answer.status, 401, "{method} {target}: {answer:?}");
            }
        }
        let _own = world.call(olga, "GET", &target, "");
    }
    for target in [
        "/acme/shop/users/fred/deactivate",
        "/acme/shop/User/fred/Deactivate",
        "/acme/shop/users/fred/DEactivate/",
    ] {
        assert_eq!(world.call(&nora.token, "POST", target, "").status, 401, "{target}");
    }
    for target in [
        "/acme/shop/credentials",
        "/acme/shop/Credentials",
        "/acme/shop//credentials/",
        "/acme/shop/%63redentials",
    ] {
        assert_eq!(world.call(&nora.token, "GET", target, "").status, 401, "{target}");
        assert_eq!(world.call(olga, "GET", target, "").status, 200, "{target}");
    }
    for target in [
        "/Management/orgs/acme",
        "/management//orgs/acme/",
        "/MANAGEMENT/orgs/acme",
        "/%6danagement/orgs/acme",
    ] {
        assert_eq!(world.call(&nora.token, "GET", target, "").status, 401, "{target}");
        assert_eq!(world.call("", "GET", target, "").status, 401, "{target}");
    }
    for target in [
        "/acme/shop/users",
        "/acme/shop/user/",
        "/acme/shop/USERS",
        "/acme/shop/users/fred",
        "/acme/shop/User/Fred",
    ] {
        assert_eq!(world.call(olga, "GET", target, "").json()["path"], "/users", "{target}");
    }
    let came: Vec<String> =
        world.backend.received().iter().map(|one| one.line().to_owned()).collect();
    assert!(came.is_empty(), "{came:#?}");
}

#[test]
fn identity_is_said_by_us_and_by_nobody_else() {
    let world = World::with("", "");
    let nora = world.user("/acme/shop", "nora");
    world.permit("/acme/shop", "editor", &[]);
    world.json(&world.olga, "POST", "/acme/shop/users/nora/roles/editor", "");
    let lies = "X-Auth-Subject: root\r\nx_auth_name: root\r\nX-AUTH-ROLES: admin\r\nX.Auth.Subject: root\r\n";
    let told = |who: &str, target: &str| {
        let own = if who.is_empty() { String::new() } else { bearer(who) };
        assert_eq!(world.gate.ask(get(target, &format!("{own}{lies}"))).status, 200);
        let last = world.backend.last();
        assert!(!last.raw_head.contains("root"), "{}", last.raw_head);
        assert!(!last.raw_head.to_lowercase().contains("authorization"), "{}", last.raw_head);
        let field = |name: &str| last.field(name).unwrap_or("-").to_owned();
        [field("x-auth-subject"), field("x-auth-name"), field("x-auth-roles")]
    };
    let [subject, name, roles] = told(&nora.token, "/acme/shop/cats");
    assert_eq!((subject.as_str(), name.as_str()), (nora.id.as_str(), "nora"));
    assert!(roles.split(',').any(|role| role == "editor"), "{roles}");
    assert_eq!(told("", "/acme/sandbox/cats"), ["-", "-", "-"]);
    let [subject, name, _] = told(&world.olga, "/acme/shop/cats");
    let olga = world.json(&world.olga, "GET", "/management/users/olga", "");
    assert_eq!((&*subject, &*name), (olga["data"]["uuid"].as_str().unwrap(), "olga"));
    let target = format!("/acme/shop/cats?access_token={}&a=1", nora.token);
    assert_eq!(told("", &target)[0], nora.id);
    assert_eq!(world.backend.last().line(), "GET /acme/shop/cats?a=1");
}

#[test]
fn passwords_in_bodies_of_owned_paths_never_come_to_the_backend() {
    let world = World::new();
    let mut client = world.gate.connect();
    let body = r#"{"username":"x","password":"sekret-1","oldpassword":"sekret-1","newpassword":"sekret-2"}"#;
    for target in [
        "/acme/shop/users",
        "/acme/shop/user",
        "/ACME/shop/Users/",
        "/acme/shop/users/x",
        "/acme/shop/users/x/password",
    ] {
        for method in ["POST", "PUT"] {
            let _answer = call(&mut client, &world.olga, method, target, body);
            let _answer = world.gate.ask(request(method, target, "", body));
        }
    }
    assert_eq!(world.backend.received().len(), 0);
}
