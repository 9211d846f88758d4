//! The generated secrets and their file.

use std::path::Path;

use rand::Rng as _;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{JournalError, format, store};
use crate::receipt::Secrets;
use crate::secret::Secret;

const VERSION: u32 = 1;

/// How often the admin's password is hashed. Rounds make guessing slow, and ours (190 random bits) cannot be guessed; they would
/// only slow CouchDB's first answer to each client (600 000 rounds: 190 ms). 10 is what CouchDB itself used for years.
const ROUNDS: u32 = 10;

/// The secrets as they lie on disk: [`Secret`] refuses to be written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OnDisk {
    version: u32,
    couchdb_admin_password: String,
    couchdb_admin_hash: String,
    couchdb_user_password: String,
    couchdb_cookie: String,
    couchdb_uuid: String,
}

pub(super) fn load(path: &Path) -> Result<Secrets, JournalError> {
    format::load_as(path, VERSION, |_, value| value).map(OnDisk::into_secrets)
}

pub(super) fn load_or_generate(path: &Path) -> Result<Secrets, JournalError> {
    match load(path) {
        Err(JournalError::Missing(_)) => {
            let generated = OnDisk::generate();
            store(path, &generated)?;
            Ok(generated.into_secrets())
        }
        loaded => loaded,
    }
}

impl OnDisk {
    fn into_secrets(self) -> Secrets {
        Secrets {
            couchdb_admin_password: Secret::new(self.couchdb_admin_password),
            couchdb_admin_hash: Secret::new(self.couchdb_admin_hash),
            couchdb_user_password: Secret::new(self.couchdb_user_password),
            couchdb_cookie: Secret::new(self.couchdb_cookie),
            couchdb_uuid: self.couchdb_uuid,
        }
    }

    fn generate() -> Self {
        let admin_password = password();
        let salt = hex::encode(rand::random::<[u8; 16]>());
        Self {
            version: VERSION,
            couchdb_admin_hash: couchdb_hash(&admin_password, &salt, ROUNDS),
            couchdb_admin_password: admin_password,
            couchdb_user_password: password(),
            couchdb_cookie: password(),
            couchdb_uuid: hex::encode(rand::random::<[u8; 16]>()),
        }
    }
}

/// 32 letters and digits: nothing that a URL, an ini file or a shell would read in its own way.
fn password() -> String {
    rand::rng()
        .sample_iter(rand::distr::Alphanumeric)
        .take(32)
        .map(char::from)
        .collect()
}

/// A password as CouchDB (3.4 and newer) keeps it in its ini file. The salt counts by its text.
pub fn couchdb_hash(password: &str, salt: &str, rounds: u32) -> String {
    let mut key = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt.as_bytes(), rounds, &mut key);
    format!("-pbkdf2:sha256-{},{salt},{rounds}", hex::encode(key))
}

#[cfg(test)]
mod tests {
    use super::couchdb_hash;

    /// Published vectors of PBKDF2-HMAC-SHA-256.
    #[test]
    fn hashes_as_published() {
        assert_eq!(
            couchdb_hash("password", "salt", 1),
            "-pbkdf2:sha256-120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b,salt,1"
        );
        assert_eq!(
            couchdb_hash("password", "salt", 4096),
            "-pbkdf2:sha256-c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a,salt,4096"
        );
    }
}
