//! The few environment variables that count.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::secret::Secret;

/// The variable that a rehearsal sets for its steps.
pub const STEP: &str = "DEPLOYER_STEP";

/// What counts of the environment, read once.
#[derive(Debug, Clone)]
pub struct Environment {
    /// `$XDG_STATE_HOME/deployer`, else `~/.local/state/deployer`.
    pub state_dir: PathBuf,
    /// `$XDG_CACHE_HOME/deployer`, else `~/.cache/deployer`.
    pub cache_dir: PathBuf,
    /// `$XDG_RUNTIME_DIR`, if set.
    pub runtime_dir: Option<PathBuf>,
    /// `$HOME`.
    pub home: PathBuf,
    /// Who calls: `$USER`, else `$LOGNAME`.
    pub user: String,
    /// `$DEPLOYER_STEP` is set: this process is a step of a rehearsal, and stops with it.
    pub is_step: bool,
    /// What OpenStack's own tools read: the variables that begin with `OS_`. Some are secrets.
    pub openstack: BTreeMap<String, Secret>,
}

impl Environment {
    /// Who calls, and where: `ann@laptop`.
    pub fn who(&self) -> String {
        let system = rustix::system::uname();
        format!("{}@{}", self.user, system.nodename().to_string_lossy())
    }

    /// Reads the environment. Fails without `$HOME`.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn read() -> Result<Self, String> {
        let path = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let home = path("HOME").ok_or("HOME is not set: it says where state and cache are kept")?;
        let below = |name, default: &str| {
            path(name)
                .unwrap_or_else(|| home.join(default))
                .join("deployer")
        };
        Ok(Self {
            state_dir: below("XDG_STATE_HOME", ".local/state"),
            cache_dir: below("XDG_CACHE_HOME", ".cache"),
            runtime_dir: path("XDG_RUNTIME_DIR"),
            is_step: std::env::var_os(STEP).is_some(),
            openstack: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .filter(|(name, _)| name.starts_with("OS_"))
                .map(|(name, value)| (name, Secret::new(value)))
                .collect(),
            user: std::env::var("USER")
                .or_else(|_| std::env::var("LOGNAME"))
                .unwrap_or_else(|_| "unknown".into()),
            home,
        })
    }
}
