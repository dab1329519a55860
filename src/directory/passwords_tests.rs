//! Passwords, with costs that let the tests run in no time.

use super::*;
use crate::store::testing::on_worker;

const PASSWORD: &str = "sesame, open";

fn cheap() -> Params {
    Params::new(64, 1, 1, Some(OUTPUT_BYTES)).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text)
}

/// A queue that nobody works at.
fn idle(places: usize) -> (Passwords, Receiver<Job>) {
    let (queue, jobs) = sync_channel(places);
    (Passwords { queue }, jobs)
}

fn stored(text: &str) -> PasswordHash {
    serde_json::from_value(text.into()).unwrap()
}

#[test]
fn a_password_is_right_and_another_wrong() {
    let passwords = Passwords::start_with(2, cheap()).unwrap();
    on_worker(async {
        let hash = passwords.hash(&secret(PASSWORD)).await.unwrap();
        let right = passwords.verify(&secret(PASSWORD), Some(&hash)).await;
        assert_eq!(right, Ok(Verified::Right { rehash: false }));
        for wrong in ["sesame, opeN", "sesame", "", " sesame, open"] {
            let verified = passwords.verify(&secret(wrong), Some(&hash)).await;
            assert_eq!(verified, Ok(Verified::Wrong), "{wrong}");
        }
        assert_eq!(passwords.verify(&secret(PASSWORD), None).await, Ok(Verified::Wrong));
    });
}

#[test]
fn a_hash_is_kept_with_todays_costs_and_a_salt_of_its_own() {
    let passwords = Passwords::start(1).unwrap();
    on_worker(async {
        let a = passwords.hash(&secret(PASSWORD)).await.unwrap();
        let b = passwords.hash(&secret(PASSWORD)).await.unwrap();
        assert_ne!(a, b);
        assert!(a.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", a.0);
        assert_eq!(serde_json::to_value(&a).unwrap(), a.0);
        let right = passwords.verify(&secret(PASSWORD), Some(&a)).await;
        assert_eq!(right, Ok(Verified::Right { rehash: false }));
    });
}

/// From the test suite of the reference implementation.
#[test]
#[rustfmt::skip] // a table is read by column
fn hashes_of_other_costs_are_checked_and_to_be_made_anew() {
    let mut hasher = Hasher::new(cheap());
    let cases = [
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
        "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
        "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
    ];
    for text in cases {
        let right = hasher.verify(&secret("password"), Some(&stored(text)));
        assert_eq!(right, Verified::Right { rehash: true }, "{text}");
        assert_eq!(hasher.verify(&secret("passwort"), Some(&stored(text))), Verified::Wrong);
    }
    assert_eq!(hasher.memory.len(), cheap().block_count(), "no memory of dearer hashes is kept");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn what_cannot_be_read_or_afforded_is_wrong_after_the_usual_work() {
    let salt_and_output = "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let cases = [
        (String::new(),                                              "empty"),
        (PASSWORD.to_owned(),                                        "the password itself"),
        ("$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy".to_owned(), "bcrypt"),
        ("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ".to_owned(),      "no output"),
        (format!("$argon2id$v=18$m=256,t=2,p=1${salt_and_output}"),  "an unknown version"),
        (format!("$argon2id$v=19$m=65537,t=2,p=1${salt_and_output}"), "too much memory"),
        (format!("$argon2id$v=19$m=256,t=11,p=1${salt_and_output}"), "too many passes"),
        (format!("$argon2id$v=19$m=256,t=2,p=17${salt_and_output}"), "too many lanes"),
    ];
    for (text, what) in cases {
        let mut hasher = Hasher::new(cheap());
        let verified = hasher.verify(&secret(PASSWORD), Some(&stored(&text)));
        assert_eq!(verified, Verified::Wrong, "{what}");
        assert!(!hasher.memory.is_empty(), "{what}: nothing was computed");
    }
    let mut hasher = Hasher::new(cheap());
    assert_eq!(hasher.verify(&secret(PASSWORD), None), Verified::Wrong);
    assert!(!hasher.memory.is_empty());
}

#[test]
fn a_password_of_no_or_too_many_bytes_is_never_stored_and_never_right() {
    let passwords = Passwords::start_with(1, cheap()).unwrap();
    on_worker(async {
        for length in [0, PASSWORD_BYTES_MAX + 1, 100_000] {
            let password = secret(&"x".repeat(length));
            assert_eq!(passwords.hash(&password).await, Err(NotHashed::Length));
            let empty = Hasher::new(cheap()).hash(&secret(""), &[1; SALT_BYTES]).unwrap();
            assert_eq!(passwords.verify(&password, Some(&empty)).await, Ok(Verified::Wrong));
        }
        let longest = secret(&"x".repeat(PASSWORD_BYTES_MAX));
        let hash = passwords.hash(&longest).await.unwrap();
        let right = passwords.verify(&longest, Some(&hash)).await;
        assert_eq!(right, Ok(Verified::Right { rehash: false }));
    });
}

#[test]
fn a_full_queue_is_busy_at_once() {
    let (passwords, _jobs) = idle(0);
    on_worker(async {
        let busy = passwords.verify(&secret(PASSWORD), None).await;
        assert_eq!(busy, Err(Busy));
        assert_eq!(passwords.hash(&secret(PASSWORD)).await, Err(NotHashed::Busy(Busy)));
    });
    assert_eq!(Busy.to_string(), "too many passwords are being checked");
}

#[test]
fn threads_that_are_gone_are_busy_rather_than_wrong() {
    let (passwords, jobs) = idle(1);
    drop(jobs);
    on_worker(async {
        assert_eq!(passwords.verify(&secret(PASSWORD), None).await, Err(Busy));
    });
}

#[test]
fn a_job_that_nobody_waits_for_any_more_is_not_done() {
    let now = Instant::now();
    let (answer, answered) = oneshot::channel();
    let password = secret(PASSWORD);
    let job = Job { password, work: Work::Verify(None, answer), until: now + WAIT };
    assert!(job.is_wanted(now));
    assert!(!job.is_wanted(now + WAIT), "too late");
    drop(answered);
    assert!(!job.is_wanted(now), "whoever asked has gone");
}

#[test]
fn the_threads_end_with_what_gives_them_work() {
    let (passwords, jobs) = idle(1);
    drop(passwords);
    work(&Mutex::new(jobs), Hasher::new(cheap())); // returns
}

#[cfg(target_os = "linux")]
#[test]
fn only_the_thread_that_hashes_gives_way() {
    let niceness = || rustix::process::getpriority_process(None).unwrap();
    let before = niceness();
    let lowered = std::thread::spawn(move || {
        lower_priority();
        niceness()
    });
    assert_eq!(lowered.join().unwrap(), (before + NICER).min(19));
    assert_eq!(niceness(), before);
}

#[test]
fn debug_shows_nothing_of_a_hash() {
    assert_eq!(format!("{:?}", stored("$argon2id$secret")), "PasswordHash(•••)");
}

#[test]
fn a_password_of_four_characters_may_be_chosen_and_a_shorter_one_not() {
    assert_eq!(policy("abcd"), Ok(()));
    assert_eq!(policy("äöüß"), Ok(()), "characters, not bytes");
    assert_eq!(policy(&"x".repeat(PASSWORD_BYTES_MAX)), Ok(()));
    for short in ["", "abc", "äöü"] {
        let text = policy(short).unwrap_err().to_string();
        assert_eq!(text, "error_length_policy: must be at least 4 characters ");
    }
    assert_eq!(policy(&"x".repeat(PASSWORD_BYTES_MAX + 1)), Err(WeakPassword::TooLong));
}
