//! What is sent: every byte where a path, a query or a field's name may have one, and everything that one
//! program is known to read otherwise than the next, alone and put together.

/// Whose token a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Nobody,
    /// eve, a buyer, in `Authorization`.
    Eve,
    /// eve, in the query: `{eve}` in the target is her token.
    EveInQuery,
    /// root, an admin, in `Authorization`.
    Root,
}

/// One request, to be sent by way of each server's name.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) target: Vec<u8>,
    /// Field lines as they stand, each ended by CR LF.
    pub(crate) fields: Vec<u8>,
    pub(crate) caller: Caller,
}

impl Case {
    pub(crate) fn path(target: impl Into<Vec<u8>>) -> Self {
        // An admin, so that what is read as an admin's path is forwarded where it is judged as one.
        Self { target: target.into(), fields: Vec::new(), caller: Caller::Root }
    }

    fn query(query: &[u8], caller: Caller) -> Self {
        Self { target: [b"/x?", query].concat(), fields: Vec::new(), caller }
    }

    /// For a failure's message.
    pub(crate) fn text(&self) -> String {
        format!("{} {}", self.target.escape_ascii(), self.fields.escape_ascii()).trim().to_owned()
    }
}

/// What changes a path's meaning for somebody.
const DANGEROUS: [&str; 36] = [
    ".",
    "..",
    "/",
    "//",
    "\\",
    ";",
    "?",
    "#",
    "%",
    "+",
    "%2e",
    "%2E",
    "%2f",
    "%2F",
    "%5c",
    "%5C",
    "%25",
    "%252e",
    "%252F",
    "%00",
    "%0a",
    "%09",
    "%20",
    "%23",
    "%3f",
    "%3b",
    "%c0%af",
    "%ff",
    "%e2%80%a4",
    "%e2%81%84",
    "%ef%bc%8f",
    "%ef%bc%8e",
    "%u002e",
    ":",
    "|",
    "a",
];

/// The worst of them, for combinations of three.
const WORST: [&str; 13] =
    [".", "..", "/", ";", "%2e", "%2F", "%5c", "%25", "%00", "%20", "?", "#", "a"];

/// Spellings of every byte: raw, and escaped with upper and lower case digits.
fn every_byte() -> impl Iterator<Item = Vec<u8>> {
    (0..=u8::MAX).flat_map(|byte| {
        let escaped = [format!("%{byte:02X}"), format!("%{byte:02x}")].map(String::into_bytes);
        let [upper, lower] = escaped;
        let differs = upper != lower;
        [Some(vec![byte]), Some(upper), differs.then_some(lower)].into_iter().flatten()
    })
}

fn pairs(words: &'static [&'static str]) -> impl Iterator<Item = String> {
    words.iter().flat_map(move |one| words.iter().map(move |two| format!("{one}{two}")))
}

/// Every byte within, before and after a segment, and what is dangerous in ones, twos and threes between
/// a path that is everybody's and one that is an admin's.
pub(crate) fn paths() -> Vec<Case> {
    let mut targets: Vec<Vec<u8>> = every_byte()
        .flat_map(|byte| {
            let around: [(&[u8], &[u8]); 3] =
                [(b"/public/a", b"b/c"), (b"/", b"admin/x"), (b"/admin", b"")];
            around.map(|(before, after)| [before, &byte, after].concat())
        })
        .collect();
    let threes = WORST.iter().flat_map(|one| pairs(&WORST).map(move |two| format!("{one}{two}")));
    let words = DANGEROUS.iter().map(|word| (*word).to_owned()).chain(pairs(&DANGEROUS));
    targets.extend(words.chain(threes).map(|word| format!("/public/{word}/admin").into_bytes()));
    targets.extend(pairs(&DANGEROUS).map(|word| format!("/admin{word}").into_bytes()));
    targets.extend(ODD_TARGETS.map(|target| target.as_bytes().to_vec()));
    targets.into_iter().map(Case::path).collect()
}

