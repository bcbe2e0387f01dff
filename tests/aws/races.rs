//! Many at once: over handles of one process, over processes, and on an emulator. What is told is true in the end.

use std::sync::Arc;

use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use tokenvault::store::TokenStore;

use crate::crowd::{
    PROCESSES, SignedIn, Story, TASKS, assert_all_told, assert_one_token, prepare, sign_in_first, work,
};
use crate::simulated::World;

/// Each handle is a process of its own, as far as AWS knows.
type Handles = Vec<Arc<dyn TokenStore>>;

fn handles(world: &World, count: usize) -> Handles {
    (0..count).map(|number| Arc::new(world.vault(&format!("process {number}"))) as _).collect()
}

/// Lets tasks of all handles work at once.
async fn crowd(handles: &[Arc<dyn TokenStore>], steps: usize) -> Vec<Story> {
    let seed = fastrand::u64(..);
    println!("{} handles, {TASKS} tasks each, {steps} steps each, seed {seed}", handles.len());
    let mut running = Vec::new();
    for (process, store) in handles.iter().enumerate() {
        running.extend((0..TASKS).map(|task| tokio::spawn(work(Arc::clone(store), (process, task), seed, steps))));
    }
    let mut stories = Vec::new();
    for task in running {
        stories.push(task.await.unwrap());
    }
    stories
}

/// First sign-ins of one user, each over a handle of its own.
async fn sign_ins(handles: Handles) -> Vec<SignedIn> {
    let each = handles.into_iter().enumerate();
    let running: Vec<_> = each.map(|(number, store)| tokio::spawn(sign_in_first(store, number.to_string()))).collect();
    let mut told = Vec::new();
    for task in running {
        told.push(task.await.unwrap());
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tasks_over_four_handles_lose_nothing_and_double_nothing() {
    let world = World::new(Settings::new().seed(fastrand::u64(..))).await;
    let handles = handles(&world, PROCESSES);
    prepare(&*handles[0]).await;
    let stories = crowd(&handles, 10).await;
    assert_all_told(&world.vault("reader"), &stories).await;
    world.assert_consistent("after the crowd").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thirty_two_first_sign_ins_over_handles_of_their_own_make_one_token() {
    let world = World::new(Settings::new().seed(1)).await;
    let told = sign_ins(handles(&world, 32)).await;
    assert_one_token(&world.vault("reader"), &told).await;
    world.assert_consistent("after the sign-ins").await;
}

/// Each of them reads and writes anew only once for having been overtaken: else their calls would grow with the square of
/// their number, and the versions of a day be used up.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thirty_two_sign_ins_in_one_process_wait_for_each_other() {
    let world = World::new(Settings::new().seed(1)).await;
    let vault: Arc<dyn TokenStore> = Arc::new(world.vault("one"));
    let told = sign_ins(vec![vault; 32]).await;
    assert_one_token(&world.vault("reader"), &told).await;
    let puts = world.simulator.counters().of(Operation::PutSecretValue);
    assert!(puts <= 4 * 32, "{puts} writes");
}

/// The same, in short, where another implementation of the service decides who is first.
mod localstack {
    use super::{PROCESSES, assert_all_told, assert_one_token, crowd, prepare, sign_ins};
    use crate::emulated::Made;
    use crate::emulator::localstack::endpoint;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn tasks_over_four_handles_lose_nothing_and_double_nothing() {
        let made = Made::new(endpoint()).await;
        prepare(&*made.handle()).await;
        let stories = crowd(&made.handles(PROCESSES), 3).await;
        assert_all_told(&*made.handle(), &stories).await;
        made.assert_whole().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn thirty_two_first_sign_ins_over_handles_of_their_own_make_one_token() {
        let made = Made::new(endpoint()).await;
        let told = sign_ins(made.handles(32)).await;
        assert_one_token(&*made.handle(), &told).await;
        made.assert_whole().await;
    }
}

/// Real processes, over the simulator's server and over LocalStack.
#[cfg(all(feature = "cli", feature = "import"))]
mod processes {
    use std::process::Command;

    use serde::de::DeserializeOwned;
    use tempfile::TempDir;
    use tokenvault::operation::Context;
    use tokio::runtime::Runtime;

    use super::{PROCESSES, SignedIn, Story, World, assert_all_told, assert_one_token, prepare};
    use crate::crew::Crew;
    use crate::service::Service;

    /// What all of them were told, who do this in the store by these arguments.
    fn told<T: DeserializeOwned>(what: &str, store: &str, arguments: &[&str], dress: impl Fn(&mut Command)) -> Vec<T> {
        let arguments = |process: usize| {
            let process = process.to_string();
            [&[what, store, "none", &process][..], arguments].concat().into_iter().map(str::to_owned).collect()
        };
        let mut crew = Crew::ready(PROCESSES, arguments, dress);
        crew.begin();
        crew.told()
    }

    struct Scene {
        folder: TempDir,
        service: Service,
        world: World,
        runtime: Runtime,
    }

    impl Scene {
        fn new() -> Self {
            let service = Service::start();
            let world = World { simulator: service.simulator.clone() };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(world.backend("test").create(&Context::new())).unwrap();
            Self { folder: TempDir::with_prefix("tokenvault-races-").unwrap(), service, world, runtime }
        }

        fn told<T: DeserializeOwned>(&self, what: &str, arguments: &[&str]) -> Vec<T> {
            told(what, "aws:test/vault", arguments, |command| self.service.dress(command, self.folder.path(), "any"))
        }
    }

    #[test]
    fn sixteen_tasks_in_each_of_four_lose_nothing_and_double_nothing() {
        let (scene, seed) = (Scene::new(), fastrand::u64(..));
        println!("seed {seed}");
        scene.runtime.block_on(prepare(&scene.world.vault("before")));
        let stories: Vec<Story> = scene.told("work", &[&seed.to_string(), "8"]);
        scene.runtime.block_on(async {
            assert_all_told(&scene.world.vault("reader"), &stories).await;
            scene.world.assert_consistent("after the processes").await;
        });
    }

    #[test]
    fn thirty_two_first_sign_ins_in_four_make_one_token() {
        let scene = Scene::new();
        let told: Vec<SignedIn> = scene.told("sign-in", &[&(32 / PROCESSES).to_string()]);
        assert_eq!(told.len(), 32);
        scene.runtime.block_on(async {
            assert_one_token(&scene.world.vault("reader"), &told).await;
            scene.world.assert_consistent("after the sign-ins").await;
        });
    }

    mod localstack {
        use super::{Story, assert_all_told, prepare, told};
        use crate::emulated::Made;
        use crate::emulator::{REGION, SECRET_ACCESS_KEY, localstack::endpoint};

        #[tokio::test]
        async fn sixteen_tasks_in_each_of_four_lose_nothing_and_double_nothing() {
            let (made, seed) = (Made::new(endpoint()).await, fastrand::u64(..));
            println!("seed {seed}");
            prepare(&*made.handle()).await;
            let store = format!("aws:{}?region={REGION}&endpoint={}", made.prefix, endpoint());
            let stories: Vec<Story> = told("work", &store, &[&seed.to_string(), "3"], |command| {
                command.env("AWS_ACCESS_KEY_ID", made.access_key_id()).env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
            });
            assert_all_told(&*made.handle(), &stories).await;
            made.assert_whole().await;
        }
    }
}
