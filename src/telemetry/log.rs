//! Log lines: events of the operator's interest on standard error, access lines on standard output.
//!
//! A message is a constant sentence; what varies goes into fields. Access lines are collected per
//! worker and written by one thread, so that a slow reader of standard output never stalls a request;
//! lines that it cannot take are dropped and counted.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::SystemTime,
};

use serde_json::{Map, Value};

use super::instant::{rfc3339_ms, unix_ms};

/// How loud an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A person should look today.
    Error,
    /// We coped; it should be rare.
    Warn,
    /// Start, stop, reload.
    Info,
}

impl Level {
    fn label(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
        }
    }
}

/// Writes one event: text on a terminal, JSON in a pipe.
pub fn event(level: Level, message: &str, fields: &[(&str, &dyn Display)]) {
    let mut err = io::stderr().lock();
    let line = if err.is_terminal() {
        let fields: String =
            fields.iter().map(|(name, value)| format!("  {name}={}", printable(value))).collect();
        format!("{:<8} {message}{fields}", level.label())
    } else {
        let mut line = Map::new();
        line.insert("ts".into(), rfc3339_ms(unix_ms(SystemTime::now())).into());
        line.insert("level".into(), level.label().into());
        line.insert("message".into(), message.into());
        for (name, value) in fields {
            line.insert((*name).into(), value.to_string().into());
        }
        Value::Object(line).to_string()
    };
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(err, "{line}");
}

/// Text for a terminal: control characters could rewrite what is on the screen.
pub(crate) fn printable(value: &dyn Display) -> String {
    value.to_string().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Pieces of the access log that may wait for the writer. 256 pieces of at most 64 KiB bound what a
/// stalled reader can make us hold to 16 MiB.
const PIECES_WAITING: usize = 256;

/// A worker writes its piece early once it has grown to this many bytes.
const PIECE_BYTES: usize = 32 * 1024;

/// The thread that writes access lines; ends when the last [`AccessSink`] is dropped.
pub struct AccessWriter {
    thread: JoinHandle<()>,
}

impl AccessWriter {
    /// Starts the thread; hand a clone of the sink to each worker.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(dropped: Arc<AtomicU64>) -> io::Result<(Self, AccessSink)> {
        let (sender, receiver) = sync_channel(PIECES_WAITING);
        let thread = std::thread::Builder::new()
            .name("access-log".into())
            .spawn(move || write_pieces(&receiver))?;
        let terminal = io::stdout().is_terminal();
        Ok((Self { thread }, AccessSink { sender, piece: Vec::new(), lines: 0, dropped, terminal }))
    }

    /// Waits until everything handed over is written. Drop all sinks first.
    pub fn finish(self) {
        let _ = self.thread.join();
    }
}

fn write_pieces(pieces: &Receiver<Vec<u8>>) {
    let mut out = io::stdout(); // locked for each piece only: a demo prints there too
    while let Ok(piece) = pieces.recv() {
        if out.write_all(&piece).and_then(|()| out.flush()).is_err() {
            return; // the reader is gone; the sinks count what is lost from here on
        }
    }
}

/// A worker's end of the access log.
pub struct AccessSink {
    sender: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
    lines: u64,
    dropped: Arc<AtomicU64>,
    /// Standard output was a terminal when the writer started; it stays what it was.
    terminal: bool,
}

impl Clone for AccessSink {
    fn clone(&self) -> Self {
        let (sender, dropped) = (self.sender.clone(), Arc::clone(&self.dropped));
        Self { sender, piece: Vec::new(), lines: 0, dropped, terminal: self.terminal }
    }
}

impl AccessSink {
    /// Whether the lines appear on a terminal.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Adds one line, which `write` appends without its line end.
    pub fn line(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.piece);
        self.piece.push(b'\n');
        self.lines += 1;
        if self.piece.len() >= PIECE_BYTES {
            self.flush();
        }
    }

    /// Hands what is collected to the writer; the worker's tick calls it.
    pub fn flush(&mut self) {
        if self.piece.is_empty() {
            return;
        }
        let size = self.piece.len();
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(size));
        let lines = std::mem::take(&mut self.lines);
        match self.sender.try_send(piece) {
            Ok(()) => (),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(lines, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for AccessSink {
    fn drop(&mut self) {
        self.flush();
    }
}
