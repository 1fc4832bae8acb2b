//! The ways to obtain a credential.

mod login;
mod oauth_m2m;
mod pat;

pub use login::StaticLogin;
pub use oauth_m2m::OAuthM2m;
pub use pat::Pat;
