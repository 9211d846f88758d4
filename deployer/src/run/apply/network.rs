//! Names and the firewall.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::files;
use super::shell::{QUICK, Script, Shell, succeeded, words};
use crate::host::Input;
use crate::run::{StepError, hosts_block};
use crate::step::{Access, sha256};
use crate::{firewall, hosts_table};

/// The exit code of the script that found another file than the one to replace.
const CHANGED: i32 = 75;
/// How often to begin again when somebody else writes the file, too.
const TRIES: usize = 5;

const WRITE_HOSTS: Script = Script {
    name: "write /etc/hosts",
    text: include_str!("hosts_write.sh"),
};
const KEEP: Script = Script {
    name: "keep the block of /etc/hosts",
    text: include_str!("hosts_keep.sh"),
};
const LEAVE: Script = Script {
    name: "leave /etc/hosts alone",
    text: include_str!("hosts_leave.sh"),
};
/// A file that is not there has no text.
const READ_HOSTS: Script = Script {
    name: "read /etc/hosts",
    text: "[ ! -e /etc/hosts ] || exec cat /etc/hosts",
};
const LOAD: Script = Script {
    name: "load firewall",
    text: "nft -f \"$1\" && sh -c \"$3\" && systemctl enable --quiet \"$2\"",
};
const UNLOAD: Script = Script {
    name: "remove firewall",
    text: include_str!("firewall_remove.sh"),
};

pub(super) async fn write_hosts_table(
    shell: &Shell<'_>,
    block: &str,
    entries: &BTreeMap<String, Option<IpAddr>>,
) -> Result<(), StepError> {
    let lines = hosts_table::block_text(entries);
    edit_hosts(shell, block, Some(&lines)).await?;
    let arguments = [
        block,
        &hosts_table::kept_path(block),
        &hosts_table::marked(block, &lines),
        &hosts_table::unit(block),
        &hosts_table::unit_path(block),
        &hosts_table::unit_text(block),
    ];
    shell
        .script(&KEEP, &arguments, Input::Nothing, QUICK)
        .await?;
    Ok(())
}

pub(super) async fn remove_hosts_table(shell: &Shell<'_>, block: &str) -> Result<(), StepError> {
    // First what would put it back.
    let arguments = [
        block,
        &hosts_table::kept_path(block),
        &hosts_table::unit(block),
        &hosts_table::unit_path(block),
    ];
    shell
        .script(&LEAVE, &arguments, Input::Nothing, QUICK)
        .await?;
    edit_hosts(shell, block, None).await
}

/// Reads the file, changes it here and puts it back, unless it changed in the meantime.
pub(super) async fn edit_hosts(
    shell: &Shell<'_>,
    block: &str,
    lines: Option<&str>,
) -> Result<(), StepError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let old = shell
            .script(&READ_HOSTS, &[], Input::Nothing, QUICK)
            .await?
            .stdout;
        // Bytes that are no text keep their places: the block is ASCII, and each byte is one character here.
        let text: String = old.iter().copied().map(char::from).collect();
        let new = hosts_block::replace(&text, block, lines);
        if new == text {
            return Ok(());
        }
        let new: Vec<u8> = new
            .chars()
            .filter_map(|character| u8::try_from(character).ok())
            .collect();
        let (old_sum, new_sum) = (sha256(&old), sha256(&new));
        let arguments = [new_sum.as_str(), &old_sum];
        let output = shell
            .script_output(&WRITE_HOSTS, &arguments, Input::Bytes(new), QUICK)
            .await?;
        if output.status != CHANGED || tries == TRIES {
            succeeded(output, &words(&WRITE_HOSTS, &arguments))?;
            return Ok(());
        }
    }
}

pub(super) async fn write_firewall(
    shell: &Shell<'_>,
    table: &str,
    ports: &BTreeSet<u16>,
    members: &BTreeMap<String, Option<IpAddr>>,
) -> Result<(), StepError> {
    let access = Access::root("root", 0o644);
    let rules = firewall::rules_path(table);
    files::write(
        shell,
        &rules,
        &firewall::ruleset(table, ports, members),
        &access,
    )
    .await?;
    let unit_path = firewall::unit_path(table);
    files::write(shell, &unit_path, &firewall::unit_text(table), &access).await?;
    let unit = firewall::unit(table);
    shell
        .script(
            &LOAD,
            &[&rules, &unit, &firewall::record_command(table)],
            Input::Nothing,
            QUICK,
        )
        .await?;
    Ok(())
}

pub(super) async fn remove_firewall(shell: &Shell<'_>, table: &str) -> Result<(), StepError> {
    let (unit, unit_path) = (firewall::unit(table), firewall::unit_path(table));
    let rules = firewall::rules_path(table);
    let record = firewall::record_path(table);
    let arguments = [table, &unit, &unit_path, &rules, &record];
    shell
        .script(&UNLOAD, &arguments, Input::Nothing, QUICK)
        .await?;
    Ok(())
}
