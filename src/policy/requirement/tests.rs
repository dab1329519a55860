use super::*;

fn captures() -> Vec<String> {
    ["id", "year"].map(str::to_owned).to_vec()
}

fn role(name: &str) -> Term {
    Term::Role(name.to_owned())
}

fn scope(name: &str) -> Term {
    Term::Scope(name.to_owned())
}

fn own(attribute: Attribute, capture: usize) -> Term {
    Term::SelfIs { attribute, capture }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_requirement_is_words_joined_by_either_and_both() {
    use Requirement::*;
    use Term::Authenticated;
    let any = |lists: &[&[Term]]| Any(lists.iter().map(|list| list.to_vec()).collect());
    for (text, meaning) in [
        ("public",                      Public),
        ("  guest ",                    Guest),
        ("deny",                        Deny),
        ("authenticated",               any(&[&[Authenticated]])),
        ("role:buyer",                  any(&[&[role("buyer")]])),
        ("role:a:b/c.d_e~f+g-h",        any(&[&[role("a:b/c.d_e~f+g-h")]])),
        ("scope:orders:write",          any(&[&[scope("orders:write")]])),
        ("role:'night shift'",          any(&[&[role("night shift")]])),
        ("role:'a|b&c(d),e'",           any(&[&[role("a|b&c(d),e")]])),
        ("role:'a@b'",                  any(&[&[role("a@b")]])),
        ("role:'*'",                    any(&[&[role("*")]])),
        ("role:'nächtlich'",            any(&[&[role("nächtlich")]])),
        ("self:{id}",                   any(&[&[own(Attribute::Id, 0)]])),
        ("self.name:{year}",            any(&[&[own(Attribute::Name, 1)]])),
        ("self.email:{id}",             any(&[&[own(Attribute::Email, 0)]])),
        ("self:{id} | role:support",    any(&[&[own(Attribute::Id, 0)], &[role("support")]])),
        ("role:a|role:b&scope:c",       any(&[&[role("a")], &[role("b"), scope("c")]])),
        ("role:a & scope:b | authenticated & self:{id}",
            any(&[&[role("a"), scope("b")], &[Authenticated, own(Attribute::Id, 0)]])),
        ("role:admin",                  any(&[&[role("admin")]])),
    ] {
        assert_eq!(Requirement::parse(text, &captures(), Tenancy::Plain), Ok(meaning), "{text}");
    }
}

#[test]
fn a_term_prints_as_it_is_written() {
    for text in [
        "authenticated",
        "role:x",
        "role:'night shift'",
        "scope:'a@b'",
        "self:{id}",
        "self.email:{year}",
    ] {
        let Ok(Requirement::Any(lists)) = Requirement::parse(text, &captures(), Tenancy::Plain)
        else {
            panic!("{text} does not load")
        };
        assert_eq!(lists[0][0].text(&captures()), text);
    }
}

/// What the caret stands under, the message, the help.
#[track_caller]
fn check_error(text: &str, under: &str, message: &str, help: &str) {
    let error = Requirement::parse(text, &captures(), Tenancy::Plain).expect_err(text);
    assert_eq!(&text[error.at.clone()], under, "{text}: {error:?}");
    assert_eq!(error.message, message, "{text}");
    assert_eq!(error.help.as_deref().unwrap_or(""), help, "{text}");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn mistakes_are_met_with_what_to_write() {
    let both = "name who may on both sides";
    let empty = "write who may: `authenticated`, `role:x`, `public`, … or `deny` for nobody";
    let missing = "write `|` where one is enough, `&` where all must hold; odd names in quotes: `role:'night shift'`";
    let path = "`self` is compared with a capture of the path";
    check_error("",                     "",             "the requirement is empty", empty);
    check_error("  ",                   "  ",           "the requirement is empty", empty);
    check_error("public | role:x",      "public",       "`public` stands alone", "write it without `|` and `&`");
    check_error("role:x & deny",        "deny",         "`deny` stands alone", "write it without `|` and `&`");
    check_error("guest guest",          "guest",        "`guest` stands alone", "write it without `|` and `&`");
    check_error("| role:x",             "|",            "a term is missing before `|`", both);
    check_error("role:x &",             "&",            "a term is missing after `&`", both);
    check_error("role:x || role:y",     "|",            "a term is missing before `|`", "write it once");
    check_error("role:x | & role:y",    "&",            "a term is missing before `&`", both);
    check_error("role:x role:y",        "role:y",       "`|` or `&` is missing before this", missing);
    check_error("role:night shift",     "shift",        "`|` or `&` is missing before this", missing);
    check_error("role:x or role:y",     "or",           "`|` or `&` is missing before this", "write `|`");
    check_error("role:x and role:y",    "and",          "`|` or `&` is missing before this", "write `&`");
    check_error("role:x, role:y",       ",",            "a comma joins nothing here", "write `|` where one is enough, `&` where all must hold");
    check_error("(role:x)",             "(",            "there are no parentheses", "`&` binds tighter than `|`: write `a & c | b & c`");
    check_error("role:",                "role:",        "the role has no name", "write `role:x`, or `authenticated` for every proven caller");
    check_error("x | scope:''",         "x",            "unknown word `x`", "for a role write `role:x`");
    check_error("scope:''",             "scope:''",     "the scope has no name", "write `scope:x`, or `authenticated` for every proven caller");
    check_error("role: x",              "role:",        "the role has no name", "write `role:x`, or `authenticated` for every proven caller");
    check_error("role",                 "role",         "`role` needs a name", "write `role:x`");
    check_error("role:*",               "*",            "`role:*` names no role", "write `authenticated` for every proven caller");
    check_error("role:ä",               "ä",            "an odd name needs quotes", "write `role:'ä'`");
    check_error("role:'a",              "'a",           "this quote is not closed", "write `role:'night shift'`");
    check_error("role:'a'b",            "'a'b",         "a quote inside a name", "quotes stand around a whole name");
    check_error("role:\u{7}",           "\u{7}",        "a control character in a requirement", "use blanks");
    check_error("autenticated",         "autenticated", "unknown word `autenticated`", "did you mean `authenticated`?");
    check_error("Public",               "Public",       "unknown word `Public`", "did you mean `public`?");
    check_error("buyer",                "buyer",        "unknown word `buyer`", "for a role write `role:buyer`");
    check_error("roles:x",              "roles",        "unknown word `roles`", "did you mean `role:x`?");
    check_error("group:x",              "group",        "unknown word `group`", "known are `role:`, `scope:`, `self:`, `self.name:`, `self.email:` and `cert:`");
    check_error("self",                 "self",         "`self` needs a capture", "write `self:{id}`");
    check_error("self:year",            "self:year",    path, "write `self:{year}`");
    check_error("self:{}",              "self:{}",      path, "write `self:{id}`");
    check_error("self:{yaer}",          "{yaer}",       "the path has no `{yaer}`", "did you mean `{year}`?");
    check_error("self:{years}",         "{years}",      "the path has no `{years}`", "did you mean `{year}`?");
}

#[test]
fn self_needs_a_capture_that_the_path_has() {
    let error = Requirement::parse("self:{id}", &[], Tenancy::Plain).unwrap_err();
    assert_eq!(error.at, 5..9);
    assert_eq!(error.message, "the path has no `{id}`");
    assert_eq!(error.help.unwrap(), "write `{id}` for the segment of the path that it is");
}

#[test]
fn what_belongs_to_tenants_says_that_it_needs_usergrid() {
    for text in [
        "permissions",
        "user",
        "application",
        "organization",
        "admin",
        "admin@acme",
        "role:buyer@acme/shop",
        "authenticated@*",
    ] {
        let requirement = format!("role:x | {text}");
        let error = Requirement::parse(&requirement, &[], Tenancy::Plain).expect_err(text);
        assert!(error.message.contains("needs [usergrid]"), "{text}: {error:?}");
        let from_the_tenant = text.find('@').map_or(text, |at| &text[at..]);
        assert_eq!(&requirement[error.at], from_the_tenant);
    }
}

fn parse(text: &str, tenancy: Tenancy) -> Result<Term, SyntaxError> {
    Requirement::parse(text, &captures(), tenancy).map(|requirement| {
        let Requirement::Any(lists) = requirement else { panic!("{text} has no terms") };
        lists[0][0].clone()
    })
}

fn of(term: Term, at: At) -> Term {
    Term::Of { term: Box::new(term), at }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_term_means_the_tenant_of_the_path_or_the_one_it_names() {
    use PrincipalKind::*;
    let acme = || At::Organization("acme".to_owned());
    let shop = || At::Application { organization: "acme".to_owned(), application: "shop".to_owned() };
    for (text, meaning) in [
        ("permissions",             Term::Permissions),
        ("user",                    Term::Level(ApplicationUser)),
        ("application",             Term::Level(Application)),
        ("organization",            Term::Level(Organization)),
        ("admin",                   Term::Level(AdminUser)),
        ("authenticated",           Term::Authenticated),
        ("role:Buyer",              role("buyer")),
        ("role:'a@b'",              role("a@b")),
        ("self:{id}",               own(Attribute::Id, 0)),
        ("admin@acme",              of(Term::Level(AdminUser), acme())),
        ("admin@ACME",              of(Term::Level(AdminUser), acme())),
        ("user@acme/shop",          of(Term::Level(ApplicationUser), shop())),
        ("role:buyer@acme/shop",    of(role("buyer"), shop())),
        ("role:'a@b'@acme",         of(role("a@b"), acme())),
        ("authenticated@*",         of(Term::Authenticated, At::Anywhere)),
    ] {
        assert_eq!(parse(text, Tenancy::Path), Ok(meaning.clone()), "{text}");
        let named = matches!(meaning, Term::Of { .. });
        assert_eq!(parse(text, Tenancy::Outside).is_ok(), named, "{text}");
    }
}

#[test]
fn a_term_of_tenants_prints_as_it_is_written() {
    for text in [
        "permissions",
        "user",
        "application",
        "organization",
        "admin@acme",
        "role:buyer@acme/shop",
        "role:'a@b'@acme",
        "authenticated@*",
    ] {
        assert_eq!(parse(text, Tenancy::Path).unwrap().text(&captures()), text);
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn what_cannot_be_said_of_tenants_says_what_can() {
    use Tenancy::{Outside, Path};
    for (tenancy, text, under, message) in [
        (Path,    "scope:read",          "scope:read",    "with [usergrid] no token has scopes"),
        (Path,    "scope:read@acme",     "scope:read",    "with [usergrid] no token has scopes"),
        (Path,    "permissions@acme",    "@acme",         "`permissions` is about the tenant that the path names"),
        (Path,    "self:{id}@*",         "@*",            "`self:{id}` is about the tenant that the path names"),
        (Path,    "admin@",              "admin@",        "no tenant stands behind the `@`"),
        (Path,    "admin@status",        "status",        "`status` is no organization's name: it means something else in a path"),
        (Path,    "admin@acme/",         "acme/",         "the application's name is missing"),
        (Path,    "admin@acme/a/b",      "acme/a/b",      "`a/b` is no application's name: it has other characters than letters, digits, `.`, `_` and `-`"),
        (Path,    "admin@*/shop",        "*/shop",        "`*` is no organization's name: it has other characters than letters, digits, `.`, `_` and `-`"),
        (Path,    "public@acme",         "public",        "unknown word `public`"),
        (Outside, "permissions",         "permissions",   "`permissions` needs a path that names a tenant"),
        (Outside, "self:{id}",           "self:{id}",     "`self:{id}` needs a path that names a tenant"),
        (Outside, "authenticated",       "authenticated", "neither `authenticated` nor the path says of which tenant"),
        (Outside, "role:x@acme | admin", "admin",         "neither `admin` nor the path says of which tenant"),
        (Outside, "role:x",              "role:x",        "neither `role:x` nor the path says of which tenant"),
        (Outside, "scope:x",             "scope:x",       "with [usergrid] no token has scopes"),
    ] {
        let error = parse(text, tenancy).expect_err(text);
        assert_eq!(&text[error.at], under, "{text}");
        assert_eq!(error.message, message, "{text}");
        assert!(error.help.is_some(), "{text}");
    }
    for open in ["public", "guest", "deny"] {
        assert!(Requirement::parse(open, &[], Outside).is_ok());
    }
}
