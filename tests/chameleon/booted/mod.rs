//! Tests on booted machines. They take longest: by this name they are among the first that begin.

mod brief;
mod laptop;
mod rehearsal;
mod whole;
