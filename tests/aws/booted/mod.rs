//! Tests on booted machines, one at a time on a box. They take longest: by this name they are among the first that begin.

mod bastion;
mod contact;
mod laptop;
mod rehearsal;
mod whole;
