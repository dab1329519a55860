//! A report never shows a secret, whatever slip of the pen stands beside it.

use proptest::prelude::*;

use super::read_whole;

const SECRET: &str = "Zq3vT8mKx1pWc6rYb9nLd4hJs7gFa2eU";
const PASSWORD: &str = "pA5sW0rDxQz";

/// Parts of either that give too much away. Shorter ones may stand there by accident.
fn gives_away(report: &str) -> Option<String> {
    let parts = |secret: &'static str| (0..=secret.len() - 6).map(move |at| &secret[at..at + 6]);
    parts(SECRET).chain(parts(PASSWORD)).find(|part| report.contains(part)).map(str::to_owned)
}

fn file() -> String {
    format!(
        r#"listen = "127.0.0.1:8080"
secret = "{SECRET}"
health = "127.0.0.1:8080"
store = "redis://gate:{PASSWORD}@redis.example:6379/0"
backend = "http://127.0.0.1:9000"

[rules]
"GET /status" = "public"

[log]
access = "jsn"

[usergrid.bootstrap]
organization = "acme"
password = "{PASSWORD}"
"#
    )
}

#[derive(Clone, Debug)]
enum Slip {
    Leave(usize),
    Put(usize, char),
    Change(usize, char),
    Swap(usize),
    Cut(usize),
}

fn slip() -> impl Strategy<Value = Slip> {
    let at = 0..file().len();
    let letter = prop::sample::select("\n\"'=[]{}#.,\\ aZ0@:/$é".chars().collect::<Vec<_>>());
    prop_oneof![
        at.clone().prop_map(Slip::Leave),
        (at.clone(), letter.clone()).prop_map(|(at, c)| Slip::Put(at, c)),
        (at.clone(), letter).prop_map(|(at, c)| Slip::Change(at, c)),
        at.clone().prop_map(Slip::Swap),
        at.prop_map(Slip::Cut),
    ]
}

fn apply(slip: &Slip) -> String {
    let mut letters: Vec<char> = file().chars().collect();
    match *slip {
        Slip::Leave(at) => drop(letters.remove(at)),
        Slip::Put(at, c) => letters.insert(at, c),
        Slip::Change(at, c) => letters[at] = c,
        Slip::Swap(at) if at + 1 < letters.len() => letters.swap(at, at + 1),
        Slip::Swap(_) => (),
        Slip::Cut(at) => letters.truncate(at),
    }
    letters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_slip_of_the_pen_shows_a_secret(slip in slip()) {
        let text = apply(&slip);
        if let Err(report) = read_whole(&text) {
            for shown in [report.render(false), report.to_json().to_string(), report.first_line()] {
                prop_assert_eq!(gives_away(&shown), None, "{}", shown);
            }
        }
    }

    #[test]
    fn nothing_makes_the_reader_panic(text in "[a-z0-9 =\"'\\[\\]{}#.,$:/@*|&\n-]{0,200}") {
        if let Err(report) = read_whole(&text) {
            prop_assert!(report.render(true).contains("nothing was started"));
        }
    }

    #[test]
    fn nothing_in_a_known_key_makes_the_reader_panic(
        key in prop::sample::select(vec![
            "listen", "store", "secret", "include", "backend", "tokens.from", "tokens.key",
            "identity.X-A", "trust.proxies", "cors.origins", "limits.body", "rules.\"GET /a\"",
            "expect.\"GET /a\"", "backends.x.strip", "usergrid.max-ttl", "usergrid.bootstrap.username",
            "usergrid.bootstrap.password", "usergrid",
        ]),
        value in "[ -~é]{0,40}",
    ) {
        let value = toml::Value::String(value);
        for text in [format!("{key} = {value}"), format!("{key} = [{value}]")] {
            if let Err(report) = read_whole(&text) {
                prop_assert!(report.mistakes() > 0);
                prop_assert!(!report.render(false).is_empty());
            }
        }
    }
}

#[test]
fn a_debug_print_of_a_report_shows_no_text() {
    let report = read_whole(&file()).err().unwrap();
    assert_eq!(gives_away(&format!("{report:?}")), None);
}