/// A part of them for a gateway with other `[paths]`.
pub(crate) fn fewer_paths() -> Vec<Case> {
    let bytes = every_byte().map(|byte| [&b"/public/a"[..], &byte, b"b/c"].concat());
    let words = DANGEROUS.iter().map(|word| (*word).to_owned()).chain(pairs(&DANGEROUS));
    let words = words.flat_map(|word| [format!("/public/{word}/admin"), format!("/admin{word}")]);
    let odd = ODD_TARGETS.into_iter().map(str::to_owned);
    bytes.chain(words.chain(odd).map(String::into_bytes)).map(Case::path).collect()
}

/// Whole targets.
const ODD_TARGETS: [&str; 32] = [
    "/",
    "//",
    "/admin",
    "/ADMIN",
    "/Admin/x",
    "/%61dmin/x",
    "/%41dmin/x",
    "/admin/",
    "/admin//",
    "/admin.json",
    "/administrator",
    "/public;/../admin",
    "/public/..;/admin",
    "/public;x=/admin",
    "/admin;jsessionid=1",
    "/;/admin",
    "/x/%2e%2e%2fadmin",
    "/%2e%2e/admin",
    "/public%2fadmin",
    "/public/%5c..%5cadmin",
    "//evil.example/admin",
    "http://nobody.test/admin",
    "/http://x/admin",
    "/a:80/b",
    "/@x/y",
    "/caf%C3%A9",
    "/cafe%CC%81",
    "/%C4%B1%C5%BF",
    "/a+b%2Bc%20d",
    "/100%25/x",
    "/a%7Cb%22c%3C%3E%5B%5D%5E%60%7B%7D",
    "/!$&'()*+,=:@-._~",
];

/// Look-alikes of the parameter that carries a credential, every byte at every place of its name, and the
/// true one beside all that a parser could stumble over.
pub(crate) fn queries() -> Vec<Case> {
    let mut queries: Vec<Vec<u8>> = Vec::new();
    for byte in every_byte() {
        for (before, after) in
            [("", "access_token"), ("access", "token"), ("access_", "token"), ("access_token", "")]
        {
            let name = [before.as_bytes(), &byte, after.as_bytes()].concat();
            queries.push([&b"a=1&"[..], &name, b"=stolen&z=2"].concat());
        }
        queries.push([b"a=", &byte[..], b"access_token=stolen"].concat());
    }
    queries.extend(ODD_QUERIES.map(|query| query.as_bytes().to_vec()));
    let strangers = queries.into_iter().map(|query| Case::query(&query, Caller::Eve));
    let beside = DANGEROUS.iter().flat_map(|word| {
        let name = if *word == "a" { "" } else { word }; // a letter makes it another name
        [
            format!("access_token={{eve}}&{word}"),
            format!("{word}&access_token={{eve}}"),
            format!("a={word}&access%5Ftoken={{eve}}&b={word}"),
            format!("{name}access_token={{eve}}"),
            format!("access_token{name}={{eve}}"),
        ]
    });
    let own = beside.map(|query| Case::query(query.as_bytes(), Caller::EveInQuery));
    strangers.chain(own).collect()
}

const ODD_QUERIES: [&str; 30] = [
    "ACCESS_TOKEN=stolen",
    "Access-Token=stolen",
    "access.token=stolen",
    "access+token=stolen",
    "access%20token=stolen",
    "access%2520token=stolen",
    "access%255Ftoken=stolen",
    "access_token[]=stolen",
    "access_token[x]=stolen",
    "access_token[x][y]=stolen",
    "access_token%5B%5D=stolen",
    "access_token%255B%255D=stolen",
    "access[token=stolen",
    "access[token]=stolen",
    "access%5Btoken=stolen",
    "access_token[=stolen",
    "access_token]=stolen",
    "+access_token=stolen",
    "%20access_token=stolen",
    "%09access_token=stolen",
    "access_token%00x=stolen",
    "access_token%0A=stolen",
    "a=1;access_token=stolen",
    "a;access_token=stolen",
    "a=1%26access_token=stolen",
    "a=1%3Baccess_token=stolen",
    "a=1,access_token=stolen",
    "a=1?access_token=stolen",
    "?access_token=stolen",
    "%61%63%63%65%73%73%5f%74%6f%6b%65%6e=stolen",
];

