//! What people read: what will be done and what it costs, what is there, and how it ended.

pub mod charges;
pub mod grade;
pub mod health;
pub mod lease_end;
pub mod lineage;
pub mod live;
pub mod plan_text;
pub mod prompt;
pub mod status_report;
pub mod summary;
