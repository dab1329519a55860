//! The files that a configuration names, all read through here: a wrong path such as `/dev/zero` must not
//! fill the memory, and whoever tries texts that a stranger wrote must not read a file for them.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read as _},
    path::Path,
};

use rustls::pki_types::CertificateDer;

/// Largest file of rules or certificates, bytes: some hundred thousand rules.
pub(super) const FILE_BYTES_MAX: u64 = 16 << 20;

/// Where files are.
pub(super) enum Disk {
    /// On this machine.
    Real,
    /// Nowhere: every file holds this text, every folder one file, and the system vouches for nobody.
    #[cfg(any(test, fuzzing))]
    Made(String),
}

impl Disk {
    /// A file's bytes, of which there are at most `max`.
    ///
    /// # Errors
    /// Those of the system, and [`FileTooLarge`](ErrorKind::FileTooLarge).
    pub(super) fn read(&self, path: &Path, max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self {
            Self::Real => drop(File::open(path)?.take(max + 1).read_to_end(&mut bytes)?),
            #[cfg(any(test, fuzzing))]
            Self::Made(text) => bytes.extend_from_slice(text.as_bytes()),
        }
        if bytes.len() as u64 > max {
            return Err(ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }

    /// The same of a file of text.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), and [`InvalidData`](ErrorKind::InvalidData).
    pub(super) fn read_text(&self, path: &Path, max: u64) -> io::Result<String> {
        String::from_utf8(self.read(path, max)?).map_err(|_| ErrorKind::InvalidData.into())
    }

    /// The names in a folder that are text.
    pub(super) fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        match self {
            Self::Real => fs::read_dir(folder)?
                .filter_map(|entry| {
                    entry.map(|entry| entry.file_name().into_string().ok()).transpose()
                })
                .collect(),
            #[cfg(any(test, fuzzing))]
            Self::Made(_) => Ok(vec!["made.toml".to_owned()]),
        }
    }

    pub(super) fn is_file(&self, path: &Path) -> bool {
        match self {
            Self::Real => path.is_file(),
            #[cfg(any(test, fuzzing))]
            Self::Made(_) => true,
        }
    }

    /// Whether two paths are one file.
    pub(super) fn is_same(&self, a: &Path, b: &Path) -> bool {
        match self {
            Self::Real => match (a.canonicalize(), b.canonicalize()) {
                (Ok(a), Ok(b)) => a == b,
                _ => a == b,
            },
            #[cfg(any(test, fuzzing))]
            Self::Made(_) => a == b,
        }
    }

    /// Whom the system lets vouch for servers.
    pub(super) fn system_roots(&self) -> Vec<CertificateDer<'static>> {
        match self {
            Self::Real => rustls_native_certs::load_native_certs().certs,
            #[cfg(any(test, fuzzing))]
            Self::Made(_) => Vec::new(),
        }
    }
}
