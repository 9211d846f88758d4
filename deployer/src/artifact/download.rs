//! Downloads over HTTP(S): streamed, checked against a pinned SHA-512 on the way, every wait with a deadline. The
//! environment's proxies are honoured.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Client, StatusCode, Url};
use sha2::{Digest, Sha512};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use super::Progress;

/// Less than this in a second is no progress.
const SLOWEST: u128 = 20_000;
/// How often a long download says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// How long a download may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// For a connection.
    pub connect: Duration,
    /// For the answer to begin, and then for each piece of it.
    pub stall: Duration,
    /// For all.
    pub total: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            stall: Duration::from_secs(20),
            // What comes may take as long as the line is slow.
            total: Duration::from_hours(24),
        }
    }
}

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The address cannot be understood.
    #[error("`{address}` is not an http or https address")]
    Address {
        /// As it was given.
        address: String,
    },
    /// No client could be made: TLS or the proxy settings are unusable.
    #[error("no HTTP client could be made")]
    Client(#[source] reqwest::Error),
    /// No connection, or no answer.
    #[error("{address} did not answer")]
    Request {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// An answer that is no success.
    #[error("{address} answered {status}")]
    Status {
        /// Where.
        address: String,
        /// What.
        status: StatusCode,
    },
    /// Nothing came for too long.
    #[error("{address} sent nothing for {seconds:.0} s, after {bytes} bytes")]
    Stalled {
        /// Where.
        address: String,
        /// The deadline.
        seconds: f64,
        /// What had come.
        bytes: u64,
    },
    /// Something comes, but next to nothing.
    #[error("{address} sent {bytes} bytes in {seconds:.0} s, which is too slow")]
    Slow {
        /// Where.
        address: String,
        /// What came.
        bytes: u64,
        /// In how long.
        seconds: f64,
    },
    /// It took too long.
    #[error("{address} did not send all within {seconds:.0} s")]
    Deadline {
        /// Where.
        address: String,
        /// The deadline.
        seconds: f64,
    },
    /// The answer ended early.
    #[error("{address} broke off after {bytes} bytes")]
    Broken {
        /// Where.
        address: String,
        /// What had come.
        bytes: u64,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// Something else is there than what was asked for.
    #[error("{address} sent {what}")]
    Unwanted {
        /// Where.
        address: String,
        /// What came, in words.
        what: String,
    },
    /// The content is not the pinned one.
    #[error("{address} sent {bytes} bytes with SHA-512 {found}, but {expected} is pinned")]
    Checksum {
        /// Where.
        address: String,
        /// What had come.
        bytes: u64,
        /// The checksum of what came.
        found: String,
        /// The pinned one.
        expected: String,
    },
    /// The file cannot be written here.
    #[error("cannot write {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl DownloadError {
    /// Whether the server answered that it has no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status, .. } if *status == StatusCode::NOT_FOUND)
    }
}

/// Fetches files.
#[derive(Debug, Clone)]
pub struct Downloader {
    client: Client,
    deadlines: Deadlines,
}

impl Downloader {
    /// A downloader with these deadlines.
    pub fn new(deadlines: Deadlines) -> Result<Self, DownloadError> {
        let client = Client::builder()
            .connect_timeout(deadlines.connect)
            .user_agent(concat!("deployer/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(DownloadError::Client)?;
        Ok(Self { client, deadlines })
    }

    /// The first `most` bytes of what is at an address.
    pub async fn head(&self, address: &str, most: usize) -> Result<Vec<u8>, DownloadError> {
        let (url, shown) = parse(address)?;
        let read = async {
            let mut answer = self.open(url, &shown).await?;
            let mut bytes = Vec::new();
            while let Some(piece) = self
                .piece(answer.chunk(), &shown, bytes.len() as u64)
                .await?
            {
                bytes.extend_from_slice(&piece);
                if bytes.len() >= most {
                    break;
                }
            }
            Ok(bytes)
        };
        self.within_total(&shown, read).await
    }

    /// Fetches `address` into `file` and compares its SHA-512 (hex, in any case) with the pinned one. After an error
    /// `file` is not there. How long it takes is of no matter as long as something comes.
    pub async fn fetch(
        &self,
        address: &str,
        sha512: &str,
        file: &Path,
        progress: Progress<'_>,
    ) -> Result<(), DownloadError> {
        let (url, shown) = parse(address)?;
        let fetched = self
            .stream(url, &shown, file, progress)
            .await
            .and_then(|(found, bytes)| {
                if found.eq_ignore_ascii_case(sha512) {
                    return Ok(());
                }
                Err(DownloadError::Checksum {
                    address: shown,
                    bytes,
                    found,
                    expected: sha512.to_ascii_lowercase(),
                })
            });
        if fetched.is_err() {
            match tokio::fs::remove_file(file).await {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(write_error(file)(source));
                }
                _ => {}
            }
        }
        fetched
    }

    async fn within_total<T>(
        &self,
        shown: &str,
        work: impl Future<Output = Result<T, DownloadError>>,
    ) -> Result<T, DownloadError> {
        timeout(self.deadlines.total, work)
            .await
            .unwrap_or_else(|_| {
                Err(DownloadError::Deadline {
                    address: shown.into(),
                    seconds: self.deadlines.total.as_secs_f64(),
                })
            })
    }

    async fn open(&self, url: Url, shown: &str) -> Result<reqwest::Response, DownloadError> {
        let answer = timeout(self.deadlines.stall, self.client.get(url).send())
            .await
            .map_err(|_| self.stalled(shown, 0))?
            .map_err(|source| DownloadError::Request {
                address: shown.into(),
                source: source.without_url(),
            })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(DownloadError::Status {
            address: shown.into(),
            status: answer.status(),
        })
    }

    /// Gives the SHA-512 and the number of bytes.
    async fn stream(
        &self,
        url: Url,
        shown: &str,
        path: &Path,
        progress: Progress<'_>,
    ) -> Result<(String, u64), DownloadError> {
        let mut answer = self.open(url, shown).await?;
        let length = answer.content_length();
        let name = shown.rsplit('/').next().unwrap_or(shown);
        let mut file = tokio::fs::File::create(path)
            .await
            .map_err(write_error(path))?;
        let mut digest = Sha512::new();
        let mut bytes = 0;
        let (mut told, mut window) = (Instant::now(), (Instant::now(), 0));
        loop {
            let Some(piece) = self.piece(answer.chunk(), shown, bytes).await? else {
                break;
            };
            digest.update(&piece);
            file.write_all(&piece).await.map_err(write_error(path))?;
            bytes += piece.len() as u64;
            let (since, had) = window;
            if since.elapsed() >= self.deadlines.stall {
                let least = SLOWEST * self.deadlines.stall.as_millis() / 1000;
                if u128::from(bytes - had) < least {
                    return Err(DownloadError::Slow {
                        address: shown.into(),
                        bytes: bytes - had,
                        seconds: since.elapsed().as_secs_f64(),
                    });
                }
                window = (Instant::now(), bytes);
            }
            if told.elapsed() >= PROGRESS_EVERY {
                told = Instant::now();
                progress(&how_far(name, bytes, length));
            }
        }
        file.flush().await.map_err(write_error(path))?;
        progress(&how_far(name, bytes, length));
        Ok((hex::encode(digest.finalize()), bytes))
    }

    /// The next piece of an answer of which so many bytes have come.
    async fn piece<T>(
        &self,
        chunk: impl Future<Output = reqwest::Result<Option<T>>>,
        shown: &str,
        bytes: u64,
    ) -> Result<Option<T>, DownloadError> {
        timeout(self.deadlines.stall, chunk)
            .await
            .map_err(|_| self.stalled(shown, bytes))?
            .map_err(|source| DownloadError::Broken {
                address: shown.into(),
                bytes,
                source: source.without_url(),
            })
    }

    fn stalled(&self, shown: &str, bytes: u64) -> DownloadError {
        DownloadError::Stalled {
            address: shown.into(),
            seconds: self.deadlines.stall.as_secs_f64(),
            bytes,
        }
    }
}

/// The address, and how it is shown: without a login.
fn parse(address: &str) -> Result<(Url, String), DownloadError> {
    let url = Url::parse(address)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| DownloadError::Address {
            address: address.into(),
        })?;
    let mut open = url.clone();
    // Both fail only on addresses without a host, which http and https do not allow.
    if open.set_username("").is_err() || open.set_password(None).is_err() {
        return Err(DownloadError::Address {
            address: address.into(),
        });
    }
    Ok((url, open.into()))
}

/// Whether an address holds no login, so that others may see it.
pub(super) fn is_open(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| url.username().is_empty() && url.password().is_none())
}

fn how_far(name: &str, bytes: u64, length: Option<u64>) -> String {
    let mib = bytes >> 20;
    match length.filter(|length| *length > 0) {
        Some(length) => format!(
            "{name}: {mib} of {} MiB ({} %)",
            length >> 20,
            bytes * 100 / length
        ),
        None => format!("{name}: {mib} MiB"),
    }
}

fn write_error(path: &Path) -> impl FnOnce(std::io::Error) -> DownloadError {
    move |source| DownloadError::File {
        path: path.into(),
        source,
    }
}
