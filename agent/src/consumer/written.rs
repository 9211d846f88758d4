//! What became of events.

/// What became of a batch.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// New documents.
    pub stored: usize,
    /// Documents that were there already.
    pub repeated: usize,
    /// Dead letters.
    pub dead: usize,
}
