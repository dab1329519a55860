//! Every default, with its reason. `config/reference.toml` says the same to operators; a test keeps them equal.

use std::time::Duration;

use crate::{
    auth::credential::Source,
    request::path::{Case, EmptySegments, EncodedSlash, Punctuation},
};

use super::{AccessLog, HostField, Http, Management, WaitReplicas};

/// Loopback: a gateway opens no port to others that nobody asked for.
pub(super) const LISTEN: &str = "127.0.0.1:8080";

/// Loopback, on a port of its own: probes and metrics are nobody's business who reaches `listen`.
pub(super) const HEALTH: &str = "127.0.0.1:9902";

/// The embedded file beside the configuration: kept across restarts, and needs nothing else.
pub(super) const STORE: &str = "file:tollgate.redb";

/// Most workers by default: beyond it the kernel's loopback and the backend are the limit.
pub const WORKERS_MAX: usize = 8;

/// Before every key of ours, so that a shared Redis shows whose they are.
pub(super) const STORE_PREFIX: &str = "tollgate:";

/// A local store answers within a millisecond; a quarter of a second is a fault, and a refusal after
/// it leaves the client time to try again within its own second.
pub(super) const STORE_TIMEOUT: Duration = Duration::from_millis(250);

/// Look-ups of a worker at the store at once: a Redis answers so many within a few milliseconds, and more of
/// them would only wait there, where nobody can tell who waits.
pub(super) const STORE_QUESTIONS: usize = 256;

/// Look-ups of a worker that wait for that: what a Redis that is well answers long before the deadline.
pub(super) const STORE_WAITING: usize = 1_024;

/// What was taken away stays away when a replica takes over, and where there is none nobody waits. What was
/// given and is lost shows itself: its owner asks for another.
pub(super) const STORE_WAIT_REPLICAS: WaitReplicas = WaitReplicas::Auto;

/// 256 bits in hexadecimal are 64 characters, in base64 43; 32 is the least that can hold 128 bits of them.
pub(super) const SECRET_CHARS_MIN: usize = 32;

/// The standard field (RFC 6750 2.1), and the query parameter of its section 2.3 for links and old clients.
pub(super) fn sources() -> Vec<Source> {
    vec![Source::Header, Source::Query("access_token".to_owned())]
}

/// With `[usergrid]`: what its clients send, the token first, then a client's id and secret.
pub(super) fn sources_of_usergrid() -> Vec<Source> {
    [sources(), vec![Source::Basic, Source::ClientParams]].concat()
}

/// Some 40 MB, and more callers than most gateways see in half a minute.
pub(super) const NEAR_ENTRIES: u64 = 100_000;

/// How long a record counts while the store's pushes confirm it. Push makes revocation immediate;
/// this only bounds what push could miss.
pub(super) const NEAR_TTL: Duration = Duration::from_secs(30);

/// How long a record counts where the store cannot push: the longest a revocation made elsewhere
/// goes unseen, inside the promised two seconds.
pub(super) const NEAR_TTL_WITHOUT_PUSH: Duration = Duration::from_secs(1);

/// Fail closed: whoever prefers to serve while the store is away says for how long.
pub(super) const GRACE: Duration = Duration::ZERO;

/// A week: long enough for clients that log in by hand, short enough that forgotten tokens die.
pub(super) const TOKEN_TTL: Duration = Duration::from_secs(7 * 86_400);

/// The fields an application wants most: who, called what, with which roles.
pub(super) const IDENTITY: [(&str, &str); 3] = [
    ("X-Auth-Subject", "{principal.id}"),
    ("X-Auth-Name", "{principal.name}"),
    ("X-Auth-Roles", "{principal.roles}"),
];

/// Some backends merge `//`, others do not: refused until the operator says which.
pub(super) const EMPTY_SEGMENTS: EmptySegments = EmptySegments::Refuse;
/// Some backends decode `%2F` before they route, others after: refused until the operator says which.
pub(super) const ENCODED_SLASH: EncodedSlash = EncodedSlash::Refuse;
/// Some backends cut a path at `;` or decode twice: refused until the operator says otherwise.
pub(super) const PUNCTUATION: Punctuation = Punctuation::Refuse;
/// What RFC 3986 6.2.2.1 says of paths.
pub(super) const CASE: Case = Case::Exact;

/// The name under which the client asked: applications build links and cookies from it.
pub(super) const HOST: HostField = HostField::Client;
/// A connection on a local network takes less than a millisecond. A first packet that was lost is repeated
/// after a second: rather than wait for that, the request is answered or another server asked.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Slow reports pass, a stuck backend does not hold clients for minutes.
pub(super) const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longer than the keep-alive comments of event streams (15 to 45 s) are apart.
pub(super) const BODY_SILENCE_TIMEOUT: Duration = Duration::from_secs(60);
/// Two gateways with full pools leave half of a backend's common limit of 1,024 descriptors free.
pub(super) const POOL_MAX: usize = 256;
/// Below the 5 s after which common application servers close an idle connection: we must close first,
/// or a request meets the closing.
pub(super) const POOL_IDLE: Duration = Duration::from_secs(4);

