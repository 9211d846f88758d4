//! Deployments of the same name that no receipt here knows of: a lost receipt looks like a first `up`.

use crate::cloud::Found;
use crate::observe::Observed;
use crate::report::{Event, Reporter};

/// Warns, before the first `up` of a name, of what its clouds have under that name already.
pub async fn warn(seen: &Observed, name: &str, reporter: &dyn Reporter) {
    for state in &seen.clouds {
        let warning = match state.cloud.deployments().await {
            Ok(found) => words(state.name.name(), name, &state.wanted.id, &found),
            Err(error) => Some(format!(
                "whether {} has a deployment called {name} already is not known: {error}",
                state.name
            )),
        };
        if let Some(warning) = warning {
            reporter.event(&Event::Warning(warning));
        }
    }
}

fn words(cloud: &str, name: &str, id: &str, found: &[Found]) -> Option<String> {
    let others = found
        .iter()
        .filter(|found| found.deployment == name && found.id != id);
    let lines: Vec<String> = others
        .map(|other| {
            let owner = other.owner.as_ref();
            let owner = owner.map_or(String::new(), |owner| format!(", made by {owner}"));
            format!(
                "\n    id {}{owner}: `deployer teardown --cloud {cloud} --id {}` takes it away",
                other.id, other.id
            )
        })
        .collect();
    (!lines.is_empty()).then(|| {
        format!(
            "{cloud} has a deployment called {name} already, of which there is no receipt here (lost, or in another --state-dir); \
             this makes another one beside it:{}",
            lines.concat()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::words;
    use crate::cloud::Found;

    #[test]
    fn names_the_living_namesake_and_how_it_is_taken_away() {
        let found = |id: &str, deployment: &str| Found {
            id: id.into(),
            deployment: deployment.into(),
            nodes: [].into(),
            owner: None,
            created: None,
            things: Vec::new(),
        };
        let all = [found("aaa", "x"), found("bbb", "y"), found("ccc", "x")];
        let said = words("local", "x", "ccc", &all).expect("a namesake");
        assert!(
            said.contains("deployer teardown --cloud local --id aaa"),
            "{said}"
        );
        assert!(!said.contains("bbb") && !said.contains("ccc"), "{said}");
        assert_eq!(words("local", "z", "ccc", &all), None);
    }
}
