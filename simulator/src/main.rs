//! The command: a simulator that listens on loopback until it is interrupted.
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a command speaks to its terminal")]

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use clap::Parser;
use secrets_manager_simulator::clock::Timestamp;
use secrets_manager_simulator::http::server::Server;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::simulator::Simulator;
use secrets_manager_simulator::switches::Switches;

/// A strict AWS Secrets Manager for tests, on loopback. Prints its address.
#[derive(Debug, Parser)]
struct Arguments {
    /// The port on 127.0.0.1; 0 is any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// What all that is random comes from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Lagging reads, empty pages and limited rates from the start.
    #[arg(long)]
    strict: bool,
    /// When the clock starts, in seconds since 1970.
    #[arg(long, value_name = "SECONDS")]
    start: Option<u64>,
    /// Let the clock run; without this it moves only when it is told to.
    #[arg(long)]
    run_clock: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("secrets-manager-simulator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: &Arguments) -> std::io::Result<()> {
    let mut settings = Settings::new().seed(arguments.seed);
    if arguments.strict {
        settings = settings.switches(Switches::strict());
    }
    if let Some(start) = arguments.start {
        settings = settings.start(Timestamp::from_millis(start.saturating_mul(1000)));
    }
    let simulator = Simulator::new(settings);
    if arguments.run_clock {
        simulator.clock().run();
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let server = Server::bind(simulator, address).await?;
    println!("http://{}", server.address());
    std::io::stdout().flush()?;
    server.run(async { drop(tokio::signal::ctrl_c().await) }).await
}
