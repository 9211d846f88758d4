//! What is wrong with a configuration, in words.

/// Says what is wrong with a configuration file, in one line.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{path}: cannot be read")]
    Read {
        /// The file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is not TOML of the expected shape.
    #[error("{path}{position}: {message}")]
    Syntax {
        /// The file.
        path: String,
        /// `:LINE`, or nothing where no line is to blame.
        position: String,
        /// What the parser found, on one line.
        message: String,
    },
    /// A key has a value that cannot work.
    #[error("{path}: {key}: {problem}")]
    Value {
        /// The file.
        path: String,
        /// The key, as in `batch.documents`.
        key: String,
        /// What is wrong with its value.
        problem: String,
    },
    /// The login on the standard input cannot be used.
    #[error("the login on the first line of the standard input {0}")]
    Login(String),
    /// There is no `CouchDB` to be asked.
    #[error("the configuration names no CouchDB to be asked")]
    NoCouchdb,
    /// Nothing says where events go.
    #[error("the configuration names neither a CouchDB nor a sink for any topic")]
    NoSink,
    /// A file that a key names cannot be used.
    #[error("{key}: {path} {problem}")]
    File {
        /// The key, as in `kafka.tls.ca_file`.
        key: &'static str,
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}
