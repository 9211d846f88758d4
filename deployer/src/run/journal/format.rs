//! Reading files of any known format.

use std::path::Path;

use serde::de::{DeserializeOwned, Error as _};
use serde_json::Value;

use super::{JournalError, file_error, upgrade};
use crate::receipt::Receipt;

/// Reads a receipt of any known format.
pub(super) fn load(path: &Path) -> Result<Receipt, JournalError> {
    load_as(path, Receipt::VERSION, upgrade::receipt).map(|(_, receipt)| receipt)
}

/// Reads a file that carries its format in `version`: the format, and what it says.
pub(super) fn load_as<T: DeserializeOwned>(
    path: &Path,
    known: u32,
    upgrade: fn(u64, Value) -> Value,
) -> Result<(u64, T), JournalError> {
    let damaged = |source| JournalError::Damaged {
        path: path.into(),
        source,
    };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(JournalError::Missing(path.into()));
        }
        Err(error) => return Err(file_error(path, error)),
    };
    let value: Value = serde_json::from_slice(&bytes).map_err(damaged)?;
    let found = value.get("version").and_then(Value::as_u64);
    match found {
        Some(found) if found > u64::from(known) => Err(JournalError::Newer {
            path: path.into(),
            found,
            known,
        }),
        Some(found) if found > 0 => {
            let read = serde_json::from_value(upgrade(found, value));
            Ok((found, read.map_err(damaged)?))
        }
        _ => Err(damaged(serde_json::Error::custom("it names no format"))),
    }
}
