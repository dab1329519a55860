//! What crosses the admin listener reads as it was written, and nothing else does.

use super::*;

#[test]
fn a_job_reads_as_it_was_written() {
    let job = r#"{"user":{"role":{"app":"acme/shop","user":"nora","role":"buyer","held":true}}}"#;
    let read: DirectoryJob = serde_json::from_str(job).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), job);
}

#[test]
fn a_key_that_nobody_knows_is_refused_wherever_it_stands() {
    for job in [
        r#"{"org":{"show":{"org":"acme","x":1}}}"#,
        r#"{"org":{"show":{"org":"acme"}},"x":1}"#,
        r#"{"org":{"create":{"name":"acme","owner":{"new":{"email":"a@b.c","x":1}}}}}"#,
        r#"{"token":{"to":{"admin":"olga"},"x":1}}"#,
        r#"{"client":{"show":{"of":"acme/shop/x"}}}"#,
        r#"{"user":{"list":{"app":"acme"}}}"#,
        r#"{"nobody":{}}"#,
    ] {
        assert!(serde_json::from_str::<DirectoryJob>(job).is_err(), "{job}");
    }
}

#[test]
fn no_debug_line_shows_a_secret() {
    let job = DirectoryJob::Client(ClientJob::Import {
        of: "acme".parse().unwrap(),
        id: "b3U6".to_owned(),
        secret: Hidden::from(&Secret::new("hunter2")),
    });
    assert!(!format!("{job:?}").contains("hunter2"), "{job:?}");
}
