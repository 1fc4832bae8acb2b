//! Settings from the builder, the environment, a profile file and defaults, in that order; each remembers where it came
//! from.
//!
//! The environment is handed in as an [`Env`], so that tests never touch the real one.
//!
//! ```
//! use twinhouse_core::config::{Env, Layers};
//!
//! let env = Env::from_pairs([("EXAMPLE_HOST", "localhost")]);
//! let mut layers = Layers::new(env);
//! let host = layers.setting::<String>("host").env("EXAMPLE_HOST").required()?;
//! let port = layers.setting::<u16>("port").env("EXAMPLE_PORT").wish("a port number").or(443)?;
//! assert_eq!((host.value().as_str(), *port.value()), ("localhost", 443));
//! assert_eq!(host.origin().to_string(), "environment EXAMPLE_HOST");
//!
//! let missing = layers.setting::<String>("warehouse").env("EXAMPLE_WAREHOUSE").required().unwrap_err();
//! assert_eq!(
//!     missing.to_string(),
//!     "`warehouse` is not set (setting: warehouse, looked in: builder, environment EXAMPLE_WAREHOUSE)"
//! );
//! # Ok::<(), twinhouse_core::Error>(())
//! ```

mod env;
mod explain;
mod layers;
mod profile;
mod setting;
mod time;

pub use env::Env;
pub use explain::Explanation;
pub use layers::{Layers, Lookup};
pub use profile::{Profile, Profiles};
pub use setting::{Origin, Setting};
pub use time::parse_duration;
