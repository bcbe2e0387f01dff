//! Each layer by itself over the simulator.

use std::sync::Arc;

use secrets_manager_simulator::settings::Settings;
use tokenvault::audit::recorder::Mode;
use tokenvault::backend::Backend;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::conformance::Fresh;
use tokenvault::store::TokenStore;

use crate::one_layer;
use crate::simulated::World;

async fn world() -> World {
    World::new(Settings::new().seed(7)).await
}

fn own() -> Arc<dyn Backend> {
    Arc::new(MemoryBackend::new())
}

async fn cached() -> Fresh<Arc<dyn TokenStore>> {
    let world = world().await;
    Fresh::keeping(one_layer::cached(Arc::new(world.backend("one"))), world)
}

async fn coordinated() -> Fresh<Arc<dyn TokenStore>> {
    let world = world().await;
    let backend = Arc::new(world.backend("one"));
    Fresh::keeping(one_layer::coordinated(Arc::clone(&backend) as _, Some(backend)), world)
}

async fn with_copy() -> Fresh<Arc<dyn Backend>> {
    let world = world().await;
    let fallback = one_layer::with_copy(Arc::new(world.backend("one")), own()).await;
    Fresh::keeping(fallback as Arc<dyn Backend>, world)
}

async fn unsaved() -> Fresh<Arc<dyn TokenStore>> {
    let world = world().await;
    Fresh::keeping(one_layer::unsaved(Arc::new(world.backend("one")), own()).await, world)
}

async fn journaled() -> Fresh<Arc<dyn TokenStore>> {
    let world = world().await;
    Fresh::keeping(one_layer::journaled(Arc::new(world.backend("one")), own(), own()).await, world)
}

async fn audited() -> Fresh<Arc<dyn TokenStore>> {
    let world = world().await;
    one_layer::audited(Arc::new(world.backend("one")), Mode::Required, world)
}

async fn loosely_audited() -> Fresh<Arc<dyn TokenStore>> {
    let world = world().await;
    one_layer::audited(Arc::new(world.backend("one")), Mode::BestEffort, world)
}

async fn measured() -> Fresh<Arc<dyn TokenStore>> {
    let world = world().await;
    Fresh::keeping(one_layer::measured(Arc::new(world.backend("one"))), world)
}

tokenvault::conformance_tests!(caches, cached);
tokenvault::conformance_tests!(coordination, coordinated);
tokenvault::backend_conformance_tests!(fallback, with_copy);
tokenvault::conformance_tests!(what_is_kept, unsaved);
tokenvault::conformance_tests!(journals, journaled);
tokenvault::conformance_tests!(audit, audited);
tokenvault::conformance_tests!(best_effort_audit, loosely_audited);
tokenvault::conformance_tests!(metrics, measured);
