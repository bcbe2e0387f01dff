//! Somebody with the console, who changes a vault's secrets by hand.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::primitives::Blob;
use secrets_manager_simulator::view::SecretView;

use crate::simulated::{World, client};

pub(crate) struct Operator<'a> {
    world: &'a World,
    client: Client,
}

impl<'a> Operator<'a> {
    pub(crate) fn of(world: &'a World) -> Self {
        Self { world, client: client(&world.simulator, "operator") }
    }

    fn secret(&self, secret: &str) -> SecretView {
        self.world.simulator.secret(secret).unwrap()
    }

    /// Which version is in force.
    pub(crate) fn current(&self, secret: &str) -> String {
        self.secret(secret).labelled("AWSCURRENT").unwrap().id.clone()
    }

    /// The versions of a secret, in the order of their making.
    pub(crate) fn versions(&self, secret: &str) -> Vec<String> {
        self.secret(secret).versions.iter().map(|version| version.id.clone()).collect()
    }

    /// What a version holds.
    pub(crate) fn value(&self, secret: &str, version: &str) -> Vec<u8> {
        self.secret(secret).versions.into_iter().find(|other| other.id == version).unwrap().value
    }

    /// Puts another version in force.
    pub(crate) async fn put_in_force(&self, secret: &str, version: &str) {
        let call = self.client.update_secret_version_stage().secret_id(secret).version_stage("AWSCURRENT");
        let call = call.move_to_version_id(version).remove_from_version_id(self.current(secret));
        call.send().await.unwrap();
    }

    /// Writes a version by hand, under an id that no vault would make. Answers that id.
    pub(crate) async fn write(&self, secret: &str, value: Vec<u8>) -> String {
        let written = self.client.put_secret_value().secret_id(secret).secret_binary(Blob::new(value)).send().await;
        written.unwrap().version_id.unwrap()
    }
}
