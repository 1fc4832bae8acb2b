//! The ways to obtain a credential, one in each file.

pub mod azure;
mod basic;
mod databricks_cli;
mod federation;
mod first_of;
pub mod google;
mod grant;
pub mod id_token;
mod login;
mod metadata_service;
mod oauth_m2m;
mod pat;
mod pat_exchange;

pub use basic::Basic;
pub use databricks_cli::DatabricksCli;
pub use federation::Federation;
pub use first_of::FirstOf;
pub use grant::Grant;
pub use login::StaticLogin;
pub use metadata_service::MetadataService;
pub use oauth_m2m::OAuthM2m;
pub use pat::Pat;
pub use pat_exchange::PatExchange;
