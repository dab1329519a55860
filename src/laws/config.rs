//! The configuration: any text is a configuration or a report, and neither shows a secret.

use std::time::{Duration, SystemTime};

use crate::config::{Config, Report, apart, check};

/// What the variables hold.
const SECRET: &str = "Hn4wQz7LfX2sVb8KtRm5JpGc9YdA3eUo";

/// A file's text, and after a NUL what every other file holds that it names. Read apart from this machine:
/// no file is opened, and the environment is `SECRET`, `EMPTY` and nothing else.
///
/// - It is a configuration or a report of at least one mistake, and the same when it is read again.
/// - A report can be printed in each of its forms, with its places inside the text; what is good can be
///   described.
/// - What stood in a variable is in none of these.
/// - A comment after what is good changes nothing.
///
/// # Panics
/// When one of these does not hold.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (text, others) = text.split_once('\0').unwrap_or((text, ""));
    let read = read(text, others);
    let said = said(&read);
    assert_eq!(said, self::said(&self::read(text, others)), "read twice");
    if !text.contains(SECRET) && !others.contains(SECRET) {
        assert!(!said.iter().any(|said| said.contains(SECRET)), "{said:?}");
    }
    if read.is_ok() {
        let more = self::read(&format!("{text}\n# a comment"), others);
        assert_eq!(said, self::said(&more), "with a comment after it");
    }
}

fn read(text: &str, others: &str) -> Result<Config, Report> {
    let variables = |name: &str| match name {
        "SECRET" => Some(SECRET.to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_176_000);
    apart(text, others, &variables, now)
}

/// Everything that is ever said of a configuration.
fn said(read: &Result<Config, Report>) -> Vec<String> {
    match read {
        Ok(config) => {
            let fence = &config.request_policy().fence;
            assert!(config.identity.iter().all(|field| fence.covers(&field.name)));
            assert!(!config.listen.is_empty() && !config.backends.is_empty());
            vec![check::render(config), check::to_json(config).to_string()]
        }
        Err(report) => {
            assert!(report.mistakes() > 0);
            let shown = report.render(false);
            assert!(shown.contains("nothing was started"), "{shown}");
            vec![shown, report.render(true), report.to_json().to_string(), report.first_line()]
        }
    }
}
