//! The other end of a client connection, and what is said of it to backends.
//!
//! Locality and trust come from the socket alone.

use std::{
    cell::RefCell,
    net::{IpAddr, SocketAddr},
    rc::Rc,
};

use foldhash::fast::RandomState;
use http::{HeaderValue, header::FORWARDED};

use super::route::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, node, trusted};
use crate::{
    cache::Table,
    config::Network,
    principal::Certificate,
    request::authority::Authority,
    tls::Session,
    wire::{Fields, Ready},
};

/// Most addresses of which a worker remembers what it says of them: some 250 KB.
const PLACES_MAX: usize = 256;

/// A client connection's other end.
#[derive(Debug)]
pub struct Peer {
    place: Rc<Place>,
    /// For the authority that was asked for last: a connection seldom asks for another.
    asked: RefCell<Option<Rc<Asked>>>,
    /// What the TLS handshake showed; `None` for a connection in clear text.
    session: Option<Box<Session>>,
    /// A proxy has spoken for this peer and not said who it is: the address is the proxy's, and what the
    /// peer says of its way here is a stranger's word.
    nameless: bool,
}

/// Where connections come from.
#[derive(Debug)]
struct Place {
    /// `None` for a unix socket.
    ip: Option<IpAddr>,
    /// `203.0.113.7`, or `unix`.
    text: String,
    field: HeaderValue,
    forwarded: HeaderValue,
    /// What its last connection in clear text, and its last one over TLS, said of their requests: the next
    /// one nearly always says the same.
    asked: [RefCell<Option<Rc<Asked>>>; 2],
}

/// The places that one worker's connections came from lately.
pub struct Places(RefCell<Table<IpAddr, Rc<Place>, RandomState>>);

impl Default for Places {
    fn default() -> Self {
        Self(RefCell::new(Table::new(PLACES_MAX, RandomState::default())))
    }
}

impl Places {
    /// The peer of a TCP connection; an IPv4 address inside IPv6 is taken as what it is.
    #[must_use]
    pub fn peer(&self, address: SocketAddr) -> Peer {
        let ip = address.ip().to_canonical();
        let mut known = self.0.borrow_mut();
        if let Some(place) = known.get(&ip, |_| true) {
            return Peer::of(Rc::clone(place));
        }
        let place = Rc::new(Place::new(Some(ip), ip.to_string()));
        known.put(ip, Rc::clone(&place), |_| true);
        Peer::of(place)
    }
}

impl Place {
    fn new(ip: Option<IpAddr>, text: String) -> Self {
        let visible = |text: &str| {
            HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
        };
        let (field, forwarded) = (visible(&text), visible(&node(ip)));
        Self { ip, text, field, forwarded, asked: Default::default() }
    }
}

/// Values for one authority, asked for from one place.
#[derive(Debug)]
pub(super) struct Asked {
    read: Authority,
    /// The authority as a field's value.
    pub(super) authority: HeaderValue,
    /// Our element of `Forwarded`.
    pub(super) forwarded: HeaderValue,
    /// All that is said of the way of a request that came straight from this peer.
    pub(super) straight: Rc<Ready>,
}

impl Peer {
    /// The peer of a TCP connection; an IPv4 address inside IPv6 is taken as what it is.
    #[must_use]
    pub fn tcp(address: SocketAddr) -> Self {
        let ip = address.ip().to_canonical();
        Self::of(Rc::new(Place::new(Some(ip), ip.to_string())))
    }

    /// The peer of a unix socket.
    #[must_use]
    pub fn unix() -> Self {
        Self::of(Rc::new(Place::new(None, "unix".to_owned())))
    }

    /// Somebody behind this peer, which does not say who.
    #[must_use]
    pub fn nameless(&self) -> Self {
        Self { nameless: true, ..Self::of(Rc::clone(&self.place)) }
    }

    /// Whether `trust` names this peer, so that it may speak for others.
    #[must_use]
    pub fn is_trusted(&self, trust: &[Network]) -> bool {
        !self.nameless && trusted(self.place.ip, trust)
    }

    fn of(place: Rc<Place>) -> Self {
        Self { place, asked: RefCell::default(), session: None, nameless: false }
    }

    /// The same peer, on a connection with that handshake.
    #[must_use]
    pub fn over(self, session: Session) -> Self {
        Self { session: Some(Box::new(session)), ..self }
    }

