//! How the fleet reaches the service: in this process, or over sockets.

use std::sync::mpsc::{Sender, channel};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_secretsmanager::config::{ConfigBag, Intercept};
use aws_sdk_secretsmanager::error::BoxError;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use secrets_manager_simulator::simulator::Simulator;

use crate::service::Service;
use crate::simulated::{World, client, config};

pub(super) enum Way {
    InProcess(Simulator),
    OverSockets(Service),
}

impl Way {
    pub(super) fn in_process(world: &World) -> Self {
        Self::InProcess(world.simulator.clone())
    }

    pub(super) fn over_sockets(world: &World) -> Self {
        Self::OverSockets(Service::over(world.simulator.clone()))
    }

    pub(super) fn client(&self, access_key: &str) -> Client {
        let service = match self {
            Self::InProcess(simulator) => return client(simulator, access_key),
            Self::OverSockets(service) => service,
        };
        Client::from_conf(config(access_key).endpoint_url(service.endpoint()).interceptor(StandStill).build())
    }
}

/// Has the virtual time stand still while a call is on its way: tokio lets none pass while a blocking task runs.
#[derive(Debug)]
struct StandStill;

impl Intercept for StandStill {
    fn name(&self) -> &'static str {
        "StandStill"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (held, until) = channel::<()>();
        tokio::task::spawn_blocking(move || until.recv());
        bag.interceptor_state().store_put(Held { _held: held });
        Ok(())
    }
}

/// Lives as long as its call.
#[derive(Debug)]
struct Held {
    _held: Sender<()>,
}

impl Storable for Held {
    type Storer = StoreReplace<Self>;
}
