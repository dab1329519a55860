//! The servers: each with the configuration and the application of `tests/differential`, on loopback
//! ports of its own, and ended with whoever holds it.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::harness::{PATIENCE, free_port};

/// A virtual machine that must compile and start on a busy machine takes longer than anything else here.
const START: Duration = Duration::from_secs(120);

/// How a server is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Door {
    /// nginx before php-fpm.
    Nginx,
    /// The same, its locations compared without case.
    NginxFold,
    /// Apache httpd before php-fpm.
    Httpd,
    /// The same with `AllowEncodedSlashes NoDecode`.
    HttpdSlashes,
    /// gunicorn with a WSGI application.
    Gunicorn,
    /// Node's http.
    Node,
    /// Tomcat with a servlet.
    Tomcat,
    /// The same with `encodedSolidusHandling="passthrough"`.
    TomcatSlashes,
    /// PHP's own server.
    Php,
}

impl Door {
    pub(crate) const ALL: [Self; 9] = [
        Self::Nginx,
        Self::NginxFold,
        Self::Httpd,
        Self::HttpdSlashes,
        Self::Gunicorn,
        Self::Node,
        Self::Tomcat,
        Self::TomcatSlashes,
        Self::Php,
    ];

    /// Every server as it is without a setting about paths.
    pub(crate) const USUAL: [Self; 6] =
        [Self::Nginx, Self::Httpd, Self::Gunicorn, Self::Node, Self::Tomcat, Self::Php];

    /// Its name in the gateway's configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::NginxFold => "nginx-fold",
            Self::Httpd => "httpd",
            Self::HttpdSlashes => "httpd-slashes",
            Self::Gunicorn => "gunicorn",
            Self::Node => "node",
            Self::Tomcat => "tomcat",
            Self::TomcatSlashes => "tomcat-slashes",
            Self::Php => "php",
        }
    }

    /// Its name for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Nginx => "nginx + php-fpm",
            Self::NginxFold => "nginx, `location ~*`",
            Self::Httpd => "httpd + php-fpm",
            Self::HttpdSlashes => "httpd, `AllowEncodedSlashes NoDecode`",
            Self::Gunicorn => "gunicorn",
            Self::Node => "Node",
            Self::Tomcat => "Tomcat",
            Self::TomcatSlashes => "Tomcat, `passthrough`",
            Self::Php => "php -S",
        }
    }

    /// The authority by which the gateway's rules know it.
    pub(crate) fn host(self) -> String {
        format!("{}.test", self.name())
    }
}

