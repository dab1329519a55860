//! What a client offers to switch to (RFC 9110 7.8), and what has to be right about the offer.
//!
//! Never decides whether a switch is allowed: that is for the rule to say.

use http::{
    HeaderName, HeaderValue, Method, Version,
    header::{CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE},
};

use super::{
    Framing,
    fields::{is, options},
    refusals::refusals,
};
use crate::wire::Fields;

/// The one protocol that we know more of than its name.
pub const WEBSOCKET: &str = "websocket";

/// The version of it that there is (RFC 6455 4.1).
pub const WEBSOCKET_VERSION: &str = "13";

/// Length of a key: 16 bytes in base64, with its padding.
const KEY_CHARS: usize = 24;

refusals! {
    /// Why a switch of protocols is not begun.
    UpgradeError {
        NotAllowed = FORBIDDEN "upgrade_not_allowed" "this path does not switch to that protocol",
        Malformed = BAD_REQUEST "upgrade_malformed" "the request to switch protocols is not well formed",
        Key = BAD_REQUEST "websocket_key" "Sec-WebSocket-Key is not one key of 16 bytes",
        Version = UPGRADE_REQUIRED "websocket_version" "only version 13 of the WebSocket protocol is spoken here",
    }
}

/// An offer to switch, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// In lower case, of all `Upgrade` lines.
    protocols: Vec<String>,
    /// `Connection` names the field, without which it speaks to nobody.
    connected: bool,
    /// By an extended CONNECT of HTTP/2 (RFC 8441): it has no key, and its framing is the stream's.
    extended: bool,
}

impl Offer {
    /// The offer of an extended CONNECT.
    #[must_use]
    pub fn extended(protocol: &str) -> Self {
        let protocols = vec![protocol.to_ascii_lowercase()];
        Self { protocols, connected: true, extended: true }
    }

    /// The offer of an HTTP/1.1 request, if it makes one. Older versions cannot, HTTP/2 must not.
    pub(super) fn read(fields: &Fields, version: Version) -> Option<Box<Self>> {
        if version != Version::HTTP_11 {
            return None;
        }
        let members = |name: &'static HeaderName| fields.all(name).flat_map(options);
        let named = members(&UPGRADE).filter(|member| !member.is_empty());
        let protocols: Vec<_> =
            named.map(|name| String::from_utf8_lossy(name).to_ascii_lowercase()).collect();
        let connected = members(&CONNECTION).any(|option| is(option, b"upgrade"));
        (!protocols.is_empty()).then(|| Box::new(Self { protocols, connected, extended: false }))
    }

    /// Whether it came by HTTP/2.
    #[must_use]
    pub fn is_extended(&self) -> bool {
        self.extended
    }

    /// Whether `protocol` is among what is offered.
    #[must_use]
    pub fn names(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|name| name == protocol)
    }

    /// Whether a client waits for WebSocket and nothing else: it has no use for a plain answer.
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        self.connected && self.names(WEBSOCKET)
    }

    /// Whether the request may go on as a switch to `protocol`, which the offer names.
    ///
    /// # Errors
    /// [`UpgradeError`] for what two programs could read differently.
    ///
    /// # Source
    /// RFC 9110 7.8 (`Connection: upgrade`), RFC 6455 4.2.1 (GET, key, version), RFC 8441 5 (no key).
    pub fn check(
        &self,
        protocol: &str,
        method: &Method,
        framing: Framing,
        fields: &Fields,
    ) -> Result<(), UpgradeError> {
        let bodiless = matches!(framing, Framing::None | Framing::Length(0));
        if self.protocols.len() != 1 || !self.connected || !bodiless || *method != Method::GET {
            return Err(UpgradeError::Malformed);
        }
        if protocol != WEBSOCKET {
            return Ok(());
        }
        if one(fields, &SEC_WEBSOCKET_VERSION) != Some(WEBSOCKET_VERSION.as_bytes()) {
            return Err(UpgradeError::Version);
        }
        if !self.extended && !one(fields, &SEC_WEBSOCKET_KEY).is_some_and(is_key) {
            return Err(UpgradeError::Key);
        }
        Ok(())
    }
}

/// The value of a field that stands there exactly once.
fn one<'a>(fields: &'a Fields, name: &HeaderName) -> Option<&'a [u8]> {
    fields.only(name).map(HeaderValue::as_bytes)
}

