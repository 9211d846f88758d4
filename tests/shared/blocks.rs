//! The fenced blocks of a page of Markdown.

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    /// What its fence says that it is.
    pub(crate) kind: String,
    /// The lines between the fences.
    pub(crate) text: String,
    /// The number of its first line.
    pub(crate) line: usize,
}

/// All blocks of a text, in their order.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut all: Vec<Block> = Vec::new();
    let mut open = false;
    for (number, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), open) {
            (Some(kind), false) => {
                all.push(Block {
                    kind: kind.to_owned(),
                    text: String::new(),
                    line: number + 2,
                });
                open = true;
            }
            (Some(_), true) => open = false,
            (None, true) => {
                if let Some(block) = all.last_mut() {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
            }
            (None, false) => {}
        }
    }
    assert!(!open, "a block has no end");
    all
}
