//! From nothing to a running streaming pipeline with one command, and back with another.
//!
//! # Words
//!
//! * **Inventory** – what the user wrote ([`inventory`]). **Topology** – the inventory after defaults, names and ids
//!   are filled in ([`topology`], by [`layout`]).
//! * **Section** – a key of the inventory that belongs to a component, which reads what stands there as a type of its own
//!   ([`inventory::Sections`]).
//! * **Deployment** – one running instance of an inventory: name + cloud + a random id made at the first `up`.
//!   Nothing that lacks this id is ever adopted, changed or deleted.
//! * **Node** – a named member with roles. **Machine** – what a cloud gives for it ([`machine`]). **Host** – an open
//!   shell on a machine ([`host`]).
//! * **Component** – knows one piece of software ([`component`]). **Step** – one action on one node ([`step`]).
//!   **Stage** – steps that may run at the same time on different nodes. **Plan** – ordered stages ([`plan`]).
//! * **Facts** – what a node says of itself when asked ([`facts`]). **Manifest** – what lies on a node because of us.
//! * **Receipt** – what we own and cannot ask for ([`receipt`]). **State copy** – it, the secrets and the SSH keys, encrypted, on
//!   the nodes ([`state_copy`]). **Reporter** – who shows what happens ([`report`]).
//!
//! # The flow
//!
//! inventory → topology → (observe the cloud, ask the nodes) → plan → runner → proof by canaries → summary.
//! What is decided ([`prepare`]) → how what is there is reached ([`reach`]) → what there is, and so what is to be done ([`observe`])
//! → doing and proving it ([`carry_out`]) → what people read ([`tell`]). [`commands`] has a file for each verb, and no verb imports
//! another. What should be is pure and synchronous; effects are in [`cloud`], [`host`], [`artifact`], [`run`] and these.
//! What runs on the operator's box is started by [`process`] alone, and [`retry`] has the pauses of whatever is tried again.
//! What people look up is in [`guide`].
#![forbid(unsafe_code)]

pub mod artifact;
pub mod authority;
pub mod carry_out;
pub mod causes;
pub mod cli;
pub mod cloud;
pub mod commands;
pub mod component;
pub mod contract;
pub mod documents;
pub mod entry;
pub mod error;
pub mod facts;
pub mod few;
pub mod figures;
pub mod firewall;
pub mod guide;
pub mod host;
pub mod hosts_table;
pub mod inspect;
pub mod inventory;
pub mod layout;
pub mod machine;
pub mod observe;
pub mod packet_filter;
pub mod plan;
pub mod preflight;
pub mod prepare;
pub mod process;
pub mod reach;
pub mod receipt;
pub mod rehearsal;
pub mod report;
pub mod retry;
pub mod rights;
pub mod run;
pub mod secret;
pub mod shell;
pub mod signing_key;
pub mod state_copy;
pub mod step;
pub mod sudo;
pub mod tell;
pub mod template;
pub mod topology;
pub mod whole_file;
pub mod xml;
pub mod yaml;
