//! The encrypted file on a disk that loses power, fills up and fails, shared by processes that are killed and forked.

mod faults;
mod freshness;
mod placing;
mod power_loss;
mod scene;
mod sim_disk;
mod sim_file;
mod sim_image;
mod sim_world;
mod two_processes;
