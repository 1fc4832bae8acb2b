//! The backend against a server that answers from a script: every awkward thing the service does, and the
//! counter-measure that survives it.

mod auth;
mod bench;
mod counted;
mod dbfs;
mod files;
mod files_download;
mod files_replay;
mod files_resumable;
mod files_store;
mod files_tls;
mod inline;
mod jobs;
mod jobs_lists;
mod jobs_outputs;
mod jobs_pain;
mod jobs_wait;
mod links;
mod load;
mod login;
mod merge;
mod merge_clauses;
mod replace;
mod sql;
mod sql_pain;
mod sql_spoiled;
mod statements;
mod streaming;
mod streaming_submit;
mod tables;
mod unity;
mod unity_credentials;
mod warehouses;
mod workspace;
