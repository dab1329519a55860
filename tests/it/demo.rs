//! `tollgate demo`: every line that it prints gives the status that stands behind it, and nothing is left.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::harness::{free_port, until};

/// A demo that runs; killed when dropped.
struct Demo {
    child: Child,
    screen: Vec<String>,
    /// Where it keeps its temporary folder.
    temporary: TempDir,
}

impl Demo {
    fn start(port: u16) -> Self {
        let temporary = TempDir::new().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .args(["demo", "--port", &port.to_string()])
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut screen = Vec::new();
        for line in lines.by_ref().map_while(Result::ok) {
            let last = line.contains("Ctrl-C");
            screen.push(line);
            if last {
                break;
            }
        }
        // What follows is read, so that the demo is never stopped by a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, screen, temporary }
    }

    fn left_behind(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.temporary.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The commands on the screen with what stands behind their `#`.
fn lines<'a>(screen: &'a [String], program: &str) -> Vec<(&'a str, &'a str)> {
    let commands = screen.iter().map(|line| line.trim()).filter(|line| line.starts_with(program));
    commands.map(|line| line.split_once("   # ").unwrap_or((line, ""))).collect()
}

fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).stderr(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_line_gives_the_status_that_it_promises() {
    let mut demo = Demo::start(free_port());
    let tries = lines(&demo.screen, "curl");
    assert!(tries.len() >= 8, "{:#?}", demo.screen);
    for (line, comment) in &tries {
        let answer = sh(line); // exactly as printed
        let status = answer.split_whitespace().nth(1).unwrap_or("none");
        assert_eq!(status, &comment[..3], "{line}\n{answer}");
    }
    for word in [
        "login",
        "revoke",
        "revoked",
        "sandbox",
        "wrong password",
        "public",
        "guest",
        "header",
        "query",
        "no buyer",
        "no credential",
        "forged",
        "expired",
    ] {
        assert!(tries.iter().any(|(_, comment)| comment.contains(word)), "nothing shows {word}");
    }

    let explain = lines(&demo.screen, env!("CARGO_BIN_EXE_tollgate"));
    let [(explain, _)] = explain.as_slice() else { panic!("{:#?}", demo.screen) };
    let why = sh(explain);
    assert!(why.contains("role:buyer") && why.contains("401"), "{why}");

    assert_eq!(demo.left_behind().len(), 1);
    kill_process(Pid::from_child(&demo.child), Signal::INT).unwrap();
    let ended = until("the demo's end", || demo.child.try_wait().unwrap());
    assert!(ended.success(), "{ended}");
    assert_eq!(demo.left_behind(), Vec::<PathBuf>::new(), "the temporary folder is gone");
}

/// Whoever closes the window has ended the demo, and expects nothing of it to stay.
#[test]
fn it_ends_with_its_terminal() {
    let mut demo = Demo::start(free_port());
    kill_process(Pid::from_child(&demo.child), Signal::HUP).unwrap();
    until("the demo's end", || demo.child.try_wait().unwrap());
    assert_eq!(demo.left_behind(), Vec::<PathBuf>::new());
}

#[test]
fn a_taken_port_is_not_shared_and_the_next_one_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let demo = Demo::start(port);
    let screen = demo.screen.join("\n");
    assert!(screen.contains(&format!("port {port} was taken")), "{screen}");
    assert!(!screen.contains(&format!("http://127.0.0.1:{port}/")), "{screen}");
    let (line, _) = lines(&demo.screen, "curl")[0];
    assert!(sh(line).starts_with("HTTP/1.1 200"), "{line}");
}

#[test]
fn the_screen_has_no_escape_codes_in_a_pipe_and_no_secret() {
    let demo = Demo::start(free_port());
    let screen = demo.screen.join("\n");
    assert!(!screen.contains('\x1b'), "{screen}");
    let folder = demo.left_behind().remove(0);
    let config = std::fs::read_to_string(folder.join("demo.toml")).unwrap();
    let secret = config.lines().find_map(|line| line.strip_prefix("secret  = ")).unwrap();
    assert!(!screen.contains(secret.trim_matches('"')));
    assert_eq!(mode(&folder), 0o700);
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
