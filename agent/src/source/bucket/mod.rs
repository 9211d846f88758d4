//! The lines of the objects of a bucket, each object once: as they come, and where one has grown only the rest.
//!
//! The list of the bucket is the truth. It is asked for now and then, and whatever in it was not read is read, a piece at a time;
//! each piece is a transaction of the producer. An object is known by its key and its etag, and how far it was read is kept with a
//! hash of what was read: where the same key has other contents that begin with it, the object has grown.

mod objects;
mod progress;

use super::{Source, Start};
use crate::bucket::Settings;
use crate::config::error::ConfigError;
use objects::Objects;

impl super::Settings for Settings {
    fn check(&self) -> Result<(), (String, String)> {
        self.check()
    }

    fn check_files(&self) -> Result<(), ConfigError> {
        self.check_files()
    }

    fn makes_events(&self) -> bool {
        false
    }

    fn is_in_transactions(&self) -> bool {
        true
    }

    fn identity(&self, count: u64) -> String {
        format!("Bucket {count} {}", self.identity())
    }

    fn open(&self, start: Start) -> Box<dyn Source> {
        Box::new(Objects::new(self.clone(), start))
    }
}
