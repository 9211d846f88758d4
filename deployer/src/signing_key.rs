//! Public keys that sign package repositories: read, named by their fingerprints, and armoured anew as apt takes them.
//!
//! Only as much of `OpenPGP` (RFC 9580) as that needs: whether a signature is good, apt decides on the node.

use base64_simd::STANDARD;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

/// Letters in a line of armour.
const LINE: usize = 64;

/// One or more public keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    packets: Vec<u8>,
    fingerprints: Vec<String>,
}

/// Why something is not a public key. Completes a sentence that begins with the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither armour nor packets.
    #[error("is not an OpenPGP public key; `gpg --export --armor KEY` writes one")]
    Unknown,
    /// It would be on every node.
    #[error(
        "holds a private key, which belongs on no node; `gpg --export --armor KEY` writes the public one"
    )]
    Private,
    /// Cut or changed.
    #[error("is a damaged OpenPGP key: {0}")]
    Damaged(&'static str),
    /// Newer than this program.
    #[error(
        "is an OpenPGP key of version {0}, which apt does not take everywhere; version 4 is wanted"
    )]
    Version(u8),
    /// Not the one that was meant.
    #[error("is the key {found}, but {wanted} is wanted")]
    Another {
        /// Its fingerprints.
        found: String,
        /// The pinned one.
        wanted: &'static str,
    },
}

impl SigningKey {
    /// Reads a key that must be the one with this fingerprint.
    pub fn pinned(file: &[u8], fingerprint: &'static str) -> Result<Self, KeyError> {
        let key = Self::read(file)?;
        if key.fingerprints == [fingerprint] {
            return Ok(key);
        }
        Err(KeyError::Another {
            found: key.fingerprints(),
            wanted: fingerprint,
        })
    }

    /// Reads a file of keys, armoured or not.
    pub fn read(file: &[u8]) -> Result<Self, KeyError> {
        let packets = match std::str::from_utf8(file) {
            Ok(text) if text.contains("-----BEGIN PGP") => without_armour(text)?,
            _ => file.to_vec(),
        };
        let fingerprints = fingerprints(&packets)?;
        Ok(Self {
            packets,
            fingerprints,
        })
    }

    /// The fingerprints of all keys, in upper-case hex.
    pub fn fingerprints(&self) -> String {
        self.fingerprints.join(", ")
    }

    /// All keys in one block of armour. apt reads the first block of a file alone.
    pub fn armoured(&self) -> String {
        let letters = STANDARD.encode_to_string(&self.packets);
        let mut text = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n".to_owned();
        let mut rest = letters.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(LINE.min(rest.len()));
            text.push_str(line);
            text.push('\n');
            rest = after;
        }
        text + "-----END PGP PUBLIC KEY BLOCK-----\n"
    }
}

/// The packets of all blocks of armour, end to end.
fn without_armour(text: &str) -> Result<Vec<u8>, KeyError> {
    let mut packets = Vec::new();
    let mut lines = text.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("-----BEGIN PGP ") else {
            continue;
        };
        match kind {
            "PUBLIC KEY BLOCK-----" => {}
            "PRIVATE KEY BLOCK-----" => return Err(KeyError::Private),
            _ => return Err(KeyError::Unknown),
        }
        let mut letters = String::new();
        let mut ended = false;
        for line in lines.by_ref() {
            if line.starts_with("-----END") {
                ended = true;
                break;
            }
            // Headers have a colon, the checksum begins with a sign that only ends letters.
            if !line.contains(':') && !line.starts_with('=') {
                letters.push_str(line);
            }
        }
        if !ended {
            return Err(KeyError::Damaged("its armour does not end"));
        }
        let block = STANDARD.decode_to_vec(letters);
        packets.extend(block.map_err(|_| KeyError::Damaged("its armour is not base64"))?);
    }
    Ok(packets)
}

/// The fingerprints of all primary keys among packets, which must be public keys with what belongs to them.
fn fingerprints(packets: &[u8]) -> Result<Vec<String>, KeyError> {
    const PRIVATE: [u8; 2] = [5, 7];
    const PUBLIC: u8 = 6;
    let mut found = Vec::new();
    let mut rest = packets;
    while !rest.is_empty() {
        let (tag, body, after) = packet(rest).ok_or(if found.is_empty() {
            KeyError::Unknown
        } else {
            KeyError::Damaged("it is cut off")
        })?;
        if PRIVATE.contains(&tag) {
            return Err(KeyError::Private);
        }
        if tag == PUBLIC {
            found.push(fingerprint(body)?);
        } else if found.is_empty() {
            return Err(KeyError::Unknown);
        }
        rest = after;
    }
    if found.is_empty() {
        return Err(KeyError::Unknown);
    }
    Ok(found)
}

