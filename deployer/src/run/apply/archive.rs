//! Archives: sent as they are, unpacked on the node.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::{Component, Path, PathBuf};

use super::relay::Way;
use super::shell::{FETCHING, LONG, Script, Shell, octal, unreadable};
use crate::host::Input;
use crate::run::StepError;
use crate::step::{ARCHIVE_MARKER, Access, Download};

const SAME: Script = Script {
    name: "compare archive",
    text: concat!(
        include_str!("../listing.sh"),
        include_str!("archive_same.sh")
    ),
};
const UNPACK: Script = Script {
    name: "unpack archive",
    text: include_str!("archive.sh"),
};
const UNPACK_FILE: Script = Script {
    name: "unpack archive that came",
    text: concat!(
        "exec <\"$4\"\nrm -f -- \"$4\"\n",
        include_str!("archive.sh")
    ),
};
const PLACE: Script = Script {
    name: "place archive",
    text: concat!(
        include_str!("../listing.sh"),
        include_str!("archive_place.sh")
    ),
};

const LIBRARIES: Script = Script {
    name: "look for libraries",
    text: include_str!("archive_libraries.sh"),
};
const FETCH: Script = Script {
    name: "fetch archive",
    text: concat!(include_str!("fetch.sh"), include_str!("archive_fetch.sh")),
};

/// An archive, and what becomes of it on the node.
pub(super) struct Archive<'a> {
    /// The file on the operator's box.
    pub(super) local: &'a Path,
    /// What it is.
    pub(super) identity: &'a str,
    /// Where it is unpacked.
    pub(super) path: &'a str,
    /// Whose it is then.
    pub(super) access: &'a Access,
    /// What in it needs libraries of the node's.
    pub(super) programs: &'a [String],
}

/// Unpacks an archive: fetched by the node where it can, else sent.
pub(super) async fn unpack(
    shell: &Shell<'_>,
    archive: &Archive<'_>,
    download: Option<&Download>,
    way: Way<'_>,
) -> Result<(), StepError> {
    let Archive {
        local,
        identity,
        path,
        access,
        programs,
    } = *archive;
    let arguments = [path, ARCHIVE_MARKER, identity];
    if shell
        .script_output(&SAME, &arguments, Input::Nothing, LONG)
        .await?
        .status
        == 0
    {
        return Ok(());
    }
    let fetched = match download {
        Some(download) => fetched(shell, download, path, way).await?,
        None => false,
    };
    if !fetched {
        send(shell, local, path, way).await?;
    }
    // A question of its own: a connection that broke looks to tar like the end of the archive. That this one is asked proves
    // that the first was answered, so all was read.
    if !programs.is_empty() {
        let unpacked = format!("{path}.new");
        let programs = programs.iter().map(String::as_str);
        let arguments: Vec<&str> = [unpacked.as_str()].into_iter().chain(programs).collect();
        shell
            .script(&LIBRARIES, &arguments, Input::Nothing, LONG)
            .await?;
    }
    let mode = octal(access);
    let arguments = [
        path,
        &access.owner,
        &access.group,
        mode.as_str(),
        ARCHIVE_MARKER,
        identity,
    ];
    shell
        .script(&PLACE, &arguments, Input::Nothing, LONG)
        .await?;
    Ok(())
}

/// Whether the node got it by itself, or from the neighbour that did. If not, its last words say why.
async fn fetched(
    shell: &Shell<'_>,
    download: &Download,
    path: &str,
    way: Way<'_>,
) -> Result<bool, StepError> {
    let head = [path, &download.sha512, &download.wanted];
    let sources = way.sources(shell, download).await?;
    let addresses = sources.iter().map(String::as_str);
    let left_out = download.left_out.iter().map(String::as_str);
    let all = head.into_iter().chain(addresses).chain(["--"]);
    let arguments: Vec<&str> = all.chain(left_out).collect();
    let output = shell
        .script_output(&FETCH, &arguments, Input::Nothing, FETCHING)
        .await?;
    if output.status != 0 {
        (way.line)("the node cannot fetch it itself, so it is sent");
    }
    Ok(output.status == 0)
}

