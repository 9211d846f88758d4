//! Machines: switching them on, and taking them away.

use std::time::{Duration, Instant};

use super::super::CloudError;
use super::super::elevate::Elevate;
use super::super::program::Program;
use super::cgroup::Cgroups;
use super::names::{self, Names};
use super::observe::MachineRecord;
use super::{boot, network};
use crate::retry::Retry;

/// Switches a machine on, and returns when it has got its network cable.
pub(super) async fn power_on(
    names: &Names,
    node: &str,
    record: &MachineRecord,
    cgroups: &Cgroups,
    elevate: &Elevate,
) -> Result<(), CloudError> {
    if cgroups.runs(names, node)? {
        return Ok(());
    }
    let what = format!("start {node}");
    let cable = names::cable(record.address);
    // A machine whose power was cut leaves it for a moment.
    network::link(false, &cable, &["delete", "dev", &cable], elevate).await?;
    let console = format!("{}/console.log", names.machine(node));
    let command = boot::command(names, node, record, &console, cgroups);
    let start = Program::new(what.clone(), &command[0], &command[1..]);
    let mut looks = Retry::every(Duration::from_millis(10)).within(START);
    let mut starts = Retry::every(Duration::from_millis(100)).within(START);
    let mut alive = Instant::now();
    let mut ended = elevate.attempt(&start, &|_| ()).await?;
    while !network::exists(&cable) {
        if cgroups.runs(names, node)? {
            alive = Instant::now();
        } else if ended.status != 0 && !starts.is_over() {
            // What a killed run began may still be on its way out.
            starts.pause().await;
            ended = elevate.attempt(&start, &|_| ()).await?;
        }
        if looks.is_over() || alive.elapsed() > GIVE_UP {
            if ended.status != 0 {
                return Err(start.failed(&ended));
            }
            // It is root's, but anybody may read it.
            let output = std::fs::read_to_string(&console).unwrap_or_default();
            return Err(CloudError::Deadline {
                what,
                seconds: START.as_secs(),
                output,
            });
        }
        looks.pause().await;
    }
    Ok(())
}

/// A machine that has no process for so long did not start, or has ended.
const GIVE_UP: Duration = Duration::from_secs(3);

/// How long nspawn may take to begin.
const START: Duration = Duration::from_secs(15);

/// From the rename on it is no machine any more, even if we are stopped half-way. What a killed run began may do the same beside us.
const REMOVE: &str = r#"
if test -e "$1"; then
    ! test -e "$2" || rm -rf -- "$2" || exit
    mv -T -- "$1" "$2" || ! test -e "$1" || exit
fi
exec rm -rf -- "$2"
"#;

/// Cuts a machine's power and removes it with its disk, whatever of it is there.
pub(super) async fn remove(
    names: &Names,
    node: &str,
    cgroups: &Cgroups,
    elevate: &Elevate,
) -> Result<(), CloudError> {
    cgroups.end(names, node, elevate).await?;
    let (target, part) = (names.machine(node), names.part(node));
    let words = ["-c", REMOVE, "remove", &target, &part];
    let remove = Program::new(format!("delete the disk of {node}"), "sh", words);
    elevate.run(remove.within(120)).await?;
    Ok(())
}
