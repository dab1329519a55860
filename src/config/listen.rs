//! `listen`, `health` and `admin`: where others come in, and how clients speak there.

use super::{
    Address, Listen, Manner, address,
    context::Context,
    defaults,
    reader::{Table, Text, Value},
    report::Mistake,
};

const EXPECTED: &str = "an address such as `\"127.0.0.1:9902\"`, or `\"off\"`";
const EXPECTED_LISTEN: &str = "an address such as `\"127.0.0.1:8080\"`, a table \
    `{ at = \"127.0.0.1:8443\" }`, or a list of them";

/// Addresses that are spoken for, and where the file says so.
type Taken = Vec<(Address, Text)>;

pub(super) struct Addresses {
    pub(super) listen: Vec<Listen>,
    pub(super) health: Option<Address>,
    pub(super) admin: Option<Address>,
}

/// Tables that a listener's own keys need.
#[derive(Clone, Copy)]
pub(super) struct Tables {
    /// There is a `[tls]`.
    pub(super) tls: bool,
    /// `[trust]` names somebody.
    pub(super) trust: bool,
}

pub(super) fn read(top: &Table, tables: Tables) -> Addresses {
    let cx = top.cx;
    let mut taken: Taken = Vec::new();
    let listen = match top.get("listen") {
        None => {
            let address = address::listen(defaults::LISTEN, &cx.folder).ok();
            let plain = |address| Listen { address, manner: Manner::default() };
            address.map(plain).into_iter().collect()
        }
        Some(value) => read_listen(&value, tables, &mut taken),
    };
    let health = match top.get("health") {
        None => {
            let health = address::listen(defaults::HEALTH, &cx.folder).ok();
            let clash = taken.iter().find(|(address, _)| Some(address) == health.as_ref());
            if let Some((_, text)) = clash {
                let message = "`health` listens here unless told otherwise";
                text.bad(cx, message, "choose another, or set `health`");
            }
            health
        }
        Some(value) if value.says("off") => None,
        Some(value) => value.text_as(EXPECTED).and_then(|text| read_address(cx, text, &mut taken)),
    };
    let admin = match top.get("admin") {
        None => None,
        Some(value) if value.says("off") => None,
        Some(value) => value.text_as(EXPECTED).and_then(|text| {
            let address = read_address(cx, text, &mut taken)?;
            check_admin(&value, &address);
            Some(address)
        }),
    };
    Addresses { listen, health, admin }
}

/// One listener or a list of at least one; each is an address, or a table that also says how clients
/// speak there.
fn read_listen(value: &Value, tables: Tables, taken: &mut Taken) -> Vec<Listen> {
    if value.is_text() || value.is_table() {
        return read_listener(value, tables, taken).into_iter().collect();
    }
    let Some(values) = value.list(EXPECTED_LISTEN) else { return Vec::new() };
    if values.is_empty() {
        value.bad("`listen` is an empty list", "name at least one");
    }
    values.iter().filter_map(|value| read_listener(value, tables, taken)).collect()
}

fn read_listener(value: &Value, tables: Tables, taken: &mut Taken) -> Option<Listen> {
    if !value.is_table() {
        let address = read_address(value.cx, value.text_as(EXPECTED_LISTEN)?, taken)?;
        return Some(Listen { address, manner: Manner::default() });
    }
    let table = value.table()?;
    let at = table.need("at", "add `at = \"127.0.0.1:8443\"`");
    let address = at.and_then(|at| read_address(value.cx, at.text()?, taken));
    let manner = Manner {
        tls: read_tls(&table, tables.tls),
        proxy_protocol: read_proxy_protocol(&table, tables.trust),
    };
    table.done();
    Some(Listen { address: address?, manner })
}

/// Whether clients begin with a handshake; `configured`: whether there is a `[tls]` for it.
fn read_tls(table: &Table, configured: bool) -> bool {
    let value = table.get("tls");
    let wanted = value.as_ref().and_then(|value| value.boolean()).unwrap_or(false);
    if let (true, false, Some(value)) = (wanted, configured, value) {
        value.bad("there is no certificate for TLS", "add `[tls]` with `certificates`");
    }
    wanted
}

/// Nobody but a trusted proxy may send the header, so that without one it would never be read.
fn read_proxy_protocol(table: &Table, trusts: bool) -> bool {
    let value = table.get("proxy-protocol");
    let wanted = value.as_ref().and_then(|value| value.boolean()).unwrap_or(false);
    if let (true, false, Some(value)) = (wanted, trusts, value) {
        let message = "the header of the PROXY protocol is read from trusted proxies only";
        value.bad(message, "name them: `[trust] proxies = [\"10.0.0.0/8\"]`");
    }
    wanted
}

fn read_address(cx: &Context, text: Text, taken: &mut Taken) -> Option<Address> {
    let address = match address::listen(&text.text, &cx.folder) {
        Ok(address) => address,
        Err(hint) => {
            text.bad(cx, format!("{} is no address to listen on", text.quoted()), hint);
            return None;
        }
    };
    // Port 0 is a new port each time.
    let any_port = matches!(&address, Address::Tcp(tcp) if tcp.port() == 0);
    if let Some((_, first)) = taken.iter().find(|(known, _)| !any_port && *known == address) {
        let mistake = Mistake::at(text.place.clone(), "the same address twice", "choose another");
        cx.mistake(mistake.and(first.place.clone(), "taken here"));
    }
    taken.push((address.clone(), text));
    Some(address)
}

/// Whoever reaches the admin listener may do anything; the machine's users are kept out by the
/// socket file's mode, all others by its not being there.
fn check_admin(value: &Value, address: &Address) {
    if let Address::Tcp(tcp) = address
        && !tcp.ip().to_canonical().is_loopback()
    {
        let hint = "write `unix:/run/tollgate/admin.sock`, or an address of `127.0.0.0/8`";
        value.bad("the admin listener would be open to the network", hint);
    }
}
