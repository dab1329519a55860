//! What the demo shows: where everything is, the rules, and lines to try.

use std::{fmt::Write as _, net::SocketAddr};

use super::{PASSWORD, RULES};

/// The tokens of the demo.
pub(super) struct Tokens {
    pub(super) ann: String,
    pub(super) bob: String,
    pub(super) eve: String,
    pub(super) expired: String,
}

/// Where everything is.
pub(super) struct Places {
    pub(super) gate: SocketAddr,
    pub(super) admin: SocketAddr,
    /// The port that was asked for, when it was taken.
    pub(super) taken: Option<u16>,
}

/// One line to try.
pub(super) struct Try {
    pub(super) command: String,
    pub(super) status: u16,
    pub(super) comment: &'static str,
}

const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// The whole screen.
pub(super) fn render(places: &Places, tokens: &Tokens, program: &str, color: bool) -> String {
    let (dim, bold, plain) = if color { (DIM, BOLD, PLAIN) } else { ("", "", "") };
    let mut text = String::new();
    let version = env!("CARGO_PKG_VERSION");
    let Places { gate, admin, taken } = places;
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "   {bold}tollgate {version}{plain} · demo · nothing outside this process, nothing kept\n"
    );
    let _ = writeln!(text, "   gate     http://{gate}      admin  http://{admin}");
    if let Some(port) = taken {
        let _ = writeln!(text, "            (port {port} was taken; this is the next free one)");
    }
    let _ = writeln!(text, "   backend  built in, answers with what it received");
    let _ = writeln!(text, "   store    file:demo.redb in a temporary folder");
    let _ =
        writeln!(text, "   tenant   acme/shop with ann, bob (buyer) and eve; acme's admin olga\n");
    let _ = writeln!(text, "   rules");
    for (left, right) in RULES {
        let (method, path) = left.split_once(' ').unwrap_or(("*", left));
        let _ = writeln!(text, "     {method:<4} {path:<31}  {right}");
    }
    let _ = writeln!(text, "\n   try");
    let tries = tries(*gate, tokens);
    let width = tries.iter().map(|one| one.command.chars().count()).max().unwrap_or(0);
    for Try { command, status, comment } in &tries {
        let pad = " ".repeat(width - command.chars().count());
        let _ = writeln!(text, "     {command}{pad}   {dim}# {status}  {comment}{plain}");
    }
    let explain = format!("{program} explain --live http://{admin} POST /acme/shop/orders");
    let pad = " ".repeat(width.saturating_sub(explain.chars().count()));
    let _ = writeln!(text, "     {explain}{pad}   {dim}# why?{plain}");
    let _ = writeln!(text, "\n   Ctrl-C ends it and removes the store.\n");
    text
}

/// Lines that work as pasted, each with the status that it gives.
#[rustfmt::skip] // a table is read by column
pub(super) fn tries(gate: SocketAddr, tokens: &Tokens) -> Vec<Try> {
    let (ann, bob, eve) = (bearer(&tokens.ann), bearer(&tokens.bob), bearer(&tokens.eve));
    let (expired, forged) = (bearer(&tokens.expired), bearer(&forged(&tokens.ann)));
    let in_query = format!("/acme/shop/orders?access_token={}", tokens.ann);
    let login = |name: &str, password: &str| {
        format!("-d grant_type=password -d username={name} -d password={password}")
    };
    let line = |status, comment, rest: &str, after: &str| {
        let url = format!("http://{gate}{rest}");
        // What a shell could take for its own stands in quotes.
        let url = if url.contains(['?', '&']) { format!("'{url}'") } else { url };
        let after = if after.is_empty() { String::new() } else { format!(" {after}") };
        Try { command: format!("curl -i {url}{after}"), status, comment }
    };
    vec![
        line(200, "login: ann gets a token",               "/acme/shop/token",          &login("ann", PASSWORD)),
        line(400, "wrong password",                        "/acme/shop/token",          &login("ann", "guessed")),
        line(200, "login of an admin",                     "/management/token",         &login("olga", PASSWORD)),
        line(200, "ann, token in the header",              "/acme/shop/orders",         &ann),
        line(200, "ann, token in the query",               &in_query,                   ""),
        line(401, "ann is no buyer",                       "/acme/shop/orders",         &format!("-X POST {ann}")),
        line(200, "bob is a buyer",                        "/acme/shop/orders",         &format!("-d book=7 {bob}")),
        line(200, "ann's own",                             "/acme/shop/users/ann/cart", &ann),
        line(401, "not ann's own",                         "/acme/shop/users/bob/cart", &ann),
        line(200, "eve, until she revokes her tokens",     "/acme/shop/orders",         &eve),
        line(200, "revoke: all tokens of eve",             "/acme/shop/users/eve/revoketokens", &format!("-X PUT {eve}")),
        line(401, "revoked: refused from then on",         "/acme/shop/orders",         &eve),
        line(401, "expired",                               "/acme/shop/orders",         &expired),
        line(401, "forged: one character is another",      "/acme/shop/orders",         &forged),
        line(401, "no credential",                         "/acme/shop/orders",         ""),
        line(200, "public",                                "/acme/shop/status",         ""),
        line(200, "guest: nobody, and that is fine here",  "/acme/shop/catalog/7",      ""),
        line(401, "bad is not absent: no guest",           "/acme/shop/catalog/7",      &forged),
        line(200, "the sandbox is open without a token",   "/acme/sandbox/things",      ""),
        line(200, "whoever says so: the field is cut",     "/acme/shop/catalog/7",      "-H 'X-Auth-Subject: admin'"),
        line(400, "two programs could read it differently", "/acme/shop/catalog/../orders", "--path-as-is"),
        line(401, "no rule, so nobody",                    "/secrets",                  &ann),
    ]
}

fn bearer(token: &str) -> String {
    format!("-H 'Authorization: Bearer {token}'")
}

/// `token` with one character of its signature changed.
fn forged(token: &str) -> String {
    let at = token.len() - 10;
    let other = if token.as_bytes()[at] == b'A' { 'B' } else { 'A' };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}
