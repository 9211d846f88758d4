//! How an event lies in a segment: its length, a checksum over all that follows and the length, then the event with what
//! is needed to send it again.

/// The bytes of length and checksum.
const HEADER: usize = 8;
/// The bytes of the numbers before the texts.
const FIXED: usize = 36;

/// An event as it is kept and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// When the event was taken, in milliseconds since 1970.
    pub(crate) timestamp: i64,
    /// Its number in its run.
    pub(crate) sequence: u64,
    /// Where its source was after it.
    pub(crate) mark: [u64; 2],
    /// The run it belongs to; at most 64 KiB, as is the topic.
    pub(crate) run: &'a str,
    /// The topic it goes to.
    pub(crate) topic: &'a str,
    /// The event: one JSON document.
    pub(crate) event: &'a str,
}

impl<'a> Record<'a> {
    /// Adds the record's bytes to a buffer.
    pub(super) fn encode(&self, buffer: &mut Vec<u8>) {
        let start = buffer.len();
        buffer.extend_from_slice(&[0; HEADER]);
        buffer.extend_from_slice(&self.timestamp.to_le_bytes());
        for number in [self.sequence, self.mark[0], self.mark[1]] {
            buffer.extend_from_slice(&number.to_le_bytes());
        }
        for text in [self.run, self.topic] {
            // Names that long never pass the configuration's checks.
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
            buffer.extend_from_slice(&length.to_le_bytes());
        }
        for text in [self.run, self.topic, self.event] {
            buffer.extend_from_slice(text.as_bytes());
        }
        // Events are bounded far below 4 GB where they are made.
        let length = u32::try_from(buffer.len() - start - HEADER).unwrap_or(u32::MAX);
        let sum = checksum(length, &buffer[start + HEADER..]);
        buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
        buffer[start + 4..start + HEADER].copy_from_slice(&sum.to_le_bytes());
    }

    /// Reads the record at the beginning of some bytes. Returns it and how many bytes it takes; none where it is not
    /// whole or not as it was written.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let length = length(bytes)?;
        let sum = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
        let size = HEADER + usize::try_from(length).ok()?;
        let body = bytes.get(HEADER..size)?;
        if checksum(length, body) != sum || body.len() < FIXED {
            return None;
        }
        let number = |at: usize| Some(u64::from_le_bytes(*body.get(at..)?.first_chunk()?));
        let short = |at: usize| {
            Some(usize::from(u16::from_le_bytes(
                *body.get(at..)?.first_chunk()?,
            )))
        };
        let texts = std::str::from_utf8(&body[FIXED..]).ok()?;
        let (run, rest) = texts.split_at_checked(short(32)?)?;
        let (topic, event) = rest.split_at_checked(short(34)?)?;
        let record = Self {
            timestamp: number(0)?.cast_signed(),
            sequence: number(8)?,
            mark: [number(16)?, number(24)?],
            run,
            topic,
            event,
        };
        Some((record, size))
    }
}

/// Returns how many bytes the record at the beginning of some bytes takes, if that can be read.
pub(super) fn size(bytes: &[u8]) -> Option<usize> {
    Some(HEADER + usize::try_from(length(bytes)?).ok()?)
}

fn length(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.first_chunk()?))
}

fn checksum(length: u32, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: Record<'static> = Record {
        timestamp: -1,
        sequence: 12,
        mark: [7, 8],
        run: "r",
        topic: "tö",
        event: r#"{"a":1.50}"#,
    };

    #[test]
    fn a_record_comes_back_as_it_was_and_a_changed_bit_is_seen() {
        let mut bytes = Vec::new();
        RECORD.encode(&mut bytes);
        let size = bytes.len();
        RECORD.encode(&mut bytes);
        assert_eq!(Record::decode(&bytes), Some((RECORD, size)));
        for bit in 0..size * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Record::decode(&bytes), None, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        for length in 0..size {
            assert_eq!(Record::decode(&bytes[..length]), None, "cut at {length}");
        }
    }

    #[test]
    fn zeros_are_no_record() {
        assert_eq!(Record::decode(&[0; 100]), None);
    }
}
