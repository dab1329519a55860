//! Names as a careless reader sees them: without case, and without anything that is no letter or digit.

/// Longest folded name that is looked up in a fixed list; a longer one is in none.
pub(super) const FOLDED_BYTES_MAX: usize = 32;

/// The name without case and punctuation.
pub(crate) fn fold(name: &str) -> String {
    name.bytes().filter_map(letter).map(char::from).collect()
}

/// Whether `name` folds to `folded`. Copies nothing and stops at the first difference; most names are too short.
pub(crate) fn folds_to(name: &[u8], folded: &str) -> bool {
    name.len() >= folded.len() && name.iter().copied().filter_map(letter).eq(folded.bytes())
}

/// Folds `name` into `buffer`, as far as it fits.
pub(super) fn fold_into<'b>(name: &str, buffer: &'b mut [u8; FOLDED_BYTES_MAX]) -> &'b [u8] {
    let mut length = 0;
    for (place, byte) in buffer.iter_mut().zip(name.bytes().filter_map(letter)) {
        *place = byte;
        length += 1;
    }
    &buffer[..length]
}

fn letter(byte: u8) -> Option<u8> {
    byte.is_ascii_alphanumeric().then(|| byte.to_ascii_lowercase())
}
