//! HAProxy, which looks a token up in a map that it read at its start.

use std::process::Command;

use super::Site;
use crate::{
    Outcome,
    process::tied,
    scenario::{Caller, Wire},
    tokens::MAP,
};

pub(super) fn command(site: &Site<'_>, port: u16) -> Outcome<Command> {
    let (folder, backend, threads) = (site.folder.display(), site.backend, site.workers);
    let pem = format!("ssl crt {folder}/both.pem");
    let bind = match site.scenario.wire {
        Wire::Plain => String::new(),
        Wire::Tls => pem,
        Wire::Http2 => "proto h2".to_owned(),
        Wire::Http2Tls => format!("{pem} alpn h2,http/1.1"),
    };
    let check = if site.scenario.caller == Caller::Nobody {
        String::new()
    } else {
        format!(
            "http-request return status 401 unless {{ http_auth_bearer,map_str({folder}/{MAP}) -m sub scope=read }}"
        )
    };
    let text = format!(
        r#"
global
  nbthread {threads}
  maxconn 12000
  no strict-limits
  tune.ssl.default-dh-param 2048
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout tunnel 600s
  http-reuse always
frontend in
  bind 127.0.0.1:{port} {bind}
  {check}
  default_backend out
backend out
  server one 127.0.0.1:{backend} pool-max-conn 512
"#
    );
    let file = site.write("haproxy.conf", &text)?;
    tied("haproxy", &["-db", "-q", "-f", &file])
}
