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
        assert_eq!(Requirement::parse(text, &captures()), Ok(meaning), "{text}");
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
        let Ok(Requirement::Any(lists)) = Requirement::parse(text, &captures()) else {
            panic!("{text} does not load")
        };
        assert_eq!(lists[0][0].text(&captures()), text);
    }
}

/// What the caret stands under, the message, the help.
#[track_caller]
fn check_error(text: &str, under: &str, message: &str, help: &str) {
    let error = Requirement::parse(text, &captures()).expect_err(text);
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
    check_error("group:x",              "group",        "unknown word `group`", "known are `role:`, `scope:`, `self:`, `self.name:` and `self.email:`");
    check_error("self",                 "self",         "`self` needs a capture", "write `self:{id}`");
    check_error("self:year",            "self:year",    path, "write `self:{year}`");
    check_error("self:{}",              "self:{}",      path, "write `self:{id}`");
    check_error("self:{yaer}",          "{yaer}",       "the path has no `{yaer}`", "did you mean `{year}`?");
    check_error("self:{years}",         "{years}",      "the path has no `{years}`", "did you mean `{year}`?");
}

#[test]
fn self_needs_a_capture_that_the_path_has() {
    let error = Requirement::parse("self:{id}", &[]).unwrap_err();
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
        let error = Requirement::parse(&requirement, &[]).expect_err(text);
        assert!(error.message.contains("needs [usergrid]"), "{text}: {error:?}");
        let from_the_tenant = text.find('@').map_or(text, |at| &text[at..]);
        assert_eq!(&requirement[error.at], from_the_tenant);
    }
}
