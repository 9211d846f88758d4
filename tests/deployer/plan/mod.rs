//! Plans for the default pipeline, with components written by hand, on a world in memory.

mod by_hand;
mod kafka;
mod losses;
mod properties;
mod s0;
mod texts;
