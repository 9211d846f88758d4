//! Whether a package repository has packages for a system.

use std::time::Duration;

use super::DownloadError;
use super::download::{Deadlines, Downloader};

/// How long a package repository may take to answer.
const PROBE: Duration = Duration::from_secs(5);
/// Bytes of a Release that are read; Debian's own has 200 kB.
const LONGEST_RELEASE: usize = 1 << 20;

/// Asks whether a package repository serves a suite of Debian or Ubuntu (`bookworm`) for an architecture as they call it
/// (`amd64`). Only a signed Release of that suite is an answer: a service that is away sends a page of its own, and `200`.
pub async fn repository_answers(
    repository: &str,
    suite: &str,
    architecture: &str,
) -> Result<(), DownloadError> {
    let repository = repository.trim_end_matches('/');
    let downloader = Downloader::new(Deadlines {
        total: PROBE,
        ..Deadlines::default()
    })?;
    let address = format!("{repository}/dists/{suite}/InRelease");
    let release = downloader.head(&address, LONGEST_RELEASE).await?;
    match unfit(&String::from_utf8_lossy(&release), suite, architecture) {
        None => Ok(()),
        Some(what) => Err(DownloadError::Unwanted { address, what }),
    }
}

/// Why a text is not the signed Release of a suite that has packages for an architecture.
fn unfit(release: &str, suite: &str, architecture: &str) -> Option<String> {
    let field = |name: &str| {
        let mut lines = release.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::trim))
    };
    if !release.starts_with("-----BEGIN PGP SIGNED MESSAGE-----") {
        return Some("no signed Release: it is no package repository, or not at the moment".into());
    }
    let names: Vec<&str> = ["Codename", "Suite"]
        .into_iter()
        .filter_map(field)
        .collect();
    if !names.is_empty() && !names.contains(&suite) {
        return Some(format!("the Release of {}, not of {suite}", names[0]));
    }
    let known = field("Architectures").unwrap_or(architecture);
    let mut known = known.split_whitespace();
    if !known.any(|known| known == architecture || known == "all") {
        return Some(format!(
            "a Release of {suite} without packages for {architecture}"
        ));
    }
    None
}