async fn send(shell: &Shell<'_>, local: &Path, path: &str, way: Way<'_>) -> Result<(), StepError> {
    let file = local.to_owned();
    let shape = tokio::task::spawn_blocking(move || Shape::of(&file)).await;
    let shape = match shape {
        Ok(Ok(shape)) => shape,
        Ok(Err(source)) => return Err(unreadable(local, source)),
        Err(panicked) => return Err(unreadable(local, std::io::Error::other(panicked))),
    };
    let strip = if shape.top_folder { "1" } else { "0" };
    let compression = if shape.gzip { "-z" } else { "" };
    let came = format!("{path}.fetched");
    if way.bring(shell, local, &came).await? {
        let arguments = [path, strip, compression, &came];
        shell
            .script(&UNPACK_FILE, &arguments, Input::Nothing, LONG)
            .await?;
    } else {
        let input = Input::File(local.into());
        shell
            .script(&UNPACK, &[path, strip, compression], input, LONG)
            .await?;
    }
    Ok(())
}

/// What an archive looks like from outside.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    gzip: bool,
    /// All is in one folder that is not wanted on the node. Only others' archives (compressed ones) have that: ours are plain and
    /// begin with what should lie in the directory, even when that is a single folder.
    top_folder: bool,
}

impl Shape {
    fn of(path: &Path) -> std::io::Result<Self> {
        let mut file = File::open(path)?;
        let mut magic = [0; 2];
        let gzip = file.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
        file.rewind()?;
        let top_folder =
            gzip && one_top_folder(tar::Archive::new(flate2::read::GzDecoder::new(file)))?;
        Ok(Self { gzip, top_folder })
    }
}

/// Whether all entries lie in one folder. The first few tell: an archive of a folder begins with it.
fn one_top_folder(mut archive: tar::Archive<impl std::io::Read>) -> std::io::Result<bool> {
    const FEW: usize = 64;
    let mut top: Option<PathBuf> = None;
    let mut inside = false;
    for entry in archive.entries()?.take(FEW) {
        let entry = entry?;
        let path = entry.path()?.into_owned();
        let mut parts = path.components().filter_map(|part| match part {
            Component::Normal(part) => Some(PathBuf::from(part)),
            _ => None,
        });
        let Some(first) = parts.next() else {
            continue;
        };
        inside |= parts.next().is_some();
        let folder = inside || entry.header().entry_type().is_dir();
        match &top {
            None if folder => top = Some(first),
            Some(top) if *top == first => {}
            _ => return Ok(false),
        }
    }
    Ok(inside)
}

#[cfg(test)]
mod tests {
    use super::Shape;

    fn shape(names: &[&str], gzip: bool) -> Shape {
        let mut builder = tar::Builder::new(Vec::new());
        for name in names {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            let kind = if name.ends_with('/') {
                tar::EntryType::Directory
            } else {
                tar::EntryType::Regular
            };
            header.set_entry_type(kind);
            builder
                .append_data(&mut header, name, std::io::empty())
                .expect("entry");
        }
        let bytes = builder.into_inner().expect("archive");
        let file = tempfile::NamedTempFile::new().expect("file");
        if gzip {
            let mut encoder = flate2::write::GzEncoder::new(
                file.reopen().expect("file"),
                flate2::Compression::fast(),
            );
            std::io::Write::write_all(&mut encoder, &bytes).expect("written");
            encoder.finish().expect("finished");
        } else {
            std::fs::write(file.path(), &bytes).expect("written");
        }
        Shape::of(file.path()).expect("readable")
    }

    #[test]
    fn strips_the_one_folder_of_others() {
        let top = |names, gzip| shape(names, gzip).top_folder;
        assert!(top(
            &["couchdb/", "couchdb/bin/couchdb", "couchdb/etc/local.ini"],
            true
        ));
        assert!(top(
            &["./couchdb/bin/couchdb", "./couchdb/etc/local.ini"],
            true
        ));
        assert!(!top(&["bin/couchdb", "etc/local.ini"], true));
        assert!(!top(&["README", "couchdb/bin/couchdb"], true));
        assert!(
            !top(&["libs/", "libs/kafka.jar"], false),
            "ours are taken as they are"
        );
        assert!(!top(&["only"], true));
    }
}
