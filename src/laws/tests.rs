//! The laws over the seeds of `fuzz/`, and over what lies near them: pieces cut out, words of the
//! dictionary put in. What `cargo fuzz` has found stands among the seeds, so that it is asked here too.

use std::{fs, path::PathBuf};

use proptest::{prelude::*, sample::Index};

use super::*;

type Law = fn(&[u8]);

const LAWS: [(&str, Law); 8] = [
    ("config", config),
    ("credential", credential),
    ("framing", framing),
    ("grant", grant),
    ("head", head),
    ("proxy", proxy),
    ("path", path),
    ("token", token),
];

fn fuzz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn seeds(law: &str) -> Vec<(String, Vec<u8>)> {
    let folder = fs::read_dir(fuzz().join("seeds").join(law)).unwrap();
    let mut seeds: Vec<_> = folder
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read(path).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

/// The words of a dictionary: one a line, in quotes, with `\xHH`, `\\` and `\"`.
fn words(law: &str) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(fuzz().join("dictionaries").join(format!("{law}.dict"))).unwrap();
    text.lines().map(|line| word(&line[1..line.len() - 1])).collect()
}

fn word(quoted: &str) -> Vec<u8> {
    let mut word = Vec::new();
    let mut rest = quoted;
    while let Some((plain, escape)) = rest.split_once('\\') {
        word.extend_from_slice(plain.as_bytes());
        let (byte, length) = match escape.strip_prefix('x') {
            Some(hex) => (u8::from_str_radix(&hex[..2], 16).unwrap(), 3),
            None => (escape.as_bytes()[0], 1),
        };
        word.push(byte);
        rest = &escape[length..];
    }
    word.extend_from_slice(rest.as_bytes());
    word
}

/// A seed with some changes: up to eight bytes cut out somewhere, and a word, a byte or nothing put there.
fn near(law: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let seeds: Vec<Vec<u8>> = seeds(law).into_iter().map(|(_, seed)| seed).collect();
    let put = prop_oneof![
        prop::sample::select(words(law)),
        any::<u8>().prop_map(|byte| vec![byte]),
        Just(Vec::new()),
    ];
    let change = (any::<Index>(), 0..8_usize, put);
    (prop::sample::select(seeds), prop::collection::vec(change, 0..6)).prop_map(
        |(mut data, changes)| {
            for (at, cut, put) in changes {
                let at = at.index(data.len() + 1);
                let end = data.len().min(at + cut);
                data.splice(at..end, put);
            }
            data
        },
    )
}

#[test]
fn every_seed_keeps_its_law() {
    for (name, law) in LAWS {
        for (seed, data) in seeds(name) {
            eprintln!("{seed}"); // shown with the panic
            law(&data);
        }
    }
}

#[test]
fn every_law_has_a_target_with_seeds_and_a_dictionary_and_is_told_of() {
    let told = fs::read_to_string(fuzz().join("../docs/fuzzing.md")).unwrap();
    let built = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for (law, _) in LAWS {
        let target = fs::read_to_string(fuzz().join("targets").join(format!("{law}.rs"))).unwrap();
        assert!(target.contains(&format!("laws::{law}(data)")), "{law}");
        assert!(built.contains(&format!("path = \"targets/{law}.rs\"")), "{law}");
        assert!(!seeds(law).is_empty() && !words(law).is_empty(), "{law}");
        assert!(told.contains(&format!("| `{law}` |")), "{law}");
    }
    assert_eq!(fs::read_dir(fuzz().join("targets")).unwrap().count(), LAWS.len());
}

/// A request that no law would see is a seed that is not worth having.
#[test]
fn the_seeds_of_a_head_are_heads() {
    for (name, data) in seeds("head").into_iter().chain(seeds("credential")) {
        assert!(written::read(&data).is_some(), "{name}");
    }
}

proptest! {
    #[test]
    fn a_target_is_read_once_and_sent_as_it_was_read(data in near("path")) {
        path(&data);
    }

    #[test]
    fn owned_fields_at_the_backend_are_exactly_what_the_identity_dictates(data in near("head")) {
        head(&data);
    }

    #[test]
    fn a_credential_is_found_whole_and_none_is_left(data in near("credential")) {
        credential(&data);
    }

    #[test]
    fn a_text_is_a_token_only_if_a_key_of_ours_makes_it(data in near("token")) {
        token(&data);
    }

    #[test]
    fn a_text_is_a_configuration_or_a_report(data in near("config")) {
        config(&data);
    }

    #[test]
    fn a_grant_is_the_same_as_json_form_and_query(data in near("grant")) {
        grant(&data);
    }

    #[test]
    fn a_request_ends_in_one_place(data in near("framing")) {
        framing(&data);
    }

    #[test]
    fn a_proxy_header_says_what_it_eats(data in near("proxy")) {
        proxy(&data);
    }
}
