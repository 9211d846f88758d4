//! Users who log in by SCRAM. Kafka keeps no password: it knows how often each was hashed, and tells no more of it.

use std::collections::BTreeMap;
use std::ptr;
use std::time::Duration;

use native::rd_kafka_ScramMechanism_t as NativeMechanism;
use native::rd_kafka_admin_op_t as Call;
use rdkafka::ClientContext;
use rdkafka::admin::AdminClient;
use rdkafka::bindings as native;

use crate::call::{Error, Owned, ask, ask_for, c_string, code_of, failed, parts, text};

/// How a password is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// By SHA-256.
    Sha256,
    /// By SHA-512.
    Sha512,
}

impl Mechanism {
    fn native(self) -> NativeMechanism {
        match self {
            Self::Sha256 => NativeMechanism::RD_KAFKA_SCRAM_MECHANISM_SHA_256,
            Self::Sha512 => NativeMechanism::RD_KAFKA_SCRAM_MECHANISM_SHA_512,
        }
    }
}

/// What Kafka tells of a user's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential {
    /// How it is hashed.
    pub mechanism: Mechanism,
    /// How often; Kafka takes 4096 to 16384.
    pub iterations: i32,
}

/// A change of a user. It may hold a password, so nothing shows it.
pub enum Change<'a> {
    /// He logs in by this password, hashed so often by SHA-512.
    Set {
        /// The user.
        user: &'a str,
        /// The password, which is hashed here and never sent.
        password: &'a str,
        /// How often.
        iterations: i32,
    },
    /// He logs in no more.
    Remove {
        /// The user.
        user: &'a str,
        /// By which of his passwords.
        mechanism: Mechanism,
    },
}

/// Returns all users with what is known of their passwords.
///
/// # Errors
/// When no broker answers in time, or when we may not ask.
pub fn describe_users<C: ClientContext>(
    client: &AdminClient<C>,
    timeout: Duration,
) -> Result<BTreeMap<String, Vec<Credential>>, Error> {
    let asked = "which users there are";
    let operation = Call::RD_KAFKA_ADMIN_OP_DESCRIBEUSERSCRAMCREDENTIALS;
    let answer = ask(client, asked, operation, timeout, |way| {
        // SAFETY: the client, options and queue live during the call; no names are all users.
        unsafe {
            native::rd_kafka_DescribeUserScramCredentials(
                way.client,
                ptr::null_mut(),
                0,
                way.options,
                way.queue,
            );
        }
    })?;
    let code = code_of(&answer);
    if code != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        // With a broker's refusal librdkafka (2.12.1) keeps a text that was on its stack, and would free it: such an answer
        // is neither read nor given back.
        std::mem::forget(answer);
        // SAFETY: the text of a code is librdkafka's for ever.
        let reason = unsafe { text(native::rd_kafka_err2str(code)) };
        return Err(Error::new(asked, code.into(), reason));
    }
    // SAFETY: both are of this call, whose answer is no error.
    let descriptions = unsafe {
        parts(
            &answer,
            native::rd_kafka_event_DescribeUserScramCredentials_result,
            native::rd_kafka_DescribeUserScramCredentials_result_descriptions,
        )
    };
    let mut users = BTreeMap::new();
    for description in descriptions {
        // SAFETY: the description and all in it live as long as the answer.
        let user = unsafe {
            failed(
                asked,
                native::rd_kafka_UserScramCredentialsDescription_error(description),
            )?;
            text(native::rd_kafka_UserScramCredentialsDescription_user(
                description,
            ))
        };
        // SAFETY: as above.
        let credentials = unsafe { credentials(asked, description) }?;
        users.insert(user, credentials);
    }
    Ok(users)
}

