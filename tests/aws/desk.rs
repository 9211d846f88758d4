//! A user's box with credentials for moto.

pub(crate) use super::clouds_desk::{Desk, says};

/// What of the caller's environment would lead to an account of somebody.
const NOT_OURS: [&str; 8] = [
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];

impl Desk {
    /// One with credentials for moto.
    pub(crate) fn new() -> Self {
        let mut desk = Self::bare();
        for name in NOT_OURS {
            desk.set(name, "");
        }
        desk.set("AWS_ACCESS_KEY_ID", "test");
        desk.set("AWS_SECRET_ACCESS_KEY", "test");
        desk.set("AWS_CONFIG_FILE", &desk.path("none"));
        desk.set("AWS_SHARED_CREDENTIALS_FILE", &desk.path("none"));
        desk.set("AWS_EC2_METADATA_DISABLED", "true");
        desk
    }

    /// Runs a command line; fails if it does not. Returns what it said.
    #[track_caller]
    pub(crate) fn fails(&self, words: &[&str]) -> String {
        let (output, said) = self.output(words);
        assert!(
            matches!(output.status.code(), Some(1 | 64)),
            "{words:?}: {said}"
        );
        said
    }

    /// The only receipt here.
    pub(crate) fn receipt(&self) -> serde_json::Value {
        let state = std::fs::read_dir(self.path("state")).expect("state");
        let mut receipts: Vec<Vec<u8>> = state
            .filter_map(|entry| {
                std::fs::read(entry.expect("an entry").path().join("receipt.json")).ok()
            })
            .collect();
        assert_eq!(receipts.len(), 1);
        serde_json::from_slice(&receipts.remove(0)).expect("JSON")
    }

    /// The id of the only deployment that has a receipt here.
    pub(crate) fn id(&self) -> String {
        self.receipt()["id"].as_str().expect("an id").to_owned()
    }
}
