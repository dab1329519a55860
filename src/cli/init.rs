//! `tollgate init`: a first configuration file with its secret beside it. Never overwrites anything, and
//! takes back what it wrote when the file would not load.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    Exit, Failure,
    args::InitArgs,
    keygen::new_secret,
    screen::{err, out, shell_word},
};
use crate::config::Config;

pub(super) fn run(args: &InitArgs) -> Result<(), Failure> {
    let file = &args.file;
    if file.exists() {
        let message = format!("`{}` is there already, and init overwrites nothing", file.display());
        return Err(Failure::new(Exit::Data, message).help(format!(
            "`tollgate check {0}` checks it; --file writes another one",
            file.display()
        )));
    }
    let secret = file.with_extension("secret");
    let new = !secret.exists();
    if new {
        write(&secret, 0o600, &format!("{}\n", new_secret()?))?;
    }
    let kept = write(file, 0o644, &text(&args.backend, &secret)).and_then(|()| {
        Config::load(file).map_err(|report| {
            err("The first configuration with this backend would not load:\n");
            report.into()
        })
    });
    if let Err(failure) = kept {
        // Only what was made a moment ago.
        let _ = fs::remove_file(file);
        if new {
            let _ = fs::remove_file(&secret);
        }
        return Err(Failure { exit: Exit::Data, ..failure });
    }
    out(&next(file, &secret, new));
    Ok(())
}

fn write(path: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error: io::Error| {
        Failure::new(Exit::Data, format!("cannot write `{}`: {error}", path.display()))
    })
}

fn next(file: &Path, secret: &Path, new: bool) -> String {
    let file = shell_word(file);
    let secret = match new {
        true => format!(
            "{} (mode 0600: it keys every token; keep it out of version control)",
            secret.display()
        ),
        false => format!("{} was there, and is used", secret.display()),
    };
    format!(
        "\
wrote  {file}
       {secret}

next
  tollgate check {file}            # the rules, and what stands open
  tollgate serve --config {file}   # in a terminal of its own
  TOKEN=$(tollgate token issue --config {file} --subject ann)
  curl -i http://127.0.0.1:8080/ -H \"Authorization: Bearer $TOKEN\"

Then write your own rules into {file}; a running gateway takes them over by itself."
    )
}

/// The file. Relative paths in it start at its own folder.
fn text(backend: &str, secret: &Path) -> String {
    let secret = secret.file_name().map(PathBuf::from).unwrap_or_default();
    TEMPLATE
        .replace("@BACKEND@", &quoted(backend))
        .replace("@SECRET@", &quoted(&format!("${{file:{}}}", secret.display())))
}

/// `text` as a string of TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

const TEMPLATE: &str = r##"# Tollgate's configuration. `tollgate check` checks it, `tollgate explain` explains a request by it, and a
# running gateway takes changes over by itself. Relative paths start at this file's folder.

listen  = "127.0.0.1:8080"           # where clients come in; "0.0.0.0:8080" for everybody
health  = "127.0.0.1:9902"           # /livez /readyz /metrics
admin   = "unix:tollgate.sock"       # for `tollgate token` and `tollgate explain --live`; its owner's alone
backend = @BACKEND@
store   = "file:tollgate.redb"       # tokens; "redis://127.0.0.1:6379/0" shares them between gateways
secret  = @SECRET@   # keys every token; `tollgate keygen` makes one

# Who may do what. One line, one sentence; order never matters: the most specific rule wins, and what no
# rule names is denied. Right sides: public, guest, deny, or authenticated, role:x, scope:y, self:{name},
# joined by | (either) and & (both).
[rules]
"GET /status"        = "public"                    # everybody; credentials are not even looked at
"*   /**"            = "authenticated"             # everything else: any good token
"*   /admin/**"      = "role:admin"
"*   /users/{id}/**" = "self:{id} | role:support"  # one's own, or support

# What the backend is told. These fields are removed from every request, in every spelling, before they are
# set: the backend can believe them.
[identity]
X-Auth-Subject = "{principal.id}"
X-Auth-Name    = "{principal.name}"
X-Auth-Roles   = "{principal.roles}"

# What you promise about the rules. Run by `check`, at the start and at every reload; a failing line keeps the
# old configuration.
[expect]
"GET /status"                          = "public"
"GET /"                                = "401"
"GET / as user ann"                    = "allow"
"GET /admin/x as user ann"             = "403"
"GET /admin/x as user ann role=admin"  = "allow"
"GET /users/bob as user ann"           = "403"
"GET /users/ann as user ann"           = "allow"
"##;
