//! MariaDB's secrets, and what is made of them.

use sha1::{Digest, Sha1};

use super::{ADMIN, USER};
use crate::component::{Form, KnownAs, NewSecret, Renewal};

/// The password of the consumers' user.
pub const USER_PASSWORD: &str = "user_password";
/// The same as MariaDB keeps it.
pub(super) const USER_HASH: &str = "user_hash";
/// The password of whoever may do anything with the deployment's tables.
const ADMIN_PASSWORD: &str = "admin_password";
/// The same as MariaDB keeps it.
pub(super) const ADMIN_HASH: &str = "admin_hash";

/// All of them.
pub(super) const ALL: &[NewSecret] = &[
    password(USER_PASSWORD, USER, "the consumers' user in MariaDB"),
    hashed(USER_HASH, USER_PASSWORD),
    password(
        ADMIN_PASSWORD,
        ADMIN,
        "may do anything with MariaDB's tables",
    ),
    hashed(ADMIN_HASH, ADMIN_PASSWORD),
];

const fn password(key: &'static str, name: &'static str, about: &'static str) -> NewSecret {
    NewSecret {
        key,
        form: Form::Password,
        known_as: Some(KnownAs {
            name,
            about,
            is_password: true,
            by_security: false,
            renewal: Renewal::Rolling,
        }),
    }
}

const fn hashed(key: &'static str, of: &'static str) -> NewSecret {
    NewSecret {
        key,
        form: Form::Hash { of, by: hash },
        known_as: None,
    }
}

/// A password as `mysql_native_password` keeps it: it knows no salt, and a password of ours (190 random bits) needs none.
/// <https://mariadb.com/kb/en/authentication-plugin-mysql_native_password/>
fn hash(password: &str, _: &str) -> String {
    let twice = Sha1::digest(Sha1::digest(password.as_bytes()));
    format!("*{}", hex::encode_upper(twice))
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn a_hash_is_what_the_server_makes_of_a_password() {
        // SELECT PASSWORD('mariadb');
        assert_eq!(
            hash("mariadb", "x"),
            "*54958E764CE10E50764C2EECBB71D01F08549980"
        );
    }
}