/// 16 bytes in base64: 22 characters, of which the last carries two bits, and `==`.
fn is_key(key: &[u8]) -> bool {
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == KEY_CHARS
        && key.ends_with(b"==")
        && key[..KEY_CHARS - 2].iter().all(base64)
        && matches!(key[KEY_CHARS - 3], b'A' | b'Q' | b'g' | b'w')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn fields(lines: &[(&'static str, &'static str)]) -> Fields {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn an_offer_is_read_from_http_1_1_only_and_names_what_all_its_lines_name() {
        type Row<'a> = (&'a [(&'static str, &'static str)], Version, &'a [&'a str], bool);
        let rows: [Row<'_>; 7] = [
            (&[("upgrade", "WebSocket"), ("connection", "Upgrade")],       Version::HTTP_11, &["websocket"], true),
            (&[("upgrade", "websocket")],                                  Version::HTTP_11, &["websocket"], false),
            (&[("upgrade", "h2c, websocket"), ("connection", "a, upgrade")], Version::HTTP_11, &["h2c", "websocket"], true),
            (&[("upgrade", "a"), ("upgrade", "b"), ("connection", "close"), ("connection", "UPGRADE")], Version::HTTP_11, &["a", "b"], true),
            (&[("upgrade", "websocket"), ("connection", "upgrade")],       Version::HTTP_10, &[], false),
            (&[("upgrade", " ,"), ("connection", "upgrade")],              Version::HTTP_11, &[], false),
            (&[("connection", "upgrade")],                                 Version::HTTP_11, &[], false),
        ];
        for (lines, version, names, connected) in rows {
            let offer = Offer::read(&fields(lines), version);
            assert_eq!(offer.is_some(), !names.is_empty(), "{lines:?}");
            if let Some(offer) = offer {
                assert_eq!((offer.protocols.as_slice(), offer.connected), (&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()[..], connected), "{lines:?}");
            }
        }
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_handshake_is_right_in_every_part_or_refused() {
        use UpgradeError::{Key, Malformed, Version as Wrong};
        let good = [("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-version", "13"), ("sec-websocket-key", KEY)];
        let with = |name: &'static str, value: &'static str| {
            let mut lines: Vec<_> = good.iter().copied().filter(|(known, _)| *known != name).collect();
            if !value.is_empty() { lines.push((name, value)); }
            lines
        };
        let rows = [
            (good.to_vec(),                                        Method::GET,  Framing::None,      Ok(())),
            (good.to_vec(),                                        Method::GET,  Framing::Length(0), Ok(())),
            (good.to_vec(),                                        Method::GET,  Framing::Length(1), Err(Malformed)),
            (good.to_vec(),                                        Method::GET,  Framing::Streamed,  Err(Malformed)),
            (good.to_vec(),                                        Method::POST, Framing::None,      Err(Malformed)),
            (good.to_vec(),                                        Method::HEAD, Framing::None,      Err(Malformed)),
            (with("upgrade", "websocket, h2c"),                    Method::GET,  Framing::None,      Err(Malformed)),
            (with("upgrade", "websocket, websocket"),              Method::GET,  Framing::None,      Err(Malformed)),
            (with("connection", "close"),                          Method::GET,  Framing::None,      Err(Malformed)),
            (with("sec-websocket-version", "8"),                   Method::GET,  Framing::None,      Err(Wrong)),
            (with("sec-websocket-version", "13, 8"),               Method::GET,  Framing::None,      Err(Wrong)),
            (with("sec-websocket-version", ""),                    Method::GET,  Framing::None,      Err(Wrong)),
            (with("sec-websocket-key", ""),                        Method::GET,  Framing::None,      Err(Key)),
            (with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ"),  Method::GET,  Framing::None,      Err(Key)),
            (with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZR=="), Method::GET, Framing::None,      Err(Key)),
            (with("sec-websocket-key", "dGhlIHNhbXBsZSBub25j*Q=="), Method::GET, Framing::None,      Err(Key)),
            ([&good[..], &[("sec-websocket-key", KEY)]].concat(),  Method::GET,  Framing::None,      Err(Key)),
        ];
        for (lines, method, framing, expected) in rows {
            let fields = fields(&lines);
            let offer = Offer::read(&fields, Version::HTTP_11).unwrap();
            assert_eq!(offer.check("websocket", &method, framing, &fields), expected, "{lines:?} {method} {framing:?}");
        }
        let bare = fields(&[("upgrade", "chat/2"), ("connection", "upgrade")]);
        let offer = Offer::read(&bare, Version::HTTP_11).unwrap();
        assert_eq!(offer.check("chat/2", &Method::GET, Framing::None, &bare), Ok(()));
        let extended = Offer::extended("WebSocket");
        let version = fields(&[("sec-websocket-version", "13")]);
        assert_eq!(extended.check("websocket", &Method::GET, Framing::None, &version), Ok(()));
        assert_eq!(extended.check("websocket", &Method::GET, Framing::None, &bare), Err(Wrong));
    }
}
