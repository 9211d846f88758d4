//! A handful of files as one archive, to be unpacked by root: modes are right from the start, and secrets travel by
//! standard input.

use std::time::{SystemTime, UNIX_EPOCH};

use tar::{Builder, EntryType, Header};

use super::super::program::Program;

/// Files of root, to be put under one directory.
pub(super) struct Tree {
    archive: Builder<Vec<u8>>,
    now: u64,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self {
            archive: Builder::new(Vec::new()),
            now: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        }
    }

    /// A directory. Parents that are not named are made with the usual mode.
    pub(super) fn directory(self, path: &str, mode: u32) -> Self {
        self.entry(EntryType::Directory, path, mode, b"", None)
    }

    /// A file.
    pub(super) fn file(self, path: &str, mode: u32, content: &str) -> Self {
        self.entry(EntryType::Regular, path, mode, content.as_bytes(), None)
    }

    /// A symbolic link.
    pub(super) fn link(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, path, 0o777, b"", Some(target))
    }

    #[expect(
        clippy::expect_used,
        reason = "writing to memory succeeds, and paths here are constants and node names: short"
    )]
    fn entry(
        mut self,
        kind: EntryType,
        path: &str,
        mode: u32,
        content: &[u8],
        target: Option<&str>,
    ) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(self.now);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(content.len() as u64);
        match target {
            Some(target) => self.archive.append_link(&mut header, path, target),
            None => self.archive.append_data(&mut header, path, content),
        }
        .expect("an archive in memory");
        self
    }

    /// The program that unpacks all of it into a directory that exists.
    #[expect(clippy::expect_used, reason = "writing to memory succeeds")]
    pub(super) fn unpack(self, what: impl Into<String>, directory: &str) -> Program {
        let bytes = self.archive.into_inner().expect("an archive in memory");
        let arguments = [
            "--extract",
            "--same-owner",
            "--numeric-owner",
            "--same-permissions",
            "--directory",
            directory,
        ];
        Program::new(what, "tar", arguments).reading(bytes)
    }
}