    /// Whether the connection came over TLS.
    pub(crate) fn over_tls(&self) -> bool {
        self.session.is_some()
    }

    /// The client's certificate, verified when the connection began.
    pub(super) fn certificate(&self) -> Option<&Certificate> {
        self.session.as_ref()?.certificate.as_ref()
    }

    /// Whether a request for `host` belongs on this connection.
    pub(super) fn may_ask(&self, host: &str) -> bool {
        self.session.as_ref().is_none_or(|session| session.is_for(host))
    }

    /// Whom this connection asked for last, or the last one from the same place.
    pub(super) fn before(&self) -> Option<Authority> {
        let read = |last: &RefCell<Option<Rc<Asked>>>| Some(last.borrow().as_ref()?.read.clone());
        read(&self.asked).or_else(|| read(self.asked_there()))
    }

    /// The values for `authority`.
    pub(super) fn asked(&self, authority: &Authority) -> Rc<Asked> {
        let known = |last: &RefCell<Option<Rc<Asked>>>| {
            last.borrow().as_ref().filter(|last| last.read == *authority).cloned()
        };
        if let Some(asked) = known(&self.asked) {
            return asked;
        }
        let there = self.asked_there();
        let asked = known(there).unwrap_or_else(|| Rc::new(self.asks(authority)));
        there.replace(Some(Rc::clone(&asked)));
        self.asked.replace(Some(Rc::clone(&asked)));
        asked
    }

    fn asked_there(&self) -> &RefCell<Option<Rc<Asked>>> {
        &self.place.asked[usize::from(self.over_tls())]
    }

    /// RFC 7239 4. The authority has neither quote nor backslash.
    fn asks(&self, read: &Authority) -> Asked {
        let authority = read.as_str();
        let value = |text: &str| {
            HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("invalid"))
        };
        let mut forwarded = b"for=".to_vec();
        forwarded.extend_from_slice(self.place.forwarded.as_bytes());
        forwarded
            .extend_from_slice(format!(";host=\"{authority}\";proto={}", self.scheme()).as_bytes());
        let forwarded = HeaderValue::try_from(forwarded);
        let forwarded = forwarded.unwrap_or_else(|_| self.place.forwarded.clone());
        let straight = Fields::from_iter([
            (X_FORWARDED_FOR, self.place.field.clone()),
            (X_FORWARDED_PROTO, HeaderValue::from_static(self.scheme())),
            (X_FORWARDED_HOST, value(authority)),
            (FORWARDED, forwarded.clone()),
        ]);
        Asked {
            read: read.clone(),
            authority: value(authority),
            forwarded,
            straight: Ready::new(straight),
        }
    }

    /// The address as the value of a field.
    pub(super) fn field(&self) -> &HeaderValue {
        &self.place.field
    }

    /// For the log.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.place.text
    }

    /// Whether the peer stands in a private network: where proxies stand. The machine itself is none: a
    /// proxy there is one that whoever configures us can name.
    #[must_use]
    pub fn is_private(&self) -> bool {
        match self.place.ip {
            None => false,
            Some(IpAddr::V4(ip)) => ip.is_private(),
            Some(IpAddr::V6(ip)) => ip.is_unique_local(),
        }
    }

    /// The address, unless the peer is a unix socket.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.place.ip
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.over_tls() { "https" } else { "http" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_place_is_made_once_for_all_its_connections() {
        let places = Places::default();
        let authority = |text: &str| Authority::parse(text.as_bytes(), false).unwrap();
        let peer = |address: &str| places.peer(address.parse().unwrap());
        let (first, second) = (peer("203.0.113.7:1"), peer("[::ffff:203.0.113.7]:2"));
        assert!(Rc::ptr_eq(&first.place, &second.place));
        assert_eq!(second.before(), None);
        let (shop, blog) = (authority("shop.example"), authority("blog.example"));
        let asked = first.asked(&shop);
        assert_eq!(second.before(), Some(shop.clone()));
        assert!(Rc::ptr_eq(&asked, &second.asked(&shop)));
        // Each connection keeps its own, whatever the others ask for.
        second.asked(&blog);
        assert_eq!((first.before(), second.before()), (Some(shop.clone()), Some(blog)));
        assert!(Rc::ptr_eq(&asked, &first.asked(&shop)));
        let elsewhere = peer("203.0.113.8:1");
        assert_eq!(elsewhere.before(), None);
        assert_ne!(elsewhere.asked(&shop).forwarded, asked.forwarded);
    }
}
