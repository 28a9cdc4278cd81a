//! Offline tables, materialization runs and point-in-time training sets
