//! nginx, with Lua or without.

use std::process::Command;

use super::Site;
use crate::{
    Outcome,
    process::tied,
    scenario::{Caller, Way, Wire},
};

const MODULES: &str = "load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;";

/// A token's record is asked for over a connection that is kept, and remembered for a minute, be there
/// one or not.
const CHECK: &str = r#"
      access_by_lua_block {
        local field = ngx.var.http_authorization
        local token = field and string.match(field, "^Bearer (%S+)$")
        if not token then return ngx.exit(401) end
        local value = KNOWN
        if not value then
          local redis = ngx.socket.tcp()
          redis:settimeout(1000)
          if not redis:connect("127.0.0.1", PORT) then return ngx.exit(503) end
          local key = "lua:" .. token
          redis:send("*2\r\n$3\r\nGET\r\n$" .. #key .. "\r\n" .. key .. "\r\n")
          local length = tonumber(string.sub(redis:receive() or "", 2))
          if not length then return ngx.exit(503) end
          value = ""
          if length >= 0 then value = string.sub(redis:receive(length + 2), 1, length) end
          redis:setkeepalive(60000, 512)
          REMEMBER
        end
        if not string.find(value, "scope=read", 1, true) then return ngx.exit(401) end
      }
"#;

/// `keepalive`, `proxy_http_version` and an empty `Connection` are what nginx needs to use a backend
/// connection twice; bodies are passed on as they come, without a file between.
pub(super) fn command(site: &Site<'_>, port: u16, lua: bool) -> Outcome<Command> {
    let scenario = site.scenario;
    let (name, folder) = (if lua { "lua" } else { "nginx" }, site.folder.display());
    let (workers, backend) = (site.workers, site.backend);
    let lua = lua && scenario.caller != Caller::Nobody;
    let modules = if lua { MODULES } else { "" };
    let head = if lua {
        "lua_package_path '/usr/share/lua/5.1/?.lua;;'; lua_shared_dict tokens 512m;"
    } else {
        ""
    };
    let check = if lua { check(site) } else { String::new() };
    let log = if scenario.log {
        format!("access_log {folder}/{name}.log lines buffer=32k flush=1s;")
    } else {
        "access_log off;".to_owned()
    };
    let listen = match scenario.wire {
        Wire::Plain => "",
        Wire::Tls => "ssl",
        Wire::Http2 => "http2",
        Wire::Http2Tls => "ssl http2",
    };
    let (upgrade, connection) =
        if scenario.way == Way::Echo { ("$http_upgrade", "upgrade") } else { ("\"\"", "\"\"") };
    let text = format!(
        r#"
{modules}
daemon off;
worker_processes {workers};
worker_rlimit_nofile 20000;
pid {folder}/{name}.pid;
error_log {folder}/{name}.error crit;
events {{ worker_connections 16384; }}
http {{
  log_format lines escape=json '{{"ts":"$time_iso8601","status":$status,"method":"$request_method",'
    '"path":"$uri","client":"$remote_addr","request_id":"$request_id","ms":$request_time,'
    '"backend_ms":"$upstream_response_time","bytes_out":$body_bytes_sent}}';
  {log}
  {head}
  client_body_temp_path {folder}/{name}.body; proxy_temp_path {folder}/{name}.proxy;
  fastcgi_temp_path {folder}/{name}.f; uwsgi_temp_path {folder}/{name}.u; scgi_temp_path {folder}/{name}.s;
  keepalive_requests 100000000;
  client_max_body_size 16m;
  proxy_request_buffering off;
  proxy_max_temp_file_size 0;
  ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:ssl:10m;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 512; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} {listen} reuseport backlog=4096;
    location / {{
      {check}
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Upgrade {upgrade};
      proxy_set_header Connection {connection};
    }}
  }}
}}
"#
    );
    let file = site.write(&format!("{name}.conf"), &text)?;
    tied("nginx", &["-p", &folder.to_string(), "-c", &file])
}

fn check(site: &Site<'_>) -> String {
    let (known, remember) = if site.scenario.cache {
        ("ngx.shared.tokens:get(token)", "ngx.shared.tokens:set(token, value, LIFE)")
    } else {
        ("nil", "")
    };
    // The memory of a token can only be read once all of them are there.
    let life = if site.scenario.way == Way::Fill { "3600" } else { "60" };
    CHECK
        .replace("KNOWN", known)
        .replace("REMEMBER", remember)
        .replace("LIFE", life)
        .replace("PORT", &site.redis.to_string())
}