/// What a client says about itself, or about the request, under names that a reader may take for ours.
pub(crate) fn fields() -> Vec<Case> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    // A line end before a name would end the head.
    for byte in (0..=u8::MAX).filter(|byte| *byte != b'\n') {
        for name in [
            [b"X-Auth", &[byte][..], b"Subject"].concat(),
            [b"X", &[byte][..], b"Auth-Roles"].concat(),
            [b"X-Auth-Subject", &[byte][..]].concat(),
            [&[byte][..], b"X-Auth-Subject"].concat(),
        ] {
            lines.push([&name, &b": mallory\r\n"[..]].concat());
        }
        let value = [b"X-Auth-Subject: mal", &[byte][..], b"lory\r\n"].concat();
        lines.push(value);
    }
    lines.extend(ODD_FIELDS.map(|line| format!("{line}\r\n").into_bytes()));
    let callers = [(Caller::Nobody, "/x"), (Caller::Eve, "/x"), (Caller::Eve, "/public/admin/x")];
    let mut cases = Vec::new();
    for line in lines {
        for (caller, target) in callers {
            cases.push(Case { target: target.into(), fields: line.clone(), caller });
        }
    }
    cases
}

const ODD_FIELDS: [&str; 48] = [
    "Accept: */*",
    "x-auth-subject: mallory",
    "X-AUTH-SUBJECT: mallory",
    "X_AUTH_SUBJECT: mallory",
    "X.Auth.Subject: mallory",
    "X~Auth~Subject: mallory",
    "XAuthSubject: mallory",
    "X--Auth--Subject: mallory",
    "X-Auth-Subject-: mallory",
    "-X-Auth-Subject: mallory",
    "X-Auth-Subject: mallory\r\nX-Auth-Subject: root",
    "X-Auth-Subject: mallory\r\nX_Auth_Subject: root",
    "X-Auth-Subject:",
    "X_Auth_Roles: admin",
    "X-Auth-Roles: admin\r\nX-Auth-Kind: user",
    "HTTP_X_AUTH_SUBJECT: mallory",
    "Http-X-Auth-Subject: mallory",
    "Connection: X-Auth-Subject",
    "Connection: close, x-auth-subject",
    "Connection: keep-alive, X_Auth_Subject",
    "Connection: x-auth-roles\r\nX-Auth-Roles: admin",
    "Connection: authorization",
    "Connection: x-forwarded-for, host",
    "Connection: x-odd\r\nX-Odd: mallory",
    "Proxy-Connection: x-auth-subject",
    "Keep-Alive: x-auth-subject",
    "Trailer: X-Auth-Subject",
    "SCRIPT_NAME: /public",
    "Script-Name: /public",
    "script_name: /public",
    "PATH_INFO: /admin/x",
    "X-Script-Name: /public",
    "X-Original-URL: /admin/x",
    "X_Original_URL: /admin/x",
    "X-Rewrite-URL: /admin/x",
    "X-Forwarded-Prefix: /public",
    "X-Forwarded-For: 6.6.6.6",
    "X_Forwarded_For: 6.6.6.6",
    "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 127.0.0.1",
    "X-Forwarded-Host: 6.6.6.6\r\nX-Forwarded-Port: 6666",
    "X-Real-IP: 6.6.6.6",
    "X-Client-IP: 6.6.6.6\r\nClient-IP: 6.6.6.6",
    "True-Client-IP: 6.6.6.6\r\nCF-Connecting-IP: 6.6.6.6",
    "Forwarded: for=6.6.6.6",
    "X-HTTP-Method-Override: DELETE\r\nX-HTTP-Method: DELETE\r\nX_Method_Override: DELETE",
    "Proxy: http://6.6.6.6/",
    "Proxy-Authorization: Basic bWFsbG9yeTp4",
    "X-Access-Token: mallory\r\nX-Authorization: Bearer mallory",
];
