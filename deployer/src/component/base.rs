//! What every node gets, whatever its roles, and the tools that the deployer itself uses on some nodes.

use super::place;
use super::{ALL, Context};
use crate::step::{Access, Action};
use crate::template::TemplateError;
use crate::topology::Node;

/// Debian packages that every node needs.
pub fn packages(node: &Node) -> Vec<String> {
    let mut packages = vec!["procps".to_owned()];
    if !node.cloud.guards() {
        packages.push("nftables".to_owned());
    }
    packages
}

/// The deployment's own directories, and the deployer's tools where no role brings them.
pub fn install(node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
    let mut actions: Vec<Action> = [
        place::configuration(context.topology),
        place::software(context.topology),
    ]
    .into_iter()
    .map(|path| Action::CreateDirectory {
        path,
        access: Access::root("root", 0o755),
        data: false,
    })
    .collect();
    for component in ALL {
        if component.is_tool_on(node, context.topology) {
            actions.extend(component.tool_files(node, context)?);
        }
    }
    Ok(actions)
}
