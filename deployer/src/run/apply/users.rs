//! System users.

use super::shell::{QUICK, Script, Shell};
use crate::host::Input;
use crate::run::StepError;

const CREATE: Script = Script {
    name: "create user",
    text: include_str!("user.sh"),
};
const REMOVE: Script = Script {
    name: "remove user",
    text: include_str!("user_remove.sh"),
};

pub(super) async fn create(shell: &Shell<'_>, user: &str, home: &str) -> Result<(), StepError> {
    shell
        .script(&CREATE, &[user, home], Input::Nothing, QUICK)
        .await?;
    Ok(())
}

pub(super) async fn remove(shell: &Shell<'_>, user: &str) -> Result<(), StepError> {
    shell
        .script(&REMOVE, &[user], Input::Nothing, QUICK)
        .await?;
    Ok(())
}
