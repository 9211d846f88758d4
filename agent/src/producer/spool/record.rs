//! How an event lies in a segment: its length, a checksum over all that follows and the length, then the event with what
//! is needed to send it again.

use crate::producer::former::Mark;

/// The bytes of length and checksum.
const HEADER: usize = 8;
/// The bytes of the numbers before the texts.
const FIXED: usize = 36;

/// The first of the two words behind the sequence, where they are no former mark: the second is the length of the checkpoint
/// behind the event, or [`WITHIN`].
const CHECKPOINT: u64 = u64::MAX;
/// More events of the batch follow.
const WITHIN: u64 = u64::MAX;

/// Where an event stands in the batch that its source gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// Others of the batch follow.
    Within,
    /// It is the last, and the source was here after it.
    Last(&'a [u8]),
    /// A producer up to e66db31 wrote it, with the two words that told where the source was.
    Former(Mark),
}

/// An event as it is kept and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// When the event was taken, in milliseconds since 1970.
    pub(crate) timestamp: i64,
    /// Its number in its run.
    pub(crate) sequence: u64,
    /// Where it stands in its batch.
    pub(crate) place: Place<'a>,
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
        let (words, checkpoint) = match self.place {
            Place::Within => ([CHECKPOINT, WITHIN], &[][..]),
            Place::Last(checkpoint) => ([CHECKPOINT, checkpoint.len() as u64], checkpoint),
            Place::Former(mark) => (mark, &[][..]),
        };
        for number in [self.sequence, words[0], words[1]] {
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
        buffer.extend_from_slice(checkpoint);
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
        let (place, end) = match [number(16)?, number(24)?] {
            [CHECKPOINT, WITHIN] => (Place::Within, body.len()),
            [CHECKPOINT, length] => {
                let end = body.len().checked_sub(usize::try_from(length).ok()?)?;
                (Place::Last(&body[end..]), end)
            }
            mark => (Place::Former(mark), body.len()),
        };
        let texts = std::str::from_utf8(body.get(FIXED..end)?).ok()?;
        let (run, rest) = texts.split_at_checked(short(32)?)?;
        let (topic, event) = rest.split_at_checked(short(34)?)?;
        let record = Self {
            timestamp: number(0)?.cast_signed(),
            sequence: number(8)?,
            place,
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
        place: Place::Last(&[7, 0xff]),
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
    fn a_place_in_the_batch_comes_back_also_a_former_one() {
        for place in [
            Place::Within,
            Place::Last(&[]),
            Place::Former([0, 0]),
            Place::Former([7, 8]),
        ] {
            let record = Record { place, ..RECORD };
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            assert_eq!(Record::decode(&bytes), Some((record, bytes.len())));
        }
    }

    /// As a producer of e66db31 wrote it: its last batches may wait for Kafka when it is followed by this one.
    #[test]
    fn a_record_of_a_former_producer_is_understood() {
        let mut body = Vec::new();
        for number in [5_u64, 12, 7, 8] {
            body.extend(number.to_le_bytes());
        }
        body.extend([1, 0, 1, 0]);
        body.extend(b"rt{}");
        let length = u32::try_from(body.len()).expect("is short");
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend(checksum(length, &body).to_le_bytes());
        bytes.extend(body);
        let record = Record {
            timestamp: 5,
            sequence: 12,
            place: Place::Former([7, 8]),
            run: "r",
            topic: "t",
            event: "{}",
        };
        assert_eq!(Record::decode(&bytes), Some((record, bytes.len())));
    }

    #[test]
    fn zeros_are_no_record() {
        assert_eq!(Record::decode(&[0; 100]), None);
    }
}
