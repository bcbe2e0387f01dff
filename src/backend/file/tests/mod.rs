//! The encrypted file on a disk that loses power, fills up and fails, shared by processes that are killed and forked.
#![allow(clippy::cast_possible_truncation, reason = "offsets in simulated files of a few kilobytes")]

mod ageing;
mod examining;
mod faults;
mod fork;
mod fork_at_each_call;
mod freshness;
mod gated_disk;
mod meeting;
mod owner;
mod placing;
mod power_loss;
mod scene;
mod sim_disk;
mod sim_file;
mod sim_image;
mod sim_world;
mod two_processes;
mod unclosed;
mod waiting;
