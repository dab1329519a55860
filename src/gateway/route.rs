//! Whom a peer speaks for, as far as it may say so.
//!
//! Forwarding fields of a peer that `[trust]` does not name are removed and rebuilt; those of a trusted peer
//! are continued.

use std::{
    net::{IpAddr, SocketAddr},
    rc::Rc,
};

use http::{HeaderName, HeaderValue, header::FORWARDED};

use super::peer::{Asked, Peer};
use crate::{
    config::Network,
    request::fields::{is_forwarding, is_ordinary},
    wire::{Fields, Ready},
};

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Most hops of `X-Forwarded-For` that are read and sent on; a longer list is begun anew.
const HOPS_MAX: usize = 32;

/// Whether `[trust]` names this address; a unix peer has none.
pub(super) fn trusted(ip: Option<IpAddr>, trust: &[Network]) -> bool {
    trust.iter().any(|network| match (network, ip) {
        (Network::Unix, None) => true,
        (Network::Ip { address, prefix }, Some(ip)) => contains(*address, *prefix, ip),
        (Network::Unix, Some(_)) | (Network::Ip { .. }, None) => false,
    })
}

fn contains(network: IpAddr, prefix: u8, ip: IpAddr) -> bool {
    match (network, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => {
            let shift = 32 - u32::from(prefix.min(32));
            u64::from(network.to_bits()) >> shift == u64::from(ip.to_bits()) >> shift
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) => {
            let shift = 128 - u32::from(prefix.min(128));
            shift == 128 || network.to_bits() >> shift == ip.to_bits() >> shift
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// What a request says of its way here, as far as its peer may say so.
#[derive(Debug, Default)]
pub(super) struct Route {
    /// The hops before our peer, farthest first. Empty for an untrusted peer.
    hops: Vec<IpAddr>,
    proto: Option<HeaderValue>,
    host: Option<HeaderValue>,
}

impl Route {
    /// Reads the forwarding fields of a trusted peer, and nothing of any other.
    #[must_use]
    pub(super) fn read(fields: &Fields, peer: &Peer, trust: &[Network]) -> Self {
        if trust.is_empty() || !peer.is_trusted(trust) {
            return Self::default();
        }
        // From our side, as far as it can be read: what a client wrote in front ends the walk, and
        // hides nobody behind it.
        let lines: Vec<&[u8]> = fields
            .all(&X_FORWARDED_FOR)
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
            .collect();
        let mut hops: Vec<IpAddr> =
            lines.iter().rev().map_while(|hop| read_hop(hop)).take(HOPS_MAX).collect();
        hops.reverse();
        let proto = fields
            .only(&X_FORWARDED_PROTO)
            .filter(|proto| proto.as_bytes() == b"http" || proto.as_bytes() == b"https");
        Self {
            hops,
            proto: proto.cloned(),
            host: fields.only(&X_FORWARDED_HOST).filter(|host| is_host(host)).cloned(),
        }
    }

    /// The first hop from our side that `[trust]` does not name: the client. `None`: the peer itself.
    #[must_use]
    pub(super) fn client(&self, trust: &[Network]) -> Option<IpAddr> {
        let stranger = self.hops.iter().rev().find(|hop| !trusted(Some(**hop), trust));
        stranger.or(self.hops.first()).copied()
    }

    /// `https://shop.example`: under which the client asked, as far as a trusted peer tells.
    pub(super) fn base(&self, peer: &Peer, authority: &str) -> String {
        let text = |value: &Option<HeaderValue>| {
            value.as_ref().and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let proto = text(&self.proto).unwrap_or_else(|| peer.scheme().to_owned());
        let host = text(&self.host).unwrap_or_else(|| authority.to_owned());
        format!("{proto}://{host}")
    }

    /// Removes every field that tells where a request came from: what we say of it comes in their place.
    pub(super) fn forget(fields: &mut Fields) {
        fields.retain(|name| is_ordinary(name) || !is_forwarding(name));
    }

    /// The forwarding fields as we say them.
    pub(super) fn told(&self, peer: &Peer, asked: &Asked) -> Rc<Ready> {
        if self.hops.is_empty() && self.proto.is_none() && self.host.is_none() {
            return Rc::clone(&asked.straight);
        }
        let scheme = HeaderValue::from_static(peer.scheme());
        let host = || asked.authority.clone();
        Ready::new(Fields::from_iter([
            (X_FORWARDED_FOR, self.forwarded_for(peer)),
            (X_FORWARDED_PROTO, self.proto.clone().unwrap_or(scheme)),
            (X_FORWARDED_HOST, self.host.clone().unwrap_or_else(host)),
            (FORWARDED, self.forwarded(asked)),
        ]))
    }

    fn forwarded_for(&self, peer: &Peer) -> HeaderValue {
        if self.hops.is_empty() {
            return peer.field().clone();
        }
        let mut list: String = self.hops.iter().map(|hop| format!("{hop}, ")).collect();
        list.push_str(peer.text());
        HeaderValue::try_from(list).unwrap_or_else(|_| peer.field().clone())
    }

    /// One element per hop, ours last. Built from the hops alone: a proxy that speaks `X-Forwarded-For`
    /// passes on whatever `Forwarded` its client wrote.
    fn forwarded(&self, asked: &Asked) -> HeaderValue {
        if self.hops.is_empty() {
            return asked.forwarded.clone();
        }
        let mut value: Vec<u8> = Vec::new();
        for hop in &self.hops {
            value.extend_from_slice(format!("for={}, ", node(Some(*hop))).as_bytes());
        }
        value.extend_from_slice(asked.forwarded.as_bytes());
        HeaderValue::try_from(value).unwrap_or_else(|_| asked.forwarded.clone())
    }
}

/// One hop of `X-Forwarded-For`; some proxies write the port too.
fn read_hop(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let ip = text.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    ip.map(|ip: IpAddr| ip.to_canonical())
}

/// RFC 7239 6: how a node is written in `Forwarded`.
pub(super) fn node(ip: Option<IpAddr>) -> String {
    match ip {
        Some(IpAddr::V6(ip)) => format!("\"[{ip}]\""),
        Some(IpAddr::V4(ip)) => ip.to_string(),
        None => "unknown".to_owned(),
    }
}

fn is_host(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    !bytes.is_empty()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::authority::Authority;

    fn fields(lines: &[(&'static str, &'static str)]) -> Fields {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn network(text: &str, prefix: u8) -> Network {
        Network::Ip { address: text.parse().unwrap(), prefix }
    }

    #[test]
    fn a_stranger_cannot_say_where_the_request_came_from() {
        let peer = Peer::tcp("203.0.113.7:1".parse().unwrap());
        let mut fields = fields(&[
            ("x-forwarded-for", "10.0.0.1"),
            ("x_forwarded_proto", "https"),
            ("x-forwarded-prefix", "/admin"),
            ("forwarded", "for=10.0.0.1"),
            ("cf-connecting-ip", "10.0.0.1"),
            ("accept", "*/*"),
        ]);
        let route = Route::read(&fields, &peer, &[network("10.0.0.0", 8)]);
        assert_eq!(route.client(&[]), None);
        Route::forget(&mut fields);
        let told =
            route.told(&peer, &peer.asked(&Authority::parse(b"shop.example", false).unwrap()));
        let line = |(name, value): (&HeaderName, &HeaderValue)| (name.clone(), value.clone());
        fields.extend(told.fields().iter().map(line));
        let mut lines: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                "accept: */*",
                "forwarded: for=203.0.113.7;host=\"shop.example\";proto=http",
                "x-forwarded-for: 203.0.113.7",
                "x-forwarded-host: shop.example",
                "x-forwarded-proto: http",
            ]
        );
    }

    #[test]
    fn a_trusted_peer_is_continued_and_the_client_is_the_first_stranger_from_our_side() {
        let trust = [network("10.0.0.0", 8), network("fd00::", 8)];
        let peer = Peer::tcp("[::ffff:10.0.0.9]:1".parse().unwrap());
        let mut fields = fields(&[
            ("x-forwarded-for", "198.51.100.1, 203.0.113.7"),
            ("x-forwarded-for", "10.0.0.8"),
            ("x-forwarded-proto", "https"),
        ]);
        let route = Route::read(&fields, &peer, &trust);
        assert_eq!(route.client(&trust), Some("203.0.113.7".parse().unwrap()));
        Route::forget(&mut fields);
        let told =
            route.told(&peer, &peer.asked(&Authority::parse(b"shop.example", false).unwrap()));
        let line = |(name, value): (&HeaderName, &HeaderValue)| (name.clone(), value.clone());
        fields.extend(told.fields().iter().map(line));
        assert_eq!(
            fields.only(&X_FORWARDED_FOR).unwrap(),
            "198.51.100.1, 203.0.113.7, 10.0.0.8, 10.0.0.9"
        );
        assert_eq!(fields.only(&X_FORWARDED_PROTO).unwrap(), "https");
        assert_eq!(
            fields.only(&FORWARDED).unwrap(),
            "for=198.51.100.1, for=203.0.113.7, for=10.0.0.8, for=10.0.0.9;host=\"shop.example\";\
             proto=http"
        );
    }

    #[test]
    fn what_a_client_wrote_before_its_proxy_hides_nobody() {
        let trust = [network("10.0.0.0", 8)];
        let peer = Peer::tcp("10.0.0.9:1".parse().unwrap());
        for (written, client) in [
            ("x, 203.0.113.7", "203.0.113.7"),
            ("10.0.0.1, 203.0.113.7:4711", "203.0.113.7"),
            ("\"evil\", 203.0.113.7, 10.0.0.8", "203.0.113.7"),
            ("203.0.113.7, [2001:db8::1]:80", "2001:db8::1"),
        ] {
            let route = Route::read(&fields(&[("x-forwarded-for", written)]), &peer, &trust);
            assert_eq!(route.client(&trust), Some(client.parse().unwrap()), "{written}");
        }
        let broken = fields(&[("x-forwarded-for", "203.0.113.7, x")]);
        assert_eq!(Route::read(&broken, &peer, &trust).client(&trust), None);
    }

    #[test]
    fn networks_contain_by_prefix_and_never_across_families() {
        #[rustfmt::skip]
        let rows = [
            ("10.0.0.0",   8, "10.255.0.1",  true),
            ("10.0.0.0",   8, "11.0.0.1",    false),
            ("10.0.0.1",  32, "10.0.0.1",    true),
            ("10.0.0.1",  32, "10.0.0.2",    false),
            ("fd00::",     8, "fd12::1",     true),
            ("fd00::",     8, "fe80::1",     false),
            ("::1",      128, "::1",         true),
            ("10.0.0.0",   8, "::1",         false),
        ];
        for (address, prefix, ip, inside) in rows {
            let found = contains(address.parse().unwrap(), prefix, ip.parse().unwrap());
            assert_eq!(found, inside, "{ip} in {address}/{prefix}");
        }
    }
}
