//! Archives, programs and errors for the tests of artifacts.

use std::error::Error;
use std::path::Path;

use deployer::artifact::program::Program;
use flate2::Compression;
use flate2::write::GzEncoder;

/// A tar.gz of files with these paths and texts.
pub(crate) fn tar_gz(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        // By hand: the library refuses paths that lead out.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// The paths and contents of a tar, in order.
pub(crate) fn listed(tar: &Path) -> Vec<(String, String)> {
    let mut archive = tar::Archive::new(std::fs::File::open(tar).unwrap());
    archive
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let text = std::io::read_to_string(&mut entry).unwrap();
            (path, text)
        })
        .collect()
}

/// A program in `directory` that gives the files of `directory/gives`, or fails with the text of `directory/fails`.
pub(crate) fn fetcher(directory: &Path) -> Program {
    let program = directory.join("fetcher");
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/deployer/programs/fetcher"
    );
    std::os::unix::fs::symlink(script, &program).unwrap();
    Program {
        name: program.display().to_string(),
        package: "none",
    }
}

/// How often the program ran.
pub(crate) fn runs(directory: &Path) -> usize {
    std::fs::read_to_string(directory.join("runs")).map_or(0, |text| text.lines().count())
}

/// Writes a file, its directories included.
pub(crate) fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// An error with all its causes.
pub(crate) fn words(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let causes: Vec<String> = causes.map(|cause| format!(": {cause}")).collect();
    format!("{error}{}", causes.concat())
}

/// Takes progress and forgets it.
pub(crate) fn quiet(_: &str) {}
