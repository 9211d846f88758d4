//! Where the spool is read: a segment's records in their order, a chunk at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::SpoolError;
use super::record::Record;
use super::segment::Segment;

/// How many bytes are read at once; more than the largest record.
const CHUNK: u64 = 1 << 20;

/// Where the next record is read.
#[derive(Debug)]
pub(super) struct Reader {
    /// The first ticket of the segment.
    pub(super) segment: u64,
    file: File,
    pub(super) offset: u64,
    pub(super) ticket: u64,
    /// Bytes that were read from the file and not shown yet: those from here on.
    chunk: Vec<u8>,
    shown: usize,
}

impl Reader {
    /// Begins with the segment that holds a ticket, or the first after it.
    pub(super) fn open(segments: &VecDeque<Segment>, ticket: u64) -> Result<Self, SpoolError> {
        let holds = |segment: &&Segment| segment.end() > ticket;
        let segment = segments.iter().find(holds).or(segments.back());
        match segment {
            Some(segment) => Self::begin(segment),
            None => Err(SpoolError::file(Path::new("spool"), "read")(
                io::ErrorKind::NotFound.into(),
            )),
        }
    }

    pub(super) fn begin(segment: &Segment) -> Result<Self, SpoolError> {
        let file = File::open(&segment.path).map_err(SpoolError::file(&segment.path, "read"))?;
        Ok(Self {
            segment: segment.first,
            file,
            offset: 0,
            ticket: segment.first,
            chunk: Vec::new(),
            shown: 0,
        })
    }

    /// Shows whole records of a segment.
    pub(super) fn read(
        &mut self,
        segment: &Segment,
        most: usize,
        see: &mut impl FnMut(u64, &Record<'_>),
    ) -> Result<usize, SpoolError> {
        let mut seen = self.show(most, see);
        if seen == 0 {
            self.fill(segment)?;
            seen = self.show(most, see);
        }
        // A record may end beyond the chunk, but not when it is the first one in it.
        if seen == 0 {
            return Err(SpoolError::Damaged {
                path: segment.path.clone(),
                offset: self.offset,
            });
        }
        Ok(seen)
    }

    /// Takes what was just written as its chunk, where it has shown all before that: it need not be read from the file.
    pub(super) fn take_over(&mut self, segment: &Segment, start: u64, written: &mut Vec<u8>) {
        if (self.segment, self.offset) == (segment.first, start) {
            std::mem::swap(&mut self.chunk, written);
            self.shown = 0;
        }
    }

    /// Shows whole records of the chunk.
    fn show(&mut self, most: usize, see: &mut impl FnMut(u64, &Record<'_>)) -> usize {
        let mut seen = 0;
        while seen < most
            && let Some((record, size)) = Record::decode(&self.chunk[self.shown..])
        {
            see(self.ticket, &record);
            self.shown += size;
            self.offset += size as u64;
            self.ticket += 1;
            seen += 1;
        }
        seen
    }

    /// Reads the next chunk of a segment.
    fn fill(&mut self, segment: &Segment) -> Result<(), SpoolError> {
        let length = usize::try_from(CHUNK.min(segment.bytes - self.offset)).unwrap_or(0);
        // Nothing old is left where reading fails.
        self.chunk.clear();
        self.chunk.resize(length, 0);
        self.shown = 0;
        self.file
            .read_exact_at(&mut self.chunk, self.offset)
            .map_err(SpoolError::file(&segment.path, "read"))
    }
}
