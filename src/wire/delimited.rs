//! A body in the bytes of its connection: where it ends is known before its first byte is taken.

use bytes::BytesMut;

use super::chunked::{Chunked, Malformed, Next};

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// There is none, whatever a length says.
    Nothing,
    /// So many bytes.
    Length(u64),
    /// As the chunks say.
    Chunked,
    /// All that comes before the connection ends.
    UntilClose,
}

/// What is left of a body.
#[derive(Debug)]
pub enum Delimited {
    /// So many bytes.
    Bytes(u64),
    /// As the chunks say.
    Chunked(Chunked),
    /// All that comes before the connection ends.
    UntilClose,
    /// No more.
    Nothing,
}

impl From<Content> for Delimited {
    fn from(content: Content) -> Self {
        match content {
            Content::Nothing | Content::Length(0) => Self::Nothing,
            Content::Length(length) => Self::Bytes(length),
            Content::Chunked => Self::Chunked(Chunked::new()),
            Content::UntilClose => Self::UntilClose,
        }
    }
}

impl Delimited {
    /// Whether all of it has been taken.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Chunked(chunked) => chunked.is_over(),
            Self::Bytes(_) | Self::UntilClose => false,
        }
    }

    /// How many bytes are still to come, if that is known.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        match self {
            Self::Nothing => Some(0),
            Self::Bytes(left) => Some(*left),
            Self::Chunked(chunked) => chunked.is_over().then_some(0),
            Self::UntilClose => None,
        }
    }

    /// Takes its next part from what has been read.
    ///
    /// # Errors
    /// [`Malformed`] where its chunks are none.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Next, Malformed> {
        match self {
            Self::Nothing => Ok(Next::End),
            Self::Chunked(chunked) => chunked.next(input),
            Self::Bytes(_) | Self::UntilClose if input.is_empty() => Ok(Next::More),
            Self::Bytes(left) => {
                let here = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                *left -= here as u64;
                if *left == 0 {
                    *self = Self::Nothing;
                }
                Ok(Next::Data(input.split_to(here).freeze()))
            }
            Self::UntilClose => Ok(Next::Data(input.split().freeze())),
        }
    }

    /// The stream has ended; whether that is the body's end too.
    pub fn ends(&mut self) -> bool {
        if matches!(self, Self::UntilClose) {
            *self = Self::Nothing;
        }
        self.is_over()
    }
}