fn fingerprint(body: &[u8]) -> Result<String, KeyError> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    match body.first() {
        Some(4) => {
            let mut digest = Sha1::new();
            digest.update([0x99, length[2], length[3]]);
            digest.update(body);
            Ok(hex::encode_upper(digest.finalize()))
        }
        Some(6) => {
            let mut digest = Sha256::new();
            digest.update([0x9b]);
            digest.update(length);
            digest.update(body);
            Ok(hex::encode_upper(digest.finalize()))
        }
        Some(version) => Err(KeyError::Version(*version)),
        None => Err(KeyError::Damaged("a key is empty")),
    }
}

/// The first packet: its tag, its body, and what comes after it. Keys have no packets of unknown length.
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&head, rest) = bytes.split_first()?;
    if head & 0x80 == 0 {
        return None;
    }
    let number = |bytes: &[u8]| {
        let sum = bytes
            .iter()
            .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        usize::try_from(sum).ok()
    };
    let (tag, length, rest) = if head & 0x40 == 0 {
        let (length, rest) = rest.split_at_checked(match head & 3 {
            0 => 1,
            1 => 2,
            2 => 4,
            _ => return None,
        })?;
        ((head >> 2) & 0x0f, number(length)?, rest)
    } else {
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..192 => (usize::from(first), rest),
            192..224 => {
                let (&second, rest) = rest.split_first()?;
                (
                    ((usize::from(first) - 192) << 8) + usize::from(second) + 192,
                    rest,
                )
            }
            255 => {
                let (length, rest) = rest.split_at_checked(4)?;
                (number(length)?, rest)
            }
            224..255 => return None,
        };
        (head & 0x3f, length, rest)
    };
    let (body, after) = rest.split_at_checked(length)?;
    Some((tag, body, after))
}

#[cfg(test)]
mod tests {
    use super::{KeyError, SigningKey};
    use crate::component::couchdb::package::{FINGERPRINT, KEY};

    #[test]
    fn apaches_key_is_the_one_that_is_pinned_and_survives_new_armour() {
        let key = SigningKey::pinned(KEY, FINGERPRINT).expect("Apache's key");
        assert_eq!(key.fingerprints(), FINGERPRINT);
        let again = SigningKey::read(key.armoured().as_bytes()).expect("new armour");
        assert_eq!(again, key);
        assert_eq!(SigningKey::read(&key.packets).expect("without armour"), key);
        // apt reads the first block of a file alone, so several become one.
        let twice = SigningKey::read(&[KEY, b"\n", KEY].concat());
        let twice = twice.expect("two blocks");
        assert_eq!(twice.fingerprints.len(), 2);
        assert_eq!(twice.armoured().matches("BEGIN").count(), 1);
    }

    #[test]
    fn what_is_no_public_key_is_refused_with_the_reason() {
        let text = String::from_utf8_lossy(KEY);
        let cut = text.lines().take(20).collect::<Vec<_>>().join("\n");
        let private = text.replace("PUBLIC", "PRIVATE");
        let message = text.replace("PUBLIC KEY BLOCK", "MESSAGE");
        let packets = SigningKey::read(KEY).expect("a key").packets;
        let mut secret = packets.clone();
        secret[0] = 0x80 | (5 << 2) | (secret[0] & 3);
        let damaged = text.replace("mQQN", "m?QN");
        for (file, error) in [
            (&b""[..], KeyError::Unknown),
            (b"<html>come back later</html>", KeyError::Unknown),
            (b"\0\0\0\x20KBXf", KeyError::Unknown),
            (message.as_bytes(), KeyError::Unknown),
            (private.as_bytes(), KeyError::Private),
            (&secret, KeyError::Private),
            (cut.as_bytes(), KeyError::Damaged("its armour does not end")),
            (
                damaged.as_bytes(),
                KeyError::Damaged("its armour is not base64"),
            ),
            (
                &packets[..packets.len() - 9],
                KeyError::Damaged("it is cut off"),
            ),
        ] {
            assert_eq!(SigningKey::read(file), Err(error));
        }
    }
}
