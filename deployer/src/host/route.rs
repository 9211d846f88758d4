//! The way to a node.

use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

/// The way to a node.
#[derive(Debug, Clone)]
pub struct Route {
    /// The node.
    pub node: String,
    /// What ssh is asked to connect to.
    pub destination: String,
    /// The same with the port, for messages.
    pub address: String,
    /// Where to knock, cheaply, while a new machine boots; `None` when only ssh knows the way.
    pub knock: Option<std::net::SocketAddr>,
    /// The deployment's SSH configuration.
    pub config: PathBuf,
    /// Where that lies, when it is for this command line alone; it goes with the last route.
    pub own: Option<Arc<TempDir>>,
    /// The directory for this node's control sockets.
    pub control: PathBuf,
}
