//! `list`: all deployments that clouds know of, with or without a receipt here.

use std::collections::BTreeSet;
use std::io::Write;

use crate::cli::{Environment, List};
use crate::error::CommandError;
use crate::prepare::target;
use crate::reach::clouds;
use crate::run::journal;
use crate::topology::CloudName;

/// Prints a line for each deployment.
pub async fn run(
    options: &List,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let names: BTreeSet<CloudName> = match options.target.cloud {
        Some(cloud) => [cloud].into(),
        None => journal::list(&target::state_dir(&options.target, environment))?
            .iter()
            .filter_map(|entry| target::cloud_name(&entry.cloud).ok())
            .filter(|cloud| !cloud.is_of_the_user())
            .chain(CloudName::all().filter(|cloud| cloud.is_of_this_box()))
            .collect(),
    };
    let now = jiff::Timestamp::now();
    writeln!(
        out,
        "{:<10} {:<16} {:<12} {:<20} {:>6}  machines",
        "cloud", "name", "id", "owner", "age"
    )?;
    for name in names {
        let cloud = clouds::without_topology(name, &options.target, environment).await?;
        for found in cloud.deployments().await? {
            let age = found.created.map_or("-".into(), |created| {
                let minutes = now.duration_since(created).as_secs() / 60;
                match minutes {
                    0..60 => format!("{minutes} min"),
                    60..2880 => format!("{} h", minutes / 60),
                    _ => format!("{} d", minutes / 1440),
                }
            });
            let owner = found.owner.as_deref().unwrap_or("-");
            let nodes: Vec<&str> = found.nodes.iter().map(String::as_str).collect();
            let nodes = if nodes.is_empty() {
                format!("none, but {}", found.things.join(", "))
            } else {
                nodes.join(", ")
            };
            let (deployment, id) = (&found.deployment, &found.id);
            writeln!(
                out,
                "{:<10} {deployment:<16} {id:<12} {owner:<20} {age:>6}  {nodes}",
                name.name()
            )?;
        }
    }
    Ok(0)
}
