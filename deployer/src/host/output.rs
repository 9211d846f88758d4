//! What a command prints, as far as it is an answer to anything that is asked.

use tokio::io::{AsyncRead, AsyncReadExt};

/// The most bytes that are collected: more than the largest part of an export.
pub(super) const MOST: usize = 256 << 20;

/// Collects what a command prints, up to `most` bytes; more is an error, and nobody's memory.
pub(super) async fn collect(
    stream: impl AsyncRead + Unpin,
    most: usize,
) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(most as u64 + 1).read_to_end(&mut bytes).await?;
    if bytes.len() > most {
        return Err(std::io::Error::other(format!(
            "it prints more than {} MiB",
            most >> 20
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::collect;

    #[tokio::test]
    async fn what_a_command_prints_is_bounded() {
        let text = b"x".repeat(3 << 20);
        for (most, is_taken) in [(3 << 20, true), ((3 << 20) - 1, false), (1 << 20, false)] {
            let collected = collect(text.as_slice(), most).await;
            assert_eq!(collected.is_ok_and(|all| all == text), is_taken, "{most}");
        }
        let error = collect(text.as_slice(), 1 << 20)
            .await
            .expect_err("too much");
        assert_eq!(error.to_string(), "it prints more than 1 MiB");
    }
}
