//! The file of `export`: gzip'd lines of JSON. The first says what it is, the last how many documents there are and the
//! checksum of all lines before it, so that a file that was cut or damaged is not taken for a whole one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

mod whole;
mod writing;

pub use whole::Whole;
pub use writing::Writing;

/// The format that is written, and the newest that is read.
const FORMAT: u32 = 1;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Format of the file.
    pub deployer_export: u32,
    /// The deployment's name.
    pub deployment: String,
    /// Its id.
    pub id: String,
    /// When the export began.
    pub date: Timestamp,
    /// The databases, those without documents included.
    pub databases: Vec<String>,
    /// Those of them that are partitioned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitioned: Vec<String>,
}

impl Head {
    /// The head of a file that begins now.
    pub fn new(deployment: &str, id: &str, databases: Vec<String>) -> Self {
        Self {
            deployer_export: FORMAT,
            deployment: deployment.into(),
            id: id.into(),
            date: Timestamp::now(),
            databases,
            partitioned: Vec::new(),
        }
    }
}

/// The last line: `{"end": …}`. No document's line begins so.
#[derive(Debug, Serialize, Deserialize)]
struct Last {
    end: End,
}

/// What the last line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Database → its documents.
    pub documents: BTreeMap<String, u64>,
    /// SHA-256 of all lines before, in hex.
    pub sha256: String,
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use flate2::Compression;
    use flate2::read::MultiGzDecoder;
    use flate2::write::GzEncoder;

    use super::*;

    const LINES: &str = "{\"database\":\"a\",\"id\":\"1\",\"body\":{}}\n{\"database\":\"a\",\"id\":\"2\",\"body\":{\"x\":1}}\n";

    fn write(path: &Path) -> End {
        let mut file = Writing::begin(path).expect("begun");
        let databases = vec!["a".to_owned(), "empty".to_owned()];
        file.head(&Head::new("d", "0a1b", databases)).expect("head");
        file.documents("a", LINES.as_bytes(), 2).expect("lines");
        file.end().expect("ended").0
    }

    fn refused(path: &Path) -> String {
        Whole::open(path).expect_err("refused").block()
    }

    #[test]
    fn what_was_written_is_read_again() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("documents.gz");
        let end = write(&path);
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let whole = Whole::open(&path).expect("whole");
        assert_eq!((&whole.end, whole.head.deployment.as_str()), (&end, "d"));
        let documents = [("a".to_owned(), 2), ("empty".to_owned(), 0)];
        assert_eq!(end.documents, documents.into());
        let lines: Vec<Vec<u8>> = whole
            .documents()
            .expect("lines")
            .map(|line| line.expect("a line"))
            .collect();
        assert_eq!(lines.concat(), LINES.as_bytes());
        // Nothing is overwritten, and nothing of a file that was not ended is left.
        let again = Writing::begin(&path).err().expect("refused");
        assert_eq!(again.exit_code(), 64);
        drop(Writing::begin(&directory.path().join("other")));
        assert_eq!(fs::read_dir(directory.path()).expect("files").count(), 1);
        let nowhere = Writing::begin(&directory.path().join("none/file")).err();
        assert!(nowhere.expect("refused").block().contains("cannot write"));
    }

    #[test]
    fn a_file_that_is_not_whole_is_refused() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("documents.gz");
        write(&path);
        let bytes = fs::read(&path).expect("bytes");
        let text = {
            let mut text = String::new();
            let mut unpacked = MultiGzDecoder::new(bytes.as_slice());
            unpacked.read_to_string(&mut text).expect("text");
            text
        };
        let packed = |text: &str| {
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(text.as_bytes()).expect("packed");
            packed.finish().expect("packed")
        };
        let without_last = &text[..text.find("{\"end\"").expect("a last line")];
        let changed = text.replace("\"x\":1", "\"x\":2");
        let newer = text.replacen("\"deployer_export\":1", "\"deployer_export\":2", 1);
        for (bytes, words) in [
            (bytes[..bytes.len() - 20].to_vec(), "is cut off"),
            (packed(without_last), "is cut off"),
            (packed(&changed), "is damaged"),
            (packed(&format!("{text}{text}")), "is damaged"),
            (packed(&newer), "has the format 2"),
            (packed("{}\n"), "is not a file that `deployer export` wrote"),
            (
                b"plain".to_vec(),
                "is not a file that `deployer export` wrote",
            ),
            (Vec::new(), "is not a file that `deployer export` wrote"),
        ] {
            fs::write(&path, bytes).expect("written");
            let said = refused(&path);
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(refused(&directory.path().join("none")).contains("cannot read"));
    }
}
