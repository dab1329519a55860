//! The nearest right word to a wrong one.

/// The word of `known` that `word` was most likely meant to be, if one is near enough to say so.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    known
        .into_iter()
        .map(|right| (steps(&word, &right.to_ascii_lowercase()), right))
        // More than a third wrong is another word, not a slip.
        .filter(|(steps, right)| *steps <= (right.len() / 3).max(1))
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, right)| right)
}

/// How many letters must be added, left out or changed on the way from one word to the other.
fn steps(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (done, letter) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], done + 1);
        for (index, other) in to.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[index + 1];
            row[index + 1] = changed.min(diagonal + 1).min(row[index] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_another_word_finds_none() {
        let known = ["authenticated", "public", "role", "GET"];
        assert_eq!(nearest("autenticated", known), Some("authenticated"));
        assert_eq!(nearest("Public", known), Some("public"));
        assert_eq!(nearest("roles", known), Some("role"));
        assert_eq!(nearest("GTE", known), None);
        assert_eq!(nearest("GETS", known), Some("GET"));
        assert_eq!(nearest("tenant", known), None);
    }
}
