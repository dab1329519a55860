//! The nearest right word to a wrong one, for "did you mean".

/// The word of `known` that `word` was most likely meant to be, if one is near enough to say so.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    known
        .into_iter()
        .map(|right| (strsim::osa_distance(&word, &right.to_ascii_lowercase()), right))
        // A third of the letters wrong: beyond that a guess teaches nothing.
        .filter(|(steps, right)| *steps <= (right.len().max(word.len()) / 3).max(1))
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, right)| right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_another_word_finds_none() {
        let known = ["near-cache", "grace", "ttl", "from", "authenticated", "public", "role"];
        for (word, meant) in [
            ("near_cache", Some("near-cache")),
            ("gracee", Some("grace")),
            ("form", Some("from")),
            ("TTL", Some("ttl")),
            ("autenticated", Some("authenticated")),
            ("Public", Some("public")),
            ("roles", Some("role")),
            ("colour", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
    }
}
