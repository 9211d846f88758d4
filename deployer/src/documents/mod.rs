//! Documents of a deployment: the newest, and all of them in a file.

pub mod export;
pub mod file;
pub mod newest;
pub mod step;
pub mod table;
