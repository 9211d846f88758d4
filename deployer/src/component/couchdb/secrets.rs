//! CouchDB's secrets, and what is made of them.

use std::path::Path;

use sha1::Sha1;
use sha2::Sha256;

use super::{ADMIN, NAME, OWN_INI, USER};
use crate::component::{Form, KnownAs, NewSecret, Renewal};
use crate::receipt::Secrets;
use crate::step::Content;

/// The administrator's password.
pub const ADMIN_PASSWORD: &str = "admin_password";
/// The same as CouchDB stores it, with its own salt, so that the rendered file is stable.
pub(super) const ADMIN_HASH: &str = "admin_hash";
/// The password of the agents' user.
pub const USER_PASSWORD: &str = "user_password";
/// Erlang's cookie. Apache's package wants one; the CouchDB that runs has no distribution, and needs none.
const COOKIE: &str = "cookie";
/// What signs the cookies of CouchDB's logins. It is kept, so that they outlive a restart.
pub(super) const SESSION_SECRET: &str = "session_secret";
/// The server's uuid.
pub(super) const UUID: &str = "uuid";

/// All of them.
pub(super) const ALL: &[NewSecret] = &[
    NewSecret {
        key: ADMIN_PASSWORD,
        form: Form::Password,
        known_as: Some(KnownAs {
            name: ADMIN,
            about: "administers CouchDB",
            is_password: true,
            by_security: false,
            renewal: Renewal::Rolling,
        }),
    },
    NewSecret {
        key: ADMIN_HASH,
        form: Form::Hash {
            of: ADMIN_PASSWORD,
            by: admin_hash,
        },
        known_as: None,
    },
    NewSecret {
        key: USER_PASSWORD,
        form: Form::Password,
        known_as: Some(KnownAs {
            name: USER,
            about: "the consumers' user in CouchDB",
            is_password: true,
            by_security: false,
            renewal: Renewal::Rolling,
        }),
    },
    NewSecret {
        key: COOKIE,
        form: Form::Password,
        known_as: Some(KnownAs {
            name: "cookie",
            about: "Apache's package wants it; opens nothing",
            is_password: false,
            by_security: false,
            renewal: Renewal::Never,
        }),
    },
    NewSecret {
        key: SESSION_SECRET,
        form: Form::Password,
        known_as: Some(KnownAs {
            name: "sessions",
            about: "signs the logins of browsers at CouchDB",
            is_password: false,
            by_security: false,
            renewal: Renewal::Rolling,
        }),
    },
    NewSecret {
        key: UUID,
        form: Form::Hex,
        known_as: None,
    },
];

/// How often the admin's password is hashed. Rounds make guessing slow, and ours (190 random bits) cannot be guessed; they would
/// only slow CouchDB's first answer to each client (600 000 rounds: 190 ms). 10 is what CouchDB itself used for years.
const ROUNDS: u32 = 10;
/// The stand-in knows one way of hashing; it is given the rounds it would use itself.
const STAND_IN_ROUNDS: u32 = 10;

fn admin_hash(password: &str, salt: &str) -> String {
    hash(password, salt, ROUNDS)
}

/// A password as CouchDB (3.4 and newer) keeps it in its ini file. The salt counts by its text.
fn hash(password: &str, salt: &str, rounds: u32) -> String {
    let mut key = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt.as_bytes(), rounds, &mut key);
    format!("-pbkdf2:sha256-{},{salt},{rounds}", hex::encode(key))
}

/// The package's question whose answer is a secret.
pub(super) const COOKIE_QUESTION: &str = "couchdb/cookie";

/// What the package asks at its installation. `none` leaves all settings to us; the cookie must be given all the same.
pub(super) fn answers(secrets: &Secrets) -> Content {
    let cookie = secrets.get(NAME, COOKIE);
    Content::secret(format!(
        "couchdb couchdb/mode select none\n\
         couchdb couchdb/mode seen true\n\
         couchdb {COOKIE_QUESTION} string {cookie}\n\
         couchdb {COOKIE_QUESTION} seen true\n"
    ))
}

/// The admin's password as the stand-in stores it. The password is random, so a salt that is known and few rounds lose
/// nothing.
pub(super) fn stand_in_hash(secrets: &Secrets) -> String {
    let salt = secrets.get(NAME, UUID);
    let mut key = [0; 20];
    pbkdf2::pbkdf2_hmac::<Sha1>(
        secrets.get(NAME, ADMIN_PASSWORD).as_bytes(),
        salt.as_bytes(),
        STAND_IN_ROUNDS,
        &mut key,
    );
    format!("-pbkdf2-{},{salt},{STAND_IN_ROUNDS}", hex::encode(key))
}

/// What to do where somebody has changed the administrator's password in CouchDB. `secrets` is the deployment's file of them.
pub fn password_changed(secrets: &Path) -> String {
    format!(
        "the password of CouchDB's user `{ADMIN}` was changed in CouchDB, which keeps it in `[admins]` of its own {OWN_INI}, beside its \
         data, and reads that last: put the new one into `{ADMIN_PASSWORD}` of `{NAME}` in {}, or take that line out and restart \
         CouchDB, then run this again",
        secrets.display()
    )
}

#[cfg(test)]
mod tests {
    use super::hash;

    /// Published vectors of PBKDF2-HMAC-SHA-256.
    #[test]
    fn hashes_as_published() {
        assert_eq!(
            hash("password", "salt", 1),
            "-pbkdf2:sha256-120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b,salt,1"
        );
        assert_eq!(
            hash("password", "salt", 4096),
            "-pbkdf2:sha256-c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a,salt,4096"
        );
    }
}
