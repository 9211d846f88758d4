//! Files of this box that commands want to know whole: each is read once, and then only after it changed.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::cache::Cache;
use super::{ArtifactError, file_error};
use crate::step::sha256;
use crate::whole_file;

/// The directory of what is known, in the cache.
const KNOWN: &str = "known";
/// What changed as recently may change once more without any clock showing it, so nothing is kept of it.
const YOUNG: Duration = Duration::from_secs(2);

impl Cache {
    /// What `read` makes of all of a file. It is kept, and serves as long as the file system says that the file is the same: by
    /// number, size, and the times of the last change, one of which no program can set.
    pub fn read_once(
        &self,
        kind: &str,
        path: &Path,
        read: impl FnOnce() -> Result<String, ArtifactError>,
    ) -> Result<String, ArtifactError> {
        let look = || std::fs::metadata(path).map_err(file_error("read", path));
        let name = sha256(format!("{kind} {}", path.display()).as_bytes());
        let (there, known) = (look()?, self.directory().join(KNOWN).join(name));
        if let Ok(record) = std::fs::read_to_string(&known)
            && let Some(text) = serves(&record, &there)
        {
            return Ok(text.to_owned());
        }
        let text = read()?;
        if mark(&look()?) == mark(&there) && has_settled(&there, SystemTime::now()) {
            // What cannot be kept is read again, which is slower and no harm.
            drop(keep(&known, &record(&text, &there)));
        }
        Ok(text)
    }
}

/// What a file is told from another one by, or from itself before a change.
fn mark(file: &Metadata) -> String {
    let place = (file.dev(), file.ino(), file.size());
    let times = (file.mtime(), file.mtime_nsec());
    let change = (file.ctime(), file.ctime_nsec());
    format!("{place:?} {times:?} {change:?}")
}

fn has_settled(file: &Metadata, now: SystemTime) -> bool {
    let changed = u64::try_from(file.ctime()).map(Duration::from_secs);
    changed.is_ok_and(|changed| UNIX_EPOCH + changed + YOUNG < now)
}

/// A line that the rest is checked by, a line that says of which file it is, and what was made of it.
fn record(text: &str, file: &Metadata) -> String {
    let rest = format!("{}\n{text}", mark(file));
    format!("{}\n{rest}", sha256(rest.as_bytes()))
}

/// What a record says of a file; `None`: it is damaged, or of another one.
fn serves<'a>(record: &'a str, file: &Metadata) -> Option<&'a str> {
    let (check, rest) = record.split_once('\n')?;
    let (of, text) = rest.split_once('\n')?;
    (of == mark(file) && check == sha256(rest.as_bytes())).then_some(text)
}

fn keep(path: &Path, record: &str) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    whole_file::replace(path, record.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_file_is_another_one_once_it_was_written_whatever_its_size_and_time_say() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        std::fs::write(&path, "one").expect("written");
        let file = File::open(&path).expect("opened");
        let before = file.metadata().expect("there");
        let kept = record("read", &before);
        assert_eq!(serves(&kept, &before), Some("read"));
        let deadline = Instant::now() + Duration::from_mins(1);
        // Until the clock of the file system has gone on.
        let after = loop {
            std::fs::write(&path, "two").expect("written");
            let file = File::options().write(true).open(&path).expect("opened");
            file.set_modified(before.modified().expect("a time"))
                .expect("set");
            let after = file.metadata().expect("there");
            if after.ctime_nsec() != before.ctime_nsec() || Instant::now() > deadline {
                break after;
            }
        };
        assert_eq!(after.modified().ok(), before.modified().ok());
        assert_eq!(after.len(), before.len());
        assert_eq!(serves(&kept, &after), None);
    }

    #[test]
    fn a_damaged_record_serves_for_nothing() {
        let file = std::fs::metadata("/").expect("there");
        let kept = record("read", &file);
        for damaged in ["", "\n", &kept[1..], &kept[..kept.len() - 1]] {
            assert_eq!(serves(damaged, &file), None, "{damaged:?}");
        }
    }

    #[test]
    fn nothing_is_kept_of_a_file_that_has_just_changed() {
        let file = std::fs::metadata("/").expect("there");
        let changed = UNIX_EPOCH + Duration::from_secs(u64::try_from(file.ctime()).expect("late"));
        assert!(!has_settled(&file, changed + Duration::from_secs(1)));
        assert!(has_settled(&file, changed + Duration::from_secs(4)));
    }
}
