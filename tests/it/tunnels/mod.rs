//! Connections that switch protocols, and answers that last.

mod client;
mod handshake;
mod http2;
mod judged;
mod streams;

pub(crate) const RULES: &str = r#"
[rules]
"GET /chat/**"  = { who = "authenticated", upgrade = "websocket" }
"GET /buyers"   = { who = "role:buyer", upgrade = "websocket" }
"GET /free/**"  = { who = "guest", upgrade = "websocket" }
"GET /raw"      = { who = "guest", upgrade = "chat/2" }
"GET /plain/**" = "guest"
"GET /mine"     = "authenticated"
"#;
