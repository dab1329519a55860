//! Caddy, which checks nothing here.

use std::process::Command;

use super::Site;
use crate::{Outcome, process::tied};

pub(super) fn command(site: &Site<'_>, port: u16) -> Outcome<Command> {
    let (folder, backend) = (site.folder.display(), site.backend);
    let (scheme, tls) = if site.scenario.wire.is_tls() {
        ("https", format!("tls {folder}/cert.pem {folder}/key.pem"))
    } else {
        ("http", String::new())
    };
    let text = format!(
        r#"
{{
  admin off
  auto_https off
  default_sni bench.example
  servers {{
    protocols h1 h2 h2c
  }}
}}
{scheme}://:{port} {{
  bind 127.0.0.1
  {tls}
  reverse_proxy 127.0.0.1:{backend}
}}
"#
    );
    let file = site.write("Caddyfile", &text)?;
    let mut command = tied("caddy", &["run", "--config", &file, "--adapter", "caddyfile"])?;
    let home = folder.to_string();
    command.envs([("HOME", &home), ("XDG_DATA_HOME", &home), ("XDG_CONFIG_HOME", &home)]);
    command.env("GOMAXPROCS", site.workers.to_string());
    Ok(command)
}
