//! A strict AWS Secrets Manager for tests: it refuses what the service refuses and forgets what it forgets, with a
//! virtual clock, a seed, and switches where the service's behaviour is not known.
//!
//! - [`simulator::Simulator`]: the service; [`settings::Settings`] makes one, [`switches::Switches`] set it.
//! - [`wire`]: requests and replies, for use in process. Feature `sdk`: the AWS SDK's HTTP client without a socket.
//! - [`gate`]: stop every call before and after its effect, fail it, or let it read old states.
//! - `RULES.md` lists every rule with its source.

mod arn;
pub mod clock;
pub mod counters;
pub mod error;
pub mod gate;
pub mod operation;
mod random;
mod rules;
#[cfg(feature = "sdk")]
pub mod sdk;
pub mod settings;
pub mod simulator;
mod state;
pub mod switches;
pub mod wire;
mod world;
