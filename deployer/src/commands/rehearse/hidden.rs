//! What is known here and must not stand in a report.

use std::path::Path;

use crate::cli::Environment;
use crate::error::CommandError;
use crate::reach::clouds;
use crate::rehearsal::Redactor;
use crate::secret::Secret;

use super::place::Place;

/// A redactor that knows the credentials, whose they are, and who sits here.
pub(super) async fn redactor(
    place: &Place,
    environment: &Environment,
) -> Result<Redactor, CommandError> {
    let mut redactor = Redactor::default();
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    for (text, instead) in [
        (place.directory.display().to_string(), "<state>"),
        (environment.home.display().to_string(), "~"),
        (format!("{}@{host}", environment.user), "<operator>"),
    ] {
        redactor.hide(Secret::new(text), instead);
    }
    for topology in &place.topologies {
        let cloud = clouds::open(place.cloud, topology, Path::new(""), environment).await?;
        for text in cloud.confidential().await? {
            redactor.hide(text, "<hidden>");
        }
    }
    Ok(redactor)
}
