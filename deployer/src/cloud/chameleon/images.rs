//! Choosing the image that machines are made from. It gets our keys and runs as root: whose it is matters more than its name, which
//! anybody of the site may give to an image and publish (Chameleon's documentation, "Images").

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::failure::not_found;
use super::missing::missing;
use super::observed::Size;
use super::session::{Service, Session};
use crate::cloud::CloudError;

/// By this property Chameleon's own images are known, as python-chi's `image.py` has it.
const OFFICIAL: (&str, &str) = ("build-repo", "https://github.com/ChameleonCloud/cc-images");

/// What may not stand as it is in a name that is asked for (RFC 3986, "unreserved").
const NAME: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// An image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// Its id.
    pub id: String,
    /// The project that published it.
    pub owner: String,
    /// Whether it says to be one of Chameleon's own.
    pub official: bool,
    /// What it needs at least.
    pub needs: Size,
    /// When it was made, as Glance has it.
    pub created: String,
}

impl Image {
    /// Which it is, and whose.
    pub fn words(&self) -> String {
        let official = if self.official {
            "Chameleon's own, "
        } else {
            ""
        };
        format!("{} ({official}of the project {})", self.id, self.owner)
    }
}

/// The image of a name or id.
pub async fn image(session: &Session, name: &str) -> Result<Image, CloudError> {
    if is_id(name) {
        match session
            .get(Service::Image, &format!("/images/{name}"))
            .await
        {
            Err(error) if not_found(&error) => {}
            seen => return Ok(read(&seen?)),
        }
    }
    let named = format!(
        "/images?status=active&name={}",
        utf8_percent_encode(name, NAME)
    );
    let found = session.all(Service::Image, &named, "images").await?;
    if !found.is_empty() {
        let found: Vec<Image> = found.iter().map(read).collect();
        return choose(name, &found);
    }
    let all = session.all(Service::Image, "/images?status=active", "images");
    Err(missing("image", name, &all.await?))
}

/// Whether it may be an id: a UUID.
fn is_id(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    name.len() == 36 && name.bytes().all(plain)
}

fn read(seen: &Value) -> Image {
    let text = |key: &str| seen[key].as_str().unwrap_or_default().to_owned();
    let number = |key: &str| seen[key].as_u64().unwrap_or_default();
    Image {
        id: text("id"),
        owner: text("owner"),
        official: seen[OFFICIAL.0] == OFFICIAL.1,
        needs: Size {
            processors: 0,
            memory_mib: number("min_ram"),
            disk_gib: number("min_disk"),
        },
        created: text("created_at"),
    }
}

/// One of several of a name: Chameleon's own before others, the newest of one owner; of several owners none. Pure.
pub fn choose(name: &str, all: &[Image]) -> Result<Image, CloudError> {
    let official = all.iter().any(|image| image.official);
    let mut by_owner: BTreeMap<&str, &Image> = BTreeMap::new();
    for image in all.iter().filter(|image| image.official || !official) {
        let newest = by_owner.entry(&image.owner).or_insert(image);
        if newest.created < image.created {
            *newest = image;
        }
    }
    match by_owner.len() {
        0 => Err(missing("image", name, &[])),
        1 => Ok(by_owner.into_values().next().cloned().unwrap_or_default()),
        _ => {
            let lines: BTreeSet<String> = by_owner.into_values().map(Image::words).collect();
            let lines: Vec<String> = lines.into_iter().collect();
            Err(CloudError::Refused(format!(
                "`image`: several projects have published a `{name}`, and whose it is decides who gets into the machines: say which by \
                 its id: {}",
                lines.join(", ")
            )))
        }
    }
}
