//! A real CouchDB, where this box has one.

use std::path::{Path, PathBuf};

use crate::skip::leave_out;

/// One by how its file's name ends: in the folder that `DEPLOYER_TEST_COUCHDB` names, or in `shared/couchdb` beside the checkout.
/// Says which cases do not run without.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told of files by the environment"
)]
pub(crate) fn real_couchdb(ending: &str, cases: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("DEPLOYER_TEST_COUCHDB").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/couchdb"),
        PathBuf::from,
    );
    let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut paths = files.map(|entry| entry.path());
    let found = paths.find(|path| path.to_string_lossy().ends_with(ending));
    if found.is_none() {
        let why = format!(
            "no real CouchDB (*{ending}) in {}: {cases}",
            folder.display()
        );
        leave_out(&why);
    }
    found.and_then(|path| path.canonicalize().ok())
}

/// What an inventory says of CouchDB where it is to be a real release.
pub(crate) fn release(cases: &str) -> Option<String> {
    let archive = real_couchdb(".tar.gz", cases)?;
    Some(format!(
        "distribution: archive, archive: '{}'",
        archive.display()
    ))
}
