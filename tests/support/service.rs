//! A simulated Secrets Manager on loopback, for a program in another process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

use secrets_manager_simulator::http::server::Server;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::simulator::Simulator;
use tokio::sync::oneshot;

/// What the program proves to AWS that it is.
pub(crate) const ACCESS_KEY: &str = "AKIDALICE";

/// Answers until it is dropped.
pub(crate) struct Service {
    pub(crate) simulator: Simulator,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    pub(crate) fn start() -> Self {
        Self::of(Settings::new().seed(7))
    }

    pub(crate) fn of(settings: Settings) -> Self {
        Self::over(Simulator::new(settings))
    }

    /// One that is there already.
    pub(crate) fn over(simulator: Simulator) -> Self {
        let ((stop, stopped), (told, address), served) = (oneshot::channel(), channel(), simulator.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = Server::bind(served, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
                told.send(server.address()).unwrap();
                server.run(async { drop(stopped.await) }).await.unwrap();
            });
        });
        Self { simulator, address: address.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Leads a program here, with these credentials and nothing of the machine's own.
    pub(crate) fn dress(&self, command: &mut Command, folder: &Path, secret_key: &str) {
        command.env("AWS_ENDPOINT_URL", self.endpoint());
        command.env("AWS_REGION", "us-east-1").env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", secret_key);
        command.env("AWS_CONFIG_FILE", folder.join("none")).env("AWS_SHARED_CREDENTIALS_FILE", folder.join("none"));
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}
