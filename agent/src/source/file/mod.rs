//! The lines of a file that grows, followed through rotation, and from where an earlier process was.
//!
//! A line counts when its end is there. A checkpoint is a [`Position`] in every file that is read: a restart goes on exactly
//! there, whatever their names are now. A file that was renamed is read on beside the new one, because its
//! writer opens that one in its own time; it is let go when it is deleted, or enough newer ones are there. A file
//! that was cut is read from its beginning, and what it held unread is looked for in the copy that was made of it.

mod followed;
mod follower;
mod sibling;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::Deserialize;

use super::position::Position;
use super::{Source, Start};
use crate::config::error::ConfigError;
use follower::Follower;

/// Which file it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    path: PathBuf,
}

impl super::Settings for Settings {
    fn check(&self) -> Result<(), (String, String)> {
        if self.path.is_absolute() {
            return Ok(());
        }
        Err((
            "source.path".to_owned(),
            "must be the file's absolute path".to_owned(),
        ))
    }

    fn check_files(&self) -> Result<(), ConfigError> {
        let refuse = |problem: String| ConfigError::File {
            key: "source.path",
            path: self.path.display().to_string(),
            problem,
        };
        match File::open(&self.path).and_then(|file| file.metadata()) {
            Ok(metadata) if metadata.is_dir() => {
                Err(refuse("is a directory; name a file in it".to_owned()))
            }
            Ok(_) => Ok(()),
            // Its writer makes it later, and it is waited for.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(refuse(format!("cannot be read: {error}"))),
        }
    }

    fn makes_events(&self) -> bool {
        false
    }

    fn identity(&self, count: u64) -> String {
        // With the values that keys of other kinds had: so producers up to e66db31 wrote it.
        format!("File {count} 1000 false{}", self.path.display())
    }

    fn open(&self, start: Start) -> Box<dyn Source> {
        let marks = Position::all_of(&start.checkpoint);
        Box::new(Follower::new(self.path.clone(), marks, start.troubles))
    }
}
