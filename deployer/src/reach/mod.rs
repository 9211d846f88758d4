//! How what is there is reached: clouds with their credentials, nodes by SSH, root on this box, and a deployment by its receipt.

pub mod clouds;
pub mod connections;
pub mod copies;
pub mod deployment;
pub mod failure;
pub mod lent_names;
pub mod own_tool;
pub mod pipeline_tool;
pub mod root;
pub mod ssh_line;
pub mod teardown_target;
pub mod user_hosts;
