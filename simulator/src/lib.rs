//! A strict AWS Secrets Manager for tests: it refuses what the service refuses and forgets what it forgets, with a
//! virtual clock, a seed, and switches where the service's behaviour is not known.
//!
//! - [`simulator::Simulator`]: the service; [`settings::Settings`] makes one, [`switches::Switches`] set it.
//! - [`wire`]: requests and replies, for use in process. Feature `sdk`: the AWS SDK's HTTP client without a socket.
//! - [`iam`], [`kms`]: principals with policies, keys with states and rights.
//! - [`faults`]: calls that fail by plan or by chance, before or after their effect.
//! - [`gate`]: stop every call before and after its effect, fail it, or let it read old states; [`turnstile`] is a gate
//!   that holds calls until a test releases them.
//! - Feature `http`: the same over HTTP on loopback, and the command.
//! - `RULES.md` lists every rule with its source.

mod arn;
pub mod clock;
pub mod counters;
pub mod error;
pub mod faults;
pub mod gate;
#[cfg(feature = "http")]
pub mod http;
pub mod iam;
pub mod kms;
pub mod operation;
mod random;
mod rules;
#[cfg(feature = "sdk")]
pub mod sdk;
pub mod settings;
pub mod simulator;
mod state;
pub mod switches;
pub mod throttle;
mod trail;
pub mod turnstile;
pub mod view;
pub mod wire;
mod world;
