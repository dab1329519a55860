//! The backend, as a process of its own that can be killed and held: it says who asked for what, keeps a
//! journal of what it was asked to do, and misbehaves when it is told to.

use std::{
    collections::{HashSet, VecDeque},
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

/// The first argument of the process that is the backend.
pub(crate) const MODE: &str = "backend";

/// Before a target: has it been asked for?
pub(crate) const HEARD: &str = "/heard";

/// How many targets are remembered for that: who wants to know asks at once.
const MEMORY: usize = 2_000;

/// What it does to every request, by the last letter of `/control/…`.
const WELL: u8 = b'w';
const RESET: u8 = b'r';
const HALF: u8 = b'h';
const GARBAGE: u8 = b'g';
const SLOW: u8 = b's';

/// Slow, and yet well within every limit.
const PAUSE: Duration = Duration::from_millis(200);

/// What it was asked.
struct Journal {
    /// All that had an effect.
    file: File,
    recent: HashSet<String>,
    /// The same in their order.
    order: VecDeque<String>,
}

impl Journal {
    /// Takes note of a request. Only a target that is asked for once has a hyphen.
    fn note(&mut self, method: &str, target: &str) {
        if method == "POST" {
            writeln!(self.file, "{target}").unwrap();
        } else if target.contains('-') && self.recent.insert(target.to_owned()) {
            self.order.push_back(target.to_owned());
            if self.order.len() > MEMORY {
                self.order.pop_front().map(|oldest| self.recent.remove(&oldest));
            }
        }
    }
}

/// Serves until the process is killed. Every POST is in `journal` before it is answered.
pub(crate) fn serve(port: u16, journal: &str) -> ! {
    let file = OpenOptions::new().create(true).append(true).open(journal).unwrap();
    let journal = Journal { file, recent: HashSet::new(), order: VecDeque::new() };
    let (journal, mode) = (Arc::new(Mutex::new(journal)), Arc::new(AtomicU8::new(WELL)));
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    loop {
        let Ok((stream, _)) = listener.accept() else { continue };
        let (journal, mode) = (Arc::clone(&journal), Arc::clone(&mode));
        thread::spawn(move || connection(stream, &journal, &mode));
    }
}

fn connection(stream: TcpStream, journal: &Mutex<Journal>, mode: &AtomicU8) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut subject, mut length) = (String::new(), String::new(), 0);
        reader.read_line(&mut first).ok().filter(|count| *count > 0)?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
            let Some((name, value)) = line.split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().ok()?,
                "x-auth-subject" => value.trim().clone_into(&mut subject),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let mut words = first.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let mut said = format!("{target} {subject}");
        if let Some(wanted) = target.strip_prefix("/control/") {
            mode.store(*wanted.as_bytes().first()?, SeqCst);
        } else if let Some(target) = target.strip_prefix(HEARD) {
            let is_known = journal.lock().unwrap().recent.contains(target);
            (if is_known { "yes" } else { "no" }).clone_into(&mut said);
        } else {
            journal.lock().unwrap().note(method, target);
        }
        let whole = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{said}", said.len());
        match mode.load(SeqCst) {
            RESET => {
                socket2::SockRef::from(reader.get_ref()).set_linger(Some(Duration::ZERO)).ok()?;
                return None;
            }
            HALF => {
                reader.get_mut().write_all(&whole.as_bytes()[..whole.len() - 3]).ok()?;
                return None;
            }
            GARBAGE => {
                reader.get_mut().write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n").ok()?;
                return None;
            }
            SLOW => thread::sleep(PAUSE),
            _ => {}
        }
        reader.get_mut().write_all(whole.as_bytes()).ok()?;
    }
}
