//! What is decided before anything is asked or done: by the command line, the inventory, the receipt and the agents that are there.

mod agents;
mod artifacts;
mod bucket_keys;
pub mod cloud_sections;
mod earlier;
pub mod ends;
pub mod images;
pub mod login_keys;
mod mail;
pub mod outside;
pub mod plain_text;
pub mod prepared;
mod private_file;
pub mod recorded;
pub mod repository_keys;
pub mod state_copy;
mod stream_programs;
pub mod target;
