//! The proxies under test, each as its operator would run it, all in front of the same backend.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

use crate::{
    Outcome, Scenario,
    process::{Process, free_port, role, tied},
    token,
};

/// Names of the table, in its order.
pub(crate) const HYPER: &str = "hyper (bare)";
pub(crate) const NGINX: &str = "nginx";
pub(crate) const TOLLGATE: &str = "Tollgate";

const RULES: &str = r#"
[rules]
"GET /status"  = "public"
"* /orders/**" = "authenticated"
"#;

/// One rule by default: the roles of the application say who may.
const TENANTS: &str = r#"
[usergrid.bootstrap]
organization = "acme"
application  = "shop"
username     = "olga"
email        = "olga@acme.example"
password     = "of the bench"
"#;

/// One proxy, and how to ask it.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    pub(crate) path: &'static str,
    /// The credential, as a line of the request.
    pub(crate) field: Option<String>,
    pub(crate) process: Process,
}

/// Everything that runs. The order of the fields is that in which they end.
pub(crate) struct Peers {
    peers: Vec<Peer>,
    _backend: Process,
    _redis: Process,
    folder: TempDir,
}

impl Peers {
    /// Starts the backend, a Redis, and every proxy.
    pub(crate) fn start(scenario: Scenario) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let at = folder.path();
        let (backend, redis) = (free_port()?, free_port()?);
        let path = match scenario {
            Scenario::Hot64 | Scenario::Log => "/orders/7",
            Scenario::Public => "/status",
            Scenario::Tenants => "/acme/shop/orders/7",
        };
        let started_backend =
            Process::start("backend", role(&["backend", &backend.to_string()])?, backend, at)?;
        let started_redis = Process::start("redis", redis_server(redis, at)?, redis, at)?;

        let tollgate = free_port()?;
        let file = write_tollgate(at, tollgate, backend, redis, scenario)?;
        let field = match scenario {
            Scenario::Hot64 | Scenario::Log => {
                Some(format!("Authorization: Bearer {}", token::issue(Path::new(&file))?))
            }
            // A user can only be made by a gateway that runs.
            Scenario::Public | Scenario::Tenants => None,
        };
        let (nginx, passthrough) = (free_port()?, free_port()?);
        let bare = role(&["passthrough", &passthrough.to_string(), &backend.to_string()])?;
        let mut peers = Vec::new();
        for (name, port, command) in [
            (HYPER, passthrough, bare),
            (NGINX, nginx, start_nginx(at, nginx, backend, scenario)?),
            (TOLLGATE, tollgate, start_tollgate(&file)?),
        ] {
            let process = Process::start(name, command, port, at)?;
            peers.push(Peer { name, port, path, field: field.clone(), process });
        }
        if scenario == Scenario::Tenants {
            let field = format!("Authorization: Bearer {}", token::log_in(tollgate)?);
            peers.iter_mut().for_each(|peer| peer.field = Some(field.clone()));
        }
        Ok(Self { peers, _backend: started_backend, _redis: started_redis, folder })
    }

    pub(crate) fn all(&self) -> &[Peer] {
        &self.peers
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// The release binary of this build, as its command line wants it.
fn start_tollgate(file: &str) -> Outcome<Command> {
    tied(env!("CARGO_BIN_EXE_tollgate"), &["serve", "--config", file])
}

fn redis_server(port: u16, at: &Path) -> Outcome<Command> {
    let (port, at) = (port.to_string(), at.display().to_string());
    let without = ["--save", "", "--appendonly", "no"];
    let mut arguments = vec!["--bind", "127.0.0.1", "--port", &port, "--dir", &at];
    arguments.extend(without);
    tied("redis-server", &arguments)
}

fn write_tollgate(
    at: &Path,
    port: u16,
    backend: u16,
    redis: u16,
    scenario: Scenario,
) -> Outcome<String> {
    let access = match scenario {
        Scenario::Log => "json",
        Scenario::Hot64 | Scenario::Public | Scenario::Tenants => "off",
    };
    let rules = match scenario {
        Scenario::Tenants => TENANTS,
        Scenario::Hot64 | Scenario::Log | Scenario::Public => RULES,
    };
    let (health, secret) = (free_port()?, "bench".repeat(8));
    let text = format!(
        r#"
listen  = "127.0.0.1:{port}"
health  = "127.0.0.1:{health}"
backend = "http://127.0.0.1:{backend}"
store   = "redis://127.0.0.1:{redis}/0"
secret  = "{secret}"
{rules}
[log]
access = "{access}"
"#
    );
    write(at, "tollgate.toml", &text)
}

/// `keepalive`, `proxy_http_version` and an empty `Connection` are what nginx needs to use a backend
/// connection twice.
fn start_nginx(at: &Path, port: u16, backend: u16, scenario: Scenario) -> Outcome<Command> {
    let folder = at.display();
    let log = match scenario {
        Scenario::Log => format!("access_log {folder}/access.log lines buffer=32k flush=1s;"),
        Scenario::Hot64 | Scenario::Public | Scenario::Tenants => "access_log off;".to_owned(),
    };
    let text = format!(
        r#"
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log crit;
events {{ worker_connections 4096; }}
http {{
  log_format lines escape=json '{{"ts":"$time_iso8601","status":$status,"method":"$request_method",'
    '"path":"$uri","client":"$remote_addr","request_id":"$request_id","ms":$request_time,'
    '"backend_ms":"$upstream_response_time","bytes_out":$body_bytes_sent}}';
  {log}
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 100000000;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 512; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} reuseport backlog=4096;
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
}}
"#
    );
    let file = write(at, "nginx.conf", &text)?;
    tied("nginx", &["-p", &at.display().to_string(), "-c", &file])
}

fn write(at: &Path, name: &str, text: &str) -> Outcome<String> {
    let file = at.join(name);
    fs::write(&file, text)?;
    Ok(file.to_str().ok_or("the temporary folder is not UTF-8")?.to_owned())
}
