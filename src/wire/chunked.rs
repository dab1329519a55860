//! The chunked transfer coding (RFC 9112 7.1), decoded piece by piece as it arrives.
//!
//! Read by the letter: a line ends with CR LF, a size is hexadecimal digits and nothing else. What one
//! reader takes for a size and another does not is where one message becomes two.

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Longest line of a chunk's size with its extensions, bytes.
const LINE_MAX: usize = 4 * 1024;

/// Most bytes that all extensions of a body may have: they mean nothing to us, and cost a reader.
const EXTENSIONS_MAX: usize = 16 * 1024;

/// Largest section of trailers, bytes and fields.
const TRAILERS_MAX: usize = 16 * 1024;
const TRAILER_FIELDS_MAX: usize = 100;

/// A body that is being decoded.
#[derive(Debug)]
pub struct Chunked {
    place: Place,
    /// Bytes of extensions that may still come.
    extensions: usize,
}

#[derive(Debug)]
enum Place {
    /// Before the line of a chunk's size.
    Size,
    /// Inside a chunk, with so much left of it.
    Data(u64),
    /// Behind a chunk's last byte, before its line end.
    DataEnd,
    /// Behind the last chunk.
    Trailers,
    Over,
}

/// What comes next of a body.
#[derive(Debug)]
pub enum Next {
    /// Some of it.
    Data(Bytes),
    /// The fields after the body, which end it.
    Trailers(HeaderMap),
    /// The body's end, without trailers.
    End,
    /// Not told by what has been read so far.
    More,
}

/// What is no chunked coding.
#[derive(Debug)]
pub struct Malformed;

impl Chunked {
    pub fn new() -> Self {
        Self { place: Place::Size, extensions: EXTENSIONS_MAX }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.place, Place::Over)
    }

    /// Takes the next part of the body from what has been read.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Next, Malformed> {
        loop {
            match self.place {
                Place::Size => {
                    let Some(line) = line(input, LINE_MAX)? else { return Ok(Next::More) };
                    let (size, extension) = size(&input[..line])?;
                    self.extensions = self.extensions.checked_sub(extension).ok_or(Malformed)?;
                    input.advance(line + 2);
                    self.place = if size == 0 { Place::Trailers } else { Place::Data(size) };
                }
                Place::Data(left) => {
                    if input.is_empty() {
                        return Ok(Next::More);
                    }
                    let here =
                        usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                    let left = left - here as u64;
                    self.place = if left == 0 { Place::DataEnd } else { Place::Data(left) };
                    return Ok(Next::Data(input.split_to(here).freeze()));
                }
                Place::DataEnd => {
                    if !b"\r\n".starts_with(&input[..input.len().min(2)]) {
                        return Err(Malformed);
                    }
                    if input.len() < 2 {
                        return Ok(Next::More);
                    }
                    input.advance(2);
                    self.place = Place::Size;
                }
                Place::Trailers => {
                    let Some(fields) = trailers(input)? else { return Ok(Next::More) };
                    self.place = Place::Over;
                    return Ok(if fields.is_empty() { Next::End } else { Next::Trailers(fields) });
                }
                Place::Over => return Ok(Next::End),
            }
        }
    }
}

/// Where the first line ends, without its CR LF; `None` while it has no end.
fn line(input: &[u8], most: usize) -> Result<Option<usize>, Malformed> {
    match input.iter().take(most).position(|byte| matches!(byte, b'\r' | b'\n')) {
        Some(end) if b"\r\n".starts_with(&input[end..input.len().min(end + 2)]) => {
            Ok((end + 2 <= input.len()).then_some(end))
        }
        Some(_) => Err(Malformed),
        None if input.len() >= most => Err(Malformed),
        None => Ok(None),
    }
}

/// A chunk's size, and how many bytes of extensions follow it.
fn size(line: &[u8]) -> Result<(u64, usize), Malformed> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (number, rest) = line.split_at(digits);
    // Sixteen digits are all that 64 bits have.
    if !(1..=16).contains(&digits) {
        return Err(Malformed);
    }
    let text = std::str::from_utf8(number).map_err(|_| Malformed)?;
    let size = u64::from_str_radix(text, 16).map_err(|_| Malformed)?;
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let extension = &rest[blanks..];
    let control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    if !(extension.is_empty() || extension[0] == b';') || extension.iter().any(control) {
        return Err(Malformed);
    }
    Ok((size, rest.len()))
}

/// The fields behind the last chunk, with the empty line that ends them; `None` while they have no end.
fn trailers(input: &mut BytesMut) -> Result<Option<HeaderMap>, Malformed> {
    if input.starts_with(b"\r\n") {
        input.advance(2);
        return Ok(Some(HeaderMap::new()));
    }
    let Some(end) = input.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return if input.len() > TRAILERS_MAX { Err(Malformed) } else { Ok(None) };
    };
    let section = input.split_to(end + 4);
    if section.len() > TRAILERS_MAX || has_bare_line_end(&section) {
        return Err(Malformed);
    }
    let mut room = [httparse::EMPTY_HEADER; TRAILER_FIELDS_MAX];
    let fields = match httparse::parse_headers(&section, &mut room) {
        Ok(httparse::Status::Complete((_, fields))) => fields,
        Ok(httparse::Status::Partial) | Err(_) => return Err(Malformed),
    };
    let mut map = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed)?;
        map.append(name, HeaderValue::from_bytes(field.value).map_err(|_| Malformed)?);
    }
    Ok(Some(map))
}