/// One fault may be the request's own, two a coincidence.
pub(super) const EJECTION_AFTER: u32 = 3;
/// As long as a process takes to start again; it doubles while that is not enough.
pub(super) const EJECTION_BASE: Duration = Duration::from_secs(1);
/// Nobody wants to wait longer for a server that has been mended.
pub(super) const EJECTION_MAX: Duration = Duration::from_secs(30);
/// With fewer than half the servers left, the others would drown in what was meant for all.
pub(super) const EJECTION_FLOOR: u8 = 50;
/// What changes nothing may be asked twice (RFC 9110 9.2.2).
pub(super) const RETRY_SAFE: bool = true;
/// A fifth more load is bearable for servers in trouble; twice as much would finish them.
pub(super) const RETRY_BUDGET: u8 = 20;
/// As long as common names may be remembered in a cluster.
pub(super) const RESOLVE: Duration = Duration::from_secs(30);
/// Off: most servers take their whole share at once.
pub(super) const SLOW_START: Duration = Duration::ZERO;
/// With three bad answers a server is out within 15 s, and a question costs nothing at this pace.
pub(super) const HEALTH_EVERY: Duration = Duration::from_secs(5);
/// A server that takes a second to say that it is well is not.
pub(super) const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);
/// One good answer is proof enough.
pub(super) const HEALTHY: u32 = 1;
/// A lost packet or a pause for garbage is no end.
pub(super) const UNHEALTHY: u32 = 3;

/// What every server speaks; whoever serves gRPC says so.
pub(super) const HTTP: Http = Http::One;

/// Two common cookies of 4 KiB, a large token and twenty ordinary fields fit several times.
pub(super) const HEAD_BYTES: usize = 32 * 1024;
/// As many as are kept apart without allocating; browsers send about twenty.
pub(super) const FIELDS: usize = 100;
/// What common servers accept for a request line.
pub(super) const TARGET_BYTES: usize = 8 * 1024;
/// Four times the deepest path of any API we know; bounds the work of matching.
pub(super) const SEGMENTS: usize = 128;
/// Three lost packets repeated (1 + 2 + 4 s, RFC 6298) fit; a client that sends a byte at a time does not stay.
pub(super) const HEAD_TIME: Duration = Duration::from_secs(10);
/// Longer than the 60 s of common load balancers, so that they close first.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// The same silence that a backend may keep inside its body.
pub(super) const BODY_IDLE: Duration = BODY_SILENCE_TIMEOUT;
/// A photograph or a large JSON document; uploads of more name their rule.
pub(super) const BODY: u64 = 16 << 20;
/// The least that RFC 9113 6.5.2 recommends.
pub(super) const STREAMS: u32 = 100;
/// Every stream of a connection once: a client that gives up on a page resets that many, an attacker
/// thousands.
pub(super) const RESETS: usize = 100;
/// Ten for each stream: a client in good order sends a few, and they cost a thousandth of a core.
pub(super) const FRAMES: usize = 1000;
/// Ten a second per address: a network behind one address passes, a flood of invented tokens does
/// not reach the store.
pub(super) const UNKNOWN_TOKENS: u32 = 600;
/// A client that has vanished without a word is held no longer than that; those that are there ping every 20 to
/// 60 s.
pub(super) const TUNNEL_IDLE: Duration = Duration::from_secs(600);
/// Inside the 30 s between Kubernetes' SIGTERM and SIGKILL, with time to spare for exiting.
pub(super) const DRAIN: Duration = Duration::from_secs(25);

/// What the strictest of the common browsers keep at most; unasked they keep five seconds.
pub(super) const CORS_MAX_AGE: Duration = Duration::from_secs(600);

/// What whoever is at the other end reads: the same choice as for events.
pub(super) const ACCESS_LOG: AccessLog = AccessLog::Auto;

/// With `[usergrid]` and without `[rules]`: what the platform itself does.
pub(super) const USERGRID_RULE: (&str, &str) = ("* /{org}/{app}/**", "permissions");
/// What the platform's clients expect: they are told the lifetime, and hold a short one for expired.
pub(super) const USERGRID_DEFAULT_TTL: Duration = TOKEN_TTL;
/// As long as the default: a longer life is for an application's owner to grant.
pub(super) const USERGRID_MAX_TTL: Duration = TOKEN_TTL;
/// A year, for the tokens of devices; whoever wants more lets them never expire.
pub(super) const USERGRID_APPLICATION_TTL_MAX: Duration = Duration::from_secs(365 * 86_400);
/// As the platform documents `ttl=0`.
pub(super) const USERGRID_NEVER_EXPIRE: bool = true;
/// Clients find tokens and organizations where they always did.
pub(super) const USERGRID_MANAGEMENT: Management = Management::Public;
/// Whoever may create organizations may fill the store: that is the operator's to open.
pub(super) const USERGRID_REGISTRATION: bool = false;
/// Long enough for a store to be restarted: guests see what they may see anyway.
pub(super) const USERGRID_GUEST_GRACE: Duration = Duration::from_secs(600);
/// Nobody mistypes a password ten times; a list of common ones has thousands.
pub(super) const USERGRID_WRONG_PASSWORDS: u32 = 10;
/// Several people behind one address may mistype theirs.
pub(super) const USERGRID_WRONG_PASSWORDS_PER_ADDRESS: u32 = 20;
/// Each takes a core and some megabytes for as long as it runs: more would starve the requests.
pub(super) const USERGRID_HASHES: usize = 2;