/// All of them, running.
pub(crate) struct Servers {
    running: Vec<(&'static str, Child)>,
    ports: [(Door, u16); 9],
    folder: TempDir,
}

impl Servers {
    /// The servers, started by whoever asks first and ended by whoever is last to let go.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Servers>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let servers = Arc::new(Self::start());
            *shared = Arc::downgrade(&servers);
            servers
        })
    }

    pub(crate) fn address(&self, door: Door) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port(door)))
    }

    fn port(&self, door: Door) -> u16 {
        self.ports.iter().find(|(known, _)| *known == door).unwrap().1
    }

    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        // httpd gives its rights away before it looks for the application.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let ports = Door::ALL.map(|door| (door, free_port()));
        let mut servers = Self { running: Vec::new(), ports, folder };
        let fpm = free_port();
        for file in
            ["nginx.conf", "httpd.conf", "fpm.conf", "app.php", "app.py", "app.js", "App.java"]
        {
            servers.write(file, fpm);
        }
        servers.run(
            "php-fpm",
            Command::new(fpm_program())
                .args(["-R", "-F", "-n", "-y"])
                .arg(servers.file("fpm.conf")),
        );
        servers.run("nginx", Command::new("nginx").arg("-c").arg(servers.file("nginx.conf")));
        servers.run(
            "apache2",
            Command::new("apache2").arg("-DFOREGROUND").arg("-f").arg(servers.file("httpd.conf")),
        );
        let bind = servers.address(Door::Gunicorn).to_string();
        servers.run(
            "gunicorn",
            Command::new("gunicorn")
                .args(["--bind", &bind, "--workers", "2", "--worker-tmp-dir"])
                .arg(servers.path())
                .args(["app:application", "--chdir"])
                .arg(servers.path()),
        );
        let node = servers.port(Door::Node).to_string();
        servers.run("node", Command::new("node").arg(servers.file("app.js")).arg(node));
        let php = servers.address(Door::Php).to_string();
        servers
            .run("php", Command::new("php").args(["-n", "-S", &php]).arg(servers.file("app.php")));
        servers.compile();
        let ports = [Door::Tomcat, Door::TomcatSlashes].map(|door| servers.port(door).to_string());
        servers.run(
            "java",
            Command::new("java")
                .arg("-cp")
                .arg(servers.class_path())
                .arg("App")
                .arg(servers.path())
                .args(ports),
        );
        servers.await_all(fpm);
        servers
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Copies a file of `tests/differential`, its placeholders filled in.
    fn write(&self, name: &str, fpm: u16) {
        let root = geteuid().is_root();
        let user = match name {
            "httpd.conf" if root => "User nobody\nGroup nogroup",
            "fpm.conf" if root => "user = root\ngroup = root",
            _ => "",
        };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential").join(name);
        let mut text = fs::read_to_string(source).unwrap();
        for (word, value) in [
            ("@FOLDER@", self.path().to_str().unwrap().to_owned()),
            ("@USER@", user.to_owned()),
            ("@FPM@", fpm.to_string()),
            ("@NGINX@", self.port(Door::Nginx).to_string()),
            ("@NGINX_FOLD@", self.port(Door::NginxFold).to_string()),
            ("@HTTPD@", self.port(Door::Httpd).to_string()),
            ("@HTTPD_SLASHES@", self.port(Door::HttpdSlashes).to_string()),
        ] {
            text = text.replace(word, &value);
        }
        fs::write(self.file(name), text).unwrap();
    }

    /// The application's classes and Tomcat's archives.
    fn class_path(&self) -> String {
        const OURS: [&str; 10] = [
            "annotations-api",
            "api",
            "catalina",
            "coyote",
            "el-api",
            "jaspic-api",
            "juli",
            "servlet-api",
            "util",
            "util-scan",
        ];
        let archives = OURS.map(|name| format!("/usr/share/java/tomcat10-{name}.jar")).join(":");
        format!("{}:{archives}", self.path().display())
    }

    fn compile(&self) {
        let mut javac = Command::new("javac");
        javac.arg("-d").arg(self.path()).arg("-cp").arg(self.class_path());
        let output =
            javac.arg(self.file("App.java")).output().unwrap_or_else(|e| missing("javac", &e));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn run(&mut self, name: &'static str, command: &mut Command) {
        let said = fs::File::create(self.file(&format!("{name}.out"))).unwrap();
        let child = command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap_or_else(|error| missing(name, &error));
        self.running.push((name, child));
    }

    /// Waits until each listens.
    fn await_all(&mut self, fpm: u16) {
        let give_up = Instant::now() + START;
        for port in self.ports.map(|(_, port)| port).into_iter().chain([fpm]) {
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                for (name, child) in &mut self.running {
                    let ended = child.try_wait().unwrap();
                    let said = self.folder.path().join(format!("{name}.out"));
                    let said = || fs::read_to_string(said).unwrap_or_default();
                    assert!(ended.is_none(), "{name} did not start: {}", said());
                }
                assert!(Instant::now() < give_up, "nobody listens on {port}");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // Asked to end, so that those with processes of their own take them along.
        for (_, child) in &self.running {
            let _ = kill_process(Pid::from_child(child), Signal::TERM);
        }
        let give_up = Instant::now() + PATIENCE;
        for (_, child) in &mut self.running {
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < give_up {
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn missing(name: &str, error: &std::io::Error) -> ! {
    panic!("{name}: {error}; `make gauntlet-servers` installs what is missing")
}

/// Debian names the program after its version.
fn fpm_program() -> PathBuf {
    let named = |path: &PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with("php-fpm"))
    };
    let programs = fs::read_dir("/usr/sbin").unwrap().map(|entry| entry.unwrap().path());
    programs.filter(named).max().unwrap_or_else(|| PathBuf::from("php-fpm"))
}

/// What is installed, for whoever reads a table of a run.
pub(crate) fn versions() -> String {
    let programs: [(&str, &str, &[&str]); 5] = [
        ("nginx", "nginx", &["-v"]),
        ("Apache httpd", "apache2", &["-v"]),
        ("PHP", "php", &["-v"]),
        ("gunicorn", "gunicorn", &["--version"]),
        ("Node", "node", &["--version"]),
    ];
    let mut all: Vec<String> = programs
        .iter()
        .map(|(title, program, arguments)| {
            let output = Command::new(program).args(*arguments).output().unwrap();
            format!("{title} {}", version(&[output.stdout, output.stderr].concat()))
        })
        .collect();
    let tomcat = fs::read_link("/usr/share/java/tomcat10-catalina.jar").unwrap_or_default();
    let tomcat = tomcat.to_string_lossy();
    let tomcat = tomcat.trim_start_matches("tomcat10-catalina-").trim_end_matches(".jar");
    all.push(format!("Tomcat {tomcat}"));
    all.join(", ")
}

/// The first thing in a text that looks like a version.
fn version(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let words = said.split(|c: char| !(c.is_ascii_digit() || c == '.'));
    words.into_iter().find(|word| word.contains('.') && word.len() > 2).unwrap_or("?").to_owned()
}
