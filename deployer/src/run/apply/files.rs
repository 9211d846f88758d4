//! Files and directories.

use std::path::Path;

use super::relay::Way;
use super::shell::{LONG, QUICK, Script, Shell, WRITE, octal, succeeded, words};
use crate::host::Input;
use crate::run::StepError;
use crate::step::{Access, Judge, Manifest, StateMark, sha256};

const WRITE_FILE: Script = Script {
    name: "write file that came",
    text: concat!(
        "exec <\"$1\"\nrm -f -- \"$1\"\nshift\n",
        include_str!("write.sh")
    ),
};
const SEED: Script = Script {
    name: "write file where there is none",
    text: concat!(
        "if [ -e \"$5\" ]; then exit 0; fi\n",
        include_str!("write.sh")
    ),
};
const SAME: Script = Script {
    name: "compare file",
    text: "[ -f \"$2\" ] && printf '%s  %s\\n' \"$1\" \"$2\" | sha256sum -c --status",
};
const SET_ACCESS: Script = Script {
    name: "set owner and mode",
    text: "chown -- \"$1:$2\" \"$4\" && chmod -- \"$3\" \"$4\"",
};
const LINK: Script = Script {
    name: "link file",
    text: "path=$1; shift; for target; do if [ -x \"$target\" ]; then ln -sfT -- \"$target\" \"$path.new\" && exec mv -fT -- \"$path.new\" \"$path\"; fi; done; \
           echo \"none of these is there: $*\" >&2; exit 66",
};
const REMOVE: Script = Script {
    name: "remove file",
    text: "rm -f -- \"$1\" || exit; case $1 in /etc/systemd/system/*) systemctl daemon-reload ;; esac",
};
const REMOVE_EMPTY: Script = Script {
    name: "remove directory where it is empty",
    text: "if [ -d \"$1\" ]; then rmdir --ignore-fail-on-non-empty -- \"$1\"; fi",
};

pub(super) async fn write_manifest(
    shell: &Shell<'_>,
    manifest: &Manifest,
) -> Result<(), StepError> {
    let text = serde_json::to_string_pretty(manifest).map_err(|error| StepError::Failed {
        command: "write the manifest as JSON".into(),
        status: 1,
        output: vec![error.to_string()],
    })?;
    let path = Manifest::path(&manifest.deployment);
    write(
        shell,
        &path,
        &format!("{text}\n"),
        &Access::root("root", 0o644),
    )
    .await
}

/// The copy first: a mark says of what is there that it is whole.
pub(super) async fn write_state_copy(
    shell: &Shell<'_>,
    deployment: &str,
    copy: &str,
    mark: &StateMark,
) -> Result<(), StepError> {
    let access = Access::root("root", 0o600);
    write(shell, &StateMark::copy_path(deployment), copy, &access).await?;
    let mark = serde_json::to_string(mark).map_err(|error| StepError::Failed {
        command: "write the copy's mark as JSON".into(),
        status: 1,
        output: vec![error.to_string()],
    })?;
    let path = StateMark::path(deployment);
    write(shell, &path, &format!("{mark}\n"), &access).await
}

pub(super) async fn write(
    shell: &Shell<'_>,
    path: &str,
    text: &str,
    access: &Access,
) -> Result<(), StepError> {
    put(shell, &WRITE, path, text, access).await
}

/// As [`write`], once a command has accepted it; what it says against it is the failure.
pub(super) async fn write_judged(
    shell: &Shell<'_>,
    path: &str,
    text: &str,
    access: &Access,
    judge: &Judge,
) -> Result<(), StepError> {
    let (mode, sum) = (octal(access), sha256(text.as_bytes()));
    let file = [&access.owner, &access.group, mode.as_str(), &sum, path];
    let command = judge.command.iter().map(String::as_str);
    let arguments: Vec<&str> = file
        .into_iter()
        .chain([&*judge.user])
        .chain(command)
        .collect();
    let input = Input::Bytes(text.as_bytes().to_vec());
    let output = shell.script_output(&WRITE, &arguments, input, LONG).await?;
    succeeded(output, &words(&WRITE, &[path]))?;
    Ok(())
}

