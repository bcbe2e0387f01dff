//! The backend over AWS Secrets Manager, on a strict simulator of the service.
#![cfg(feature = "aws")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has to stop")]
#![allow(clippy::indexing_slicing, clippy::panic, clippy::print_stdout, reason = "as above; the seed is printed")]

mod adversarial;
mod audit_key;
mod bad_days;
mod broken_off;
mod calls;
#[path = "../support/contested.rs"]
mod contested;
mod copying;
#[cfg(feature = "import")]
mod costs;
mod crash;
#[cfg(all(feature = "cli", feature = "import"))]
#[allow(dead_code, reason = "the tests of refreshes use the rest of it")]
#[path = "../support/crew.rs"]
mod crew;
#[path = "../support/crowd.rs"]
mod crowd;
mod cut;
mod doctor;
mod emulated;
#[path = "../support/emulator.rs"]
mod emulator;
mod findings;
#[allow(dead_code, reason = "the tests of other stores use the rest of it")]
#[path = "../support/fleet.rs"]
mod fleet;
mod fleet_scene;
#[cfg(feature = "import")]
mod growth;
#[cfg(feature = "import")]
mod import;
mod interleavings;
mod kms_key;
mod lease_orders;
mod lease_probe;
mod leases_cut;
mod least_privilege;
mod ledger;
mod left_over;
mod left_over_orders;
mod look;
mod month;
#[cfg(feature = "audit")]
#[path = "../support/one_layer.rs"]
mod one_layer;
#[cfg(all(feature = "audit", feature = "file"))]
mod opened;
mod operator;
mod orders;
#[cfg(feature = "file")]
mod outages;
#[cfg(feature = "audit")]
mod past_the_vault;
#[allow(dead_code, reason = "the tests of refreshes use the rest of it")]
#[path = "../support/provider.rs"]
mod provider;
mod purging;
mod quotas;
mod races;
mod recovery;
mod refresh;
mod repair;
mod schedules;
#[allow(dead_code, reason = "the tests of the command line use the rest of it")]
#[path = "../support/service.rs"]
mod service;
mod set_back;
mod short_lived;
mod simulated;
#[cfg(feature = "audit")]
#[path = "../support/stack.rs"]
mod stack;
mod together;
mod two_pages;
mod upkeep;
mod warnings;

use std::sync::Arc;

use secrets_manager_simulator::settings::Settings;
use tokenvault::backend::Backend;
#[cfg(feature = "audit")]
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::conformance::Fresh;
use tokenvault::conformance::handles::Handles;
use tokenvault::store::TokenStore;

use crate::simulated::World;

async fn store() -> Fresh<Arc<dyn TokenStore>> {
    let world = World::new(Settings::new().seed(7)).await;
    Fresh::keeping(Arc::new(world.vault("one")), world)
}

async fn backend() -> Fresh<Arc<dyn Backend>> {
    let world = World::new(Settings::new().seed(7)).await;
    Fresh::keeping(Arc::new(world.backend("one")), world)
}

async fn two_handles() -> Fresh<Handles> {
    let world = World::new(Settings::new().seed(7)).await;
    let handle = |key| Arc::new(world.backend(key)) as Arc<dyn Backend>;
    Fresh::keeping((handle("one"), handle("two")), world)
}

#[cfg(feature = "audit")]
async fn all_layers() -> Fresh<Arc<dyn TokenStore>> {
    let world = World::new(Settings::new().seed(7)).await;
    let backend = Arc::new(world.backend("one"));
    stack::stack(Arc::clone(&backend) as _, Some(backend), world).await
}

#[cfg(feature = "audit")]
async fn all_layers_with_a_journal() -> Fresh<Arc<dyn TokenStore>> {
    let world = World::new(Settings::new().seed(7)).await;
    let (backend, kept) = (Arc::new(world.backend("one")), Arc::new(MemoryBackend::new()));
    stack::journaled_stack(Arc::clone(&backend) as _, Some(backend), kept, world).await
}

tokenvault::conformance_tests!(over_the_simulator, store);
#[cfg(feature = "audit")]
tokenvault::conformance_tests!(all_layers_over_the_simulator, all_layers);
#[cfg(feature = "audit")]
tokenvault::conformance_tests!(all_layers_with_a_journal_over_the_simulator, all_layers_with_a_journal);
#[cfg(feature = "audit")]
mod one_layer_over_the_simulator;
tokenvault::backend_conformance_tests!(on_the_simulator, backend);
tokenvault::shared_conformance_tests!(two_processes, two_handles);

macro_rules! in_all_weathers {
    ($($module:ident: $weather:ident;)*) => {$(
        mod $module {
            use super::adversarial::{Weather, backend, store, two_handles};

            tokenvault::conformance_tests!(vaults, || store(Weather::$weather));
            tokenvault::backend_conformance_tests!(backends, || backend(Weather::$weather));
            tokenvault::shared_conformance_tests!(two_processes, || two_handles(Weather::$weather));
        }
    )*};
}

in_all_weathers! {
    with_stale_reads: Stale;
    with_lost_calls: Lossy;
    with_stale_reads_and_lost_calls: Both;
}

/// The suites against an emulator, in a module of its name.
macro_rules! on_emulator {
    ($emulator:ident) => {
        mod $emulator {
            use super::emulated::{backend, store, two_handles};
            use super::emulator::$emulator::endpoint;

            tokenvault::conformance_tests!(vaults, || store(endpoint()));
            tokenvault::backend_conformance_tests!(backends, || backend(endpoint()));
            tokenvault::shared_conformance_tests!(two_processes, || two_handles(endpoint()));
        }
    };
}

on_emulator!(localstack);

#[cfg(feature = "audit")]
mod all_layers_over {
    mod localstack {
        use crate::emulated::all_layers;
        use crate::emulator::localstack::endpoint;

        tokenvault::conformance_tests!(vaults, || all_layers(endpoint()));
    }
}

#[cfg(feature = "audit")]
mod one_layer_over {
    mod localstack {
        use crate::emulated::one;
        use crate::emulator::localstack::endpoint;

        tokenvault::conformance_tests!(cached, || one::cached(endpoint()));
        tokenvault::conformance_tests!(coordinated, || one::coordinated(endpoint()));
        tokenvault::conformance_tests!(unsaved, || one::unsaved(endpoint()));
        tokenvault::conformance_tests!(journaled, || one::journaled(endpoint()));
        tokenvault::conformance_tests!(audited, || one::audited(endpoint()));
    }
}

// Second opinions. What is left out on them, and for which difference, stands in xtask/src/left_out.rs.
on_emulator!(moto);
on_emulator!(ministack);
