//! Tests of the agents from the outside.
