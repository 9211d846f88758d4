//! Deadlines that follow progress. A file on its way to a machine may take as long as its way is slow; what ends it is that
//! nothing moves.

use std::fs::File;
use std::io::Seek as _;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::Line;

/// For how long no byte may leave. ssh takes in a few megabytes at once, which a slow line needs its time for.
const STILL: Duration = Duration::from_mins(5);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often one is told.
const TELL: Duration = Duration::from_secs(10);
const MIB: u64 = 1 << 20;

/// A file that is being read by another process: both share one place in it.
#[derive(Debug)]
pub(super) struct Moving {
    file: File,
    size: u64,
}

impl Moving {
    /// Opens a file, for us and for the one who reads it.
    pub(super) fn open(path: &Path) -> std::io::Result<(Self, File)> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let theirs = file.try_clone()?;
        Ok((Self { file, size }, theirs))
    }

    /// Runs what reads the file. `None`: nothing moved for too long, or, with all of it read, the rest took longer than `after`.
    pub(super) async fn watch<T>(
        mut self,
        after: Duration,
        line: Line<'_>,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = std::pin::pin!(work);
        let mut still = Still::new(self.size, STILL, after);
        let mut told = Instant::now();
        loop {
            if let Ok(done) = timeout(LOOK, &mut work).await {
                return Some(done);
            }
            // It is read by nobody else than the one it was given to.
            let at = self.file.stream_position().unwrap_or(0);
            if still.too_long(at, Instant::now()) {
                return None;
            }
            if told.elapsed() >= TELL && at < self.size {
                told = Instant::now();
                line(&format!(
                    "{} of {} MiB sent",
                    at / MIB,
                    self.size.div_ceil(MIB)
                ));
            }
        }
    }
}

/// Since when nothing has moved.
struct Still {
    size: u64,
    between: Duration,
    after: Duration,
    at: u64,
    since: Instant,
}

impl Still {
    fn new(size: u64, between: Duration, after: Duration) -> Self {
        Self {
            size,
            between,
            after,
            at: 0,
            since: Instant::now(),
        }
    }

    fn too_long(&mut self, at: u64, now: Instant) -> bool {
        if at != self.at {
            (self.at, self.since) = (at, now);
        }
        let limit = if at < self.size {
            self.between
        } else {
            self.after
        };
        now.duration_since(self.since) > limit
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Moving, Still};

    #[test]
    fn what_moves_may_take_for_ever_and_what_stands_still_may_not() {
        let minute = Duration::from_mins(1);
        let begin = Instant::now();
        let mut still = Still::new(1_000, minute * 5, minute * 10);
        // Ten days at one byte every four minutes.
        for step in 1..900_u32 {
            assert!(!still.too_long(step.into(), begin + minute * 4 * step));
        }
        let last = begin + minute * 4 * 899;
        assert!(!still.too_long(899, last + minute * 4));
        assert!(still.too_long(899, last + minute * 6), "nothing moves");
        assert!(!still.too_long(1_000, last + minute * 7), "all is read");
        assert!(
            !still.too_long(1_000, last + minute * 16),
            "the rest takes its time"
        );
        assert!(still.too_long(1_000, last + minute * 18));
    }

    #[test]
    fn both_share_one_place_in_the_file() {
        use std::io::Seek as _;
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), [0; 100]).expect("written");
        let (mut moving, _theirs) = Moving::open(file.path()).expect("open");
        let mut other = moving.file.try_clone().expect("another");
        other.read_exact(&mut [0; 40]).expect("read");
        assert_eq!(moving.file.stream_position().expect("a place"), 40);
        assert_eq!(moving.size, 100);
    }
}
