//! Whether servers that people run behind a gateway read what was judged: the same cases through a real
//! gateway to each of them, and what their applications then see beside what the access line says.
//!
//! `make gauntlet-servers` installs them and runs this. The list of hostile inputs is `gauntlet`'s; here
//! it is asked of programs that nobody wrote for a test.

mod corpus;
mod list;
mod reading;
mod run;
mod servers;
mod table;
mod tap;

use run::Run;
use servers::{Door, Servers};
use table::Table;

#[test]
#[ignore = "needs the servers that make gauntlet-servers installs"]
fn what_is_forwarded_is_read_by_every_server_as_it_was_judged() {
    let servers = Servers::shared();
    let mut table = Table::default();
    let usual = || Run::new(&servers, &Door::USUAL, "");
    table.add("paths", usual().send(&corpus::paths()));
    table.add("queries", usual().send(&corpus::queries()));
    table.add("fields", usual().send(&corpus::fields()));
    table.add("the list", usual().send(&list::cases()));
    for (group, doors, paths) in [
        ("`empty-segments = \"merge\"`", &Door::USUAL[..], "empty-segments = \"merge\""),
        ("`encoded-slash = \"opaque\"`", &KEEP_SLASHES, "encoded-slash = \"opaque\""),
        ("`punctuation = \"plain\"`", &PLAIN, "punctuation = \"plain\""),
        ("`case = \"fold\"`", &[Door::NginxFold], "case = \"fold\""),
    ] {
        let run = Run::new(&servers, doors, paths);
        table.add(group, run.send(&corpus::fewer_paths()));
    }
    table.conclude();
}

/// Servers for which `%2F` is no slash.
const KEEP_SLASHES: [Door; 3] = [Door::Node, Door::HttpdSlashes, Door::TomcatSlashes];

/// Servers that give `;` no meaning and decode once.
const PLAIN: [Door; 5] = [Door::Nginx, Door::Httpd, Door::Gunicorn, Door::Node, Door::Php];

/// Were a setting of no use, or the run blind, one of these would agree.
#[test]
#[ignore = "needs the servers that make gauntlet-servers installs"]
fn a_server_that_reads_otherwise_is_noticed_where_a_setting_does_not_fit_it() {
    let servers = Servers::shared();
    #[rustfmt::skip]
    let rows = [
        (Door::Nginx,     "encoded-slash = \"opaque\"", "/public%2Fx/y",     "/public/x/y"),
        (Door::Gunicorn,  "encoded-slash = \"opaque\"", "/public%2Fx/y",     "/public/x/y"),
        (Door::Php,       "encoded-slash = \"opaque\"", "/public%2Fx/y",     "/public/x/y"),
        (Door::Tomcat,    "punctuation = \"plain\"",    "/admin;a=1/x",      "is in admin"),
        (Door::NginxFold, "",                           "/ADMIN/x",          "is in admin"),
    ];
    for (door, paths, target, says) in rows {
        let faults = Run::new(&servers, &[door], paths).faults_of(target);
        let told = faults.iter().any(|fault| fault.contains(says));
        assert!(told, "{} and {target}: {faults:?}", door.title());
    }
}