pub(super) async fn seed(
    shell: &Shell<'_>,
    path: &str,
    text: &str,
    access: &Access,
) -> Result<(), StepError> {
    put(shell, &SEED, path, text, access).await
}

async fn put(
    shell: &Shell<'_>,
    script: &Script,
    path: &str,
    text: &str,
    access: &Access,
) -> Result<(), StepError> {
    let mode = octal(access);
    let sum = sha256(text.as_bytes());
    let arguments = [&access.owner, &access.group, mode.as_str(), &sum, path];
    let input = Input::Bytes(text.as_bytes().to_vec());
    shell.script(script, &arguments, input, QUICK).await?;
    Ok(())
}

pub(super) async fn create_directory(
    shell: &Shell<'_>,
    path: &str,
    access: &Access,
) -> Result<(), StepError> {
    let mode = octal(access);
    let arguments = [
        "-d",
        "-o",
        &access.owner,
        "-g",
        &access.group,
        "-m",
        &mode,
        "--",
        path,
    ];
    shell
        .run("install", &arguments, Input::Nothing, QUICK)
        .await?;
    Ok(())
}

pub(super) async fn open_directories(shell: &Shell<'_>, paths: &[String]) -> Result<(), StepError> {
    let head = ["-d", "-o", "root", "-g", "root", "-m", "0755", "--"];
    let paths = paths.iter().map(String::as_str);
    let arguments: Vec<&str> = head.into_iter().chain(paths).collect();
    shell
        .run("install", &arguments, Input::Nothing, QUICK)
        .await?;
    Ok(())
}

pub(super) async fn link(
    shell: &Shell<'_>,
    path: &str,
    targets: &[String],
) -> Result<(), StepError> {
    let targets = targets.iter().map(String::as_str);
    let arguments: Vec<&str> = std::iter::once(path).chain(targets).collect();
    shell
        .script(&LINK, &arguments, Input::Nothing, QUICK)
        .await?;
    Ok(())
}

/// Sends a file, unless it is there: its content is compared on the node first.
pub(super) async fn upload(
    shell: &Shell<'_>,
    local: &Path,
    sum: &str,
    path: &str,
    access: &Access,
    way: Way<'_>,
) -> Result<(), StepError> {
    let mode = octal(access);
    let same = shell
        .script_output(&SAME, &[sum, path], Input::Nothing, LONG)
        .await?;
    if same.status == 0 {
        let arguments = [&access.owner, &access.group, mode.as_str(), path];
        shell
            .script(&SET_ACCESS, &arguments, Input::Nothing, QUICK)
            .await?;
        return Ok(());
    }
    let arguments = [&access.owner, &access.group, mode.as_str(), sum, path];
    let came = format!("{path}.fetched");
    if way.bring(shell, local, &came).await? {
        let arguments = [&[came.as_str()], &arguments[..]].concat();
        shell
            .script(&WRITE_FILE, &arguments, Input::Nothing, LONG)
            .await?;
    } else {
        shell
            .script(&WRITE, &arguments, Input::File(local.into()), LONG)
            .await?;
    }
    Ok(())
}

pub(super) async fn remove(shell: &Shell<'_>, path: &str) -> Result<(), StepError> {
    shell
        .script(&REMOVE, &[path], Input::Nothing, QUICK)
        .await?;
    Ok(())
}

pub(super) async fn remove_directory(shell: &Shell<'_>, path: &str) -> Result<(), StepError> {
    // Data of brokers is many files: this may take its time.
    shell
        .run("rm", &["-rf", "--", path], Input::Nothing, LONG)
        .await?;
    Ok(())
}

pub(super) async fn remove_empty_directory(shell: &Shell<'_>, path: &str) -> Result<(), StepError> {
    shell
        .script(&REMOVE_EMPTY, &[path], Input::Nothing, QUICK)
        .await?;
    Ok(())
}