/// Copies what is known of a user's passwords.
///
/// # Safety
/// The description lives.
unsafe fn credentials(
    asked: &str,
    description: *const native::rd_kafka_UserScramCredentialsDescription_t,
) -> Result<Vec<Credential>, Error> {
    // SAFETY: the function is the same. Its answer is an enum in the bindings, but in C any number that the broker sent.
    let mechanism_of = unsafe {
        std::mem::transmute::<
            unsafe extern "C" fn(*const native::rd_kafka_ScramCredentialInfo_t) -> NativeMechanism,
            unsafe extern "C" fn(*const native::rd_kafka_ScramCredentialInfo_t) -> u32,
        >(native::rd_kafka_ScramCredentialInfo_mechanism)
    };
    // SAFETY: the description lives, and there are as many credentials in it as it says.
    let read = |index| unsafe {
        let credential = native::rd_kafka_UserScramCredentialsDescription_scramcredentialinfo(
            description,
            index,
        );
        (
            mechanism_of(credential),
            native::rd_kafka_ScramCredentialInfo_iterations(credential),
        )
    };
    // SAFETY: the description lives.
    let count = unsafe {
        native::rd_kafka_UserScramCredentialsDescription_scramcredentialinfo_count(description)
    };
    let known = [Mechanism::Sha256, Mechanism::Sha512];
    (0..count)
        .map(|index| {
            let (number, iterations) = read(index);
            let mechanism = known.into_iter().find(|one| one.native() as u32 == number);
            let mechanism = mechanism.ok_or_else(|| {
                Error::argument(asked, format!("mechanism {number} has no name here"))
            })?;
            Ok(Credential {
                mechanism,
                iterations,
            })
        })
        .collect()
}

/// Changes users. Kafka takes one change of a user at a time.
///
/// # Errors
/// When the controller does not answer in time, or refuses one.
pub fn alter_users<C: ClientContext>(
    client: &AdminClient<C>,
    changes: &[Change<'_>],
    timeout: Duration,
) -> Result<(), Error> {
    if changes.is_empty() {
        return Ok(());
    }
    let asked = "to change users";
    let made = changes.iter().map(|change| alteration(asked, change));
    let made: Vec<Owned<_>> = made.collect::<Result<_, _>>()?;
    let operation = Call::RD_KAFKA_ADMIN_OP_ALTERUSERSCRAMCREDENTIALS;
    let function = native::rd_kafka_AlterUserScramCredentials;
    // SAFETY: it copies what is in the array.
    let answer = unsafe { ask_for(client, asked, operation, timeout, &made, function) }?;
    // SAFETY: both are of this call, whose answer is no error.
    let responses = unsafe {
        parts(
            &answer,
            native::rd_kafka_event_AlterUserScramCredentials_result,
            native::rd_kafka_AlterUserScramCredentials_result_responses,
        )
    };
    for response in responses {
        // SAFETY: the response, its user and its error live as long as the answer.
        unsafe {
            let user =
                text(native::rd_kafka_AlterUserScramCredentials_result_response_user(response));
            let error = native::rd_kafka_AlterUserScramCredentials_result_response_error(response);
            failed(&format!("to change user {user}"), error)?;
        }
    }
    Ok(())
}

fn alteration(
    asked: &str,
    change: &Change<'_>,
) -> Result<Owned<native::rd_kafka_UserScramCredentialAlteration_t>, Error> {
    let (Change::Set { user, .. } | Change::Remove { user, .. }) = change;
    let user = c_string(asked, user)?;
    // SAFETY: the texts live during the call, which copies them. Without a salt librdkafka makes one.
    let made = unsafe {
        let pointer = match *change {
            Change::Set {
                password,
                iterations,
                ..
            } => native::rd_kafka_UserScramCredentialUpsertion_new(
                user.as_ptr(),
                Mechanism::Sha512.native(),
                iterations,
                password.as_ptr(),
                password.len(),
                ptr::null(),
                0,
            ),
            Change::Remove { mechanism, .. } => {
                native::rd_kafka_UserScramCredentialDeletion_new(user.as_ptr(), mechanism.native())
            }
        };
        Owned::new(
            pointer,
            native::rd_kafka_UserScramCredentialAlteration_destroy,
        )
    };
    made.ok_or_else(|| Error::argument(asked, "librdkafka does not know this change"))
}