/// Whether a line ends with LF alone: a reader may take it for a line end or for a part of a value.
fn has_bare_line_end(section: &[u8]) -> bool {
    section.windows(2).any(|pair| pair[1] == b'\n' && pair[0] != b'\r')
        || section.starts_with(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a body of these pieces is: its content and trailers; `None` when it is malformed, and
    /// whether it ended.
    fn read(pieces: &[&[u8]]) -> Option<(String, Vec<String>, bool)> {
        let (mut chunked, mut input) = (Chunked::new(), BytesMut::new());
        let (mut content, mut trailers) = (Vec::new(), Vec::new());
        for piece in pieces {
            input.extend_from_slice(piece);
            loop {
                match chunked.next(&mut input).ok()? {
                    Next::Data(data) => content.extend_from_slice(&data),
                    Next::More => break,
                    Next::End => return Some((text(&content), trailers, input.is_empty())),
                    Next::Trailers(fields) => {
                        let line = |(name, value): (&HeaderName, &HeaderValue)| {
                            format!("{name}: {}", text(value.as_bytes()))
                        };
                        trailers = fields.iter().map(line).collect();
                    }
                }
            }
        }
        Some((text(&content), trailers, false))
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// The same body, cut everywhere.
    fn read_everywhere(body: &[u8]) -> Option<(String, Vec<String>, bool)> {
        let whole = read(&[body]);
        for cut in 0..=body.len() {
            assert_eq!(read(&[&body[..cut], &body[cut..]]), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(read(&bytes), whole, "byte by byte");
        whole
    }

    #[test]
    fn chunks_are_joined_wherever_they_are_cut() {
        let body = b"5\r\nhello\r\n6;ext=\"a;b\"\r\n world\r\n0\r\n\r\n";
        assert_eq!(read_everywhere(body), Some(("hello world".into(), vec![], true)));
        assert_eq!(read_everywhere(b"0\r\n\r\n"), Some((String::new(), vec![], true)));
        assert_eq!(
            read_everywhere(b"A \t;x\r\n0123456789\r\n0000\r\n\r\n").unwrap().0,
            "0123456789"
        );
    }

    #[test]
    fn trailers_end_a_body() {
        let body = b"2\r\nok\r\n0\r\nX-Sum: 1\r\nx-more:  two \r\n\r\n";
        let lines = vec!["x-sum: 1".to_owned(), "x-more: two".to_owned()];
        assert_eq!(read_everywhere(body), Some(("ok".into(), lines, true)));
    }

    #[test]
    fn what_follows_a_body_is_left() {
        assert_eq!(read(&[b"1\r\na\r\n0\r\n\r\nHTTP/1.1"]), Some(("a".into(), vec![], false)));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_malformed() {
        for body in [
            &b"\r\n"[..],
            b"g\r\n",
            b"-1\r\n",
            b"+1\r\na\r\n",
            b"0x1\r\na\r\n",
            b" 1\r\na\r\n",
            b"1\na\r\n",
            b"1\r\rna\r\n",
            b"1;a\rb\r\na\r\n",
            b"1;a\nb\r\na\r\n",
            b"1;\0\r\na\r\n",
            b"1 1\r\na\r\n",
            b"1,2\r\na\r\n",
            b"1\r\nab\r\n",
            b"1\r\na\n0\r\n\r\n",
            b"1\r\na0\r\n\r\n",
            b"10000000000000000\r\n",
            b"00000000000000001\r\n",
            b"0\r\nno field\r\n\r\n",
            b"0\r\nx: a\nb: c\r\n\r\n",
            b"0\r\n x: folded\r\n\r\n",
            b"0\r\nx : y\r\n\r\n",
        ] {
            assert_eq!(read(&[body]), None, "{:?}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn what_has_no_end_is_ended() {
        let endless = [b"1;".to_vec(), vec![b'x'; LINE_MAX]].concat();
        assert_eq!(read(&[&endless]), None);
        let extended = [b"1;".to_vec(), vec![b'x'; LINE_MAX / 2], b"\r\na\r\n".to_vec()].concat();
        assert!(read(&[&extended]).is_some());
        assert_eq!(read(&[&extended[..]; 9]), None);
        let trailers = [b"0\r\nx: ".to_vec(), vec![b'y'; TRAILERS_MAX]].concat();
        assert_eq!(read(&[&trailers]), None);
        let many =
            [b"0\r\n".to_vec(), b"a: b\r\n".repeat(TRAILER_FIELDS_MAX + 1), b"\r\n".to_vec()];
        assert_eq!(read(&[&many.concat()]), None);
    }
}
