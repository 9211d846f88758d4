//! What streams on Spark take: the time until data are proven, until Spark has committed a batch, and memory.

use std::path::Path;
use std::time::Duration;

use deployer::inventory::BUILT_IN;

use crate::lab::Lab;
use crate::samples::Samples;

/// Prints how many seconds after its start the driver had committed its first batch.
const FIRST_BATCH: &str = r#"
set -eu
began=$(systemctl show --timestamp=us+utc --property=ExecMainStartTimestamp --value "$1-spark.service")
began=$(date --date="$began" +%s.%N)
first=$(find "/var/lib/deployer/$1/spark/checkpoints" -path '*/commits/0' -printf '%T@\n' | sort -n | sed -n 1p)
echo "$began $first"
"#;

/// Prints the resident memory of some components here, in KiB.
const MEMORY: &str = r#"
set -eu
name=$1
shift
for component; do
    process=$(systemctl show --property=MainPID --value "$name-$component.service")
    awk -v component="$component" '$1 == "VmRSS:" { print component, $2 }' "/proc/$process/status"
done
"#;

/// What the targets are: seconds of `up`, seconds of the first batch, KiB of memory.
const UP: f64 = 35.0;
const BATCH: f64 = 10.0;
const KIB: u64 = 1_600_000_000 / 1024;

/// Measures; prints the figures, each with its words and whether it is within its limit.
pub(crate) fn measure(deployer: &Path, repetitions: usize) -> Result<Vec<(String, bool)>, String> {
    let trucks = Lab::new(deployer, "figures-trucks", built_in("trucks")?)?;
    // Whatever a box lacks, the image and the archives are made by the first run, which does not count.
    trucks.up()?;
    trucks.teardown()?;
    let (mut up, mut batch) = (Samples::default(), Samples::default());
    for _ in 0..repetitions {
        let said = trucks.up()?;
        up.push(said.took);
        let where_to = said
            .stderr
            .lines()
            .find_map(|line| line.split_once(": done in "));
        println!(
            "    {}",
            where_to.map_or("no word about where to", |(_, words)| words)
        );
        let times = trucks.script("vm4", FIRST_BATCH, &[])?;
        let times: Vec<f64> = times
            .split_whitespace()
            .filter_map(|time| time.parse().ok())
            .collect();
        let [began, first] = times[..] else {
            return Err(format!("no time of a first batch: {times:?}"));
        };
        batch.push(Duration::try_from_secs_f64(first - began).map_err(|error| error.to_string())?);
        trucks.teardown()?;
    }
    let mut figures = Vec::new();
    for (words, samples, target) in [
        ("up -i trucks, 5 machines, data proven", &up, UP),
        (
            "from the driver's start to its first committed batch",
            &batch,
            BATCH,
        ),
    ] {
        let middle = samples.median();
        figures.push((
            format!("{samples}  {words}, wanted ≤ {target} s"),
            middle <= target,
        ));
    }
    figures.push(memory(deployer)?);
    Ok(figures)
}

/// What one stream's pipeline holds, two minutes after `up`.
fn memory(deployer: &Path) -> Result<(String, bool), String> {
    let logins = Lab::new(deployer, "figures-logins", built_in("logins")?)?;
    logins.up()?;
    std::thread::sleep(Duration::from_mins(2));
    let mut said = logins.script("vm2", MEMORY, &["zookeeper", "kafka", "consumer"])?;
    said.push_str(&logins.script("vm4", MEMORY, &["spark"])?);
    logins.teardown()?;
    let held: Vec<(&str, u64)> = said
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(component, kib)| Some((component, kib.parse().ok()?)))
        .collect();
    if held.len() != 4 {
        return Err(format!("not the memory of four: {said:?}"));
    }
    let sum: u64 = held.iter().map(|(_, kib)| kib).sum();
    let each: Vec<String> = held
        .iter()
        .map(|(component, kib)| format!("{component} {} MB", kib * 1024 / 1_000_000))
        .collect();
    let words = format!(
        "{} MB resident, wanted ≤ 1600: {}",
        sum * 1024 / 1_000_000,
        each.join(", ")
    );
    Ok((words, sum <= KIB))
}

fn built_in(wanted: &str) -> Result<&'static str, String> {
    let found = BUILT_IN.into_iter().find(|(name, _)| *name == wanted);
    found
        .map(|(_, text)| text)
        .ok_or_else(|| format!("no built-in inventory {wanted}"))
}
