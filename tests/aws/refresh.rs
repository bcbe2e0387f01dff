//! One refresh per expiry over Secrets Manager: leases are versions, and their age is told by the service.

use std::time::Duration;

use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::switches::{Staleness, Switches};
use tokenvault::clock::Clock;
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field::{AccessToken, ExpiresIn};
use tokenvault::operation::Context;
use tokenvault::store::{Outcome, TokenStore};
use tokenvault::token::OAuthToken;
use tokio::time::{Instant, sleep};

use crate::fleet::{Called, LIFETIME, Process, kinds};
use crate::fleet_scene::Scene;

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> Settings {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    Settings::new().seed(seed)
}

#[tokio::test(start_paused = true)]
async fn sixty_four_readers_make_one_refresh_of_two_versions() {
    let scene = Scene::new(settings(), Duration::ZERO).await;
    let processes: Vec<Process> = (0..8).map(|_| scene.process()).collect();
    let before = scene.puts();
    let called = scene.fleet.all_call(&processes, 8).await;
    assert_eq!((scene.fleet.asked(), called.len()), (1, 64));
    assert!(called.iter().all(|called| *called == Called::With("access 1".to_owned())), "{:?}", kinds(&called));
    let written = scene.puts() - before;
    assert!(written <= 2 + 8, "the lease, the token, and what the others lost by: {written}");
}

/// Any read may be of some seconds ago, and answers get lost.
#[tokio::test(start_paused = true)]
async fn so_they_do_where_reads_are_stale() {
    for _ in 0..8 {
        let switches = Switches { staleness: Staleness::Adversarial, ..Switches::default() };
        let scene = Scene::new(settings().switches(switches), Duration::ZERO).await;
        // Until every read shows the token.
        sleep(10 * SECOND).await;
        let processes: Vec<Process> = (0..8).map(|_| scene.process()).collect();
        let called = scene.fleet.all_call(&processes, 8).await;
        assert_eq!(scene.fleet.asked(), 1, "{:?}", kinds(&called));
        let is_served = |called: &&Called| **called == Called::With("access 1".to_owned());
        let served = called.iter().filter(is_served).count();
        let late = called.iter().filter(|called| **called == Called::Refused(ErrorKind::Busy)).count();
        assert_eq!(served + late, 64, "{:?}", kinds(&called));
    }
}

/// Of a token that lives nobody waits: not for reads to show what another process has written, either.
#[tokio::test(start_paused = true)]
async fn who_loses_an_early_lease_goes_on_at_once() {
    let switches = Switches { staleness: Staleness::Stalest, ..Switches::default() };
    let scene = Scene::new(settings().switches(switches), 55 * SECOND).await;
    let [winner, loser] = [scene.process(), scene.process()];
    sleep(10 * SECOND).await;
    let read = async |process: &Process, caller: &str| {
        let began = Instant::now();
        let context = Context::new().with_caller(caller);
        let token = process.store.find_token_by_id(&context, &scene.fleet.id).await.unwrap().value.unwrap();
        (token.lease().is_some(), began.elapsed())
    };
    assert_eq!(read(&winner, "one").await, (true, Duration::ZERO));
    let before = scene.puts();
    assert_eq!(read(&loser, "another").await, (false, Duration::ZERO));
    assert_eq!(scene.puts(), before + 1, "it has asked");
    // That there is something newer it knows from then on, so it reads until that shows.
    assert!(!read(&loser, "another").await.0);
    assert_eq!(scene.puts(), before + 1, "and does not ask again at once");
}

#[tokio::test(start_paused = true)]
async fn the_services_clock_decides_when_a_lease_is_over() {
    for (holder_ahead, next_ahead) in [(0, 300), (300, 0)] {
        let scene = Scene::new(settings(), Duration::ZERO).await;
        let ahead = |seconds| scene.process_ahead(seconds * SECOND, |options| options.wait = SECOND);
        let (holder, next) = (ahead(holder_ahead), ahead(next_ahead));
        let context = Context::new().with_caller("holder");
        let held = holder.store.find_token_by_id(&context, &scene.fleet.id).await.unwrap().value.unwrap();
        assert!(held.lease().is_some());
        let began = Instant::now();
        while next.call("next", &scene.fleet.id).await == Called::Refused(ErrorKind::Busy) {
            sleep(SECOND / 2).await;
        }
        let waited = began.elapsed();
        assert!(waited > 88 * SECOND && waited < 94 * SECOND, "{waited:?}");
        assert_eq!(scene.fleet.asked(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn without_room_for_the_new_token_there_is_no_lease_and_no_refresh() {
    let scene = Scene::new(settings(), LIFETIME * 4).await;
    let process = scene.process();
    let id = &scene.fleet.id;
    for number in 0..84 {
        let mut token = OAuthToken::new().with_id(id).with(AccessToken, &format!("other {number}"));
        process.store.save_token(&Context::new(), &mut token).await.unwrap();
    }
    let ended = scene.time.now().as_millis().to_string();
    let mut token = OAuthToken::new().with_id(id).with(AccessToken, "ended").with(ExpiresIn, &ended);
    process.store.save_token(&Context::new(), &mut token).await.unwrap();
    assert_eq!(process.call("a task", id).await, Called::Refused(ErrorKind::QuotaReached));
    assert_eq!(scene.fleet.asked(), 0, "the refresh token is not spent");
    sleep(25 * LIFETIME).await;
    assert_eq!(process.call("a task", id).await, Called::With("access 1".to_owned()));
}

/// A lease is given while there is room for the save; what others write between leaves that room alone.
#[tokio::test(start_paused = true)]
async fn a_refreshed_token_is_kept_where_an_ordinary_save_is_refused() {
    let scene = Scene::new(settings(), LIFETIME * 4).await;
    let (process, id) = (scene.process(), &scene.fleet.id);
    let save = |text: String| {
        let process = &process;
        async move {
            let mut token = OAuthToken::new().with_id(id).with(tokenvault::fields::Field::RedirectUrl, &text);
            process.store.save_token(&Context::new(), &mut token).await.map_err(|error| error.kind())
        }
    };
    for number in 0..83 {
        save(number.to_string()).await.unwrap();
    }
    let ended = scene.time.now().as_millis().to_string();
    let mut token = OAuthToken::new().with_id(id).with(AccessToken, "ended").with(ExpiresIn, &ended);
    process.store.save_token(&Context::new(), &mut token).await.unwrap();
    let context = Context::new().with_caller("holder");
    let held = process.store.find_token_by_id(&context, id).await.unwrap().value.unwrap();
    let vault = scene.world.vault("another");
    let mut refused = None;
    for number in 0..20 {
        let mut token = OAuthToken::new().with_id(id).with(tokenvault::fields::Field::ApiDomain, &number.to_string());
        refused = vault.save_token(&Context::new(), &mut token).await.err();
    }
    assert_eq!(refused.unwrap().kind(), ErrorKind::QuotaReached);
    let expiry = scene.time.now().after(LIFETIME).as_millis().to_string();
    let mut new = OAuthToken::clone(&held).with(AccessToken, "fresh").with(ExpiresIn, &expiry);
    process.store.save_token(&context, &mut new).await.unwrap();
    assert_eq!(process.call("another", id).await, Called::With("fresh".to_owned()));
}

/// Reads until it is told the holder's token, or to refresh it. Answers what its own save came to then, and which token stands.
async fn taken_over(scene: &Scene, next: &Process) -> (Option<Outcome>, &'static str) {
    let context = Context::new().with_caller("next");
    let found = loop {
        match next.store.find_token_by_id(&context, &scene.fleet.id).await {
            Ok(answer) => break OAuthToken::clone(&answer.value.unwrap()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Busy),
        }
        sleep(SECOND / 4).await;
    };
    if !next.is_ended(&found) {
        return (None, "of the holder");
    }
    let mut new = scene.fleet.provider.refresh(found).await.unwrap();
    let outcome = next.store.save_token(&context, &mut new).await.unwrap().value.outcome;
    (Some(outcome), if outcome == Outcome::Superseded { "of the holder" } else { "access 1" })
}

/// What ends later by five minutes or more stands, whoever came first; of two that end closer to each other the one that was saved
/// first. Answers whether another took over.
async fn saved_near_the_deadline(step: u32, staleness: Staleness, is_much_later: bool) -> bool {
    let switches = Switches { staleness, ..Switches::default() };
    let scene = Scene::new(settings().switches(switches), Duration::ZERO).await;
    sleep(10 * SECOND).await;
    *scene.fleet.provider.lives.lock().unwrap() = LIFETIME + SECOND * if is_much_later { 600 } else { 0 };
    let [holder, next, third] = [scene.process(), scene.process(), scene.process()];
    let (id, context) = (&scene.fleet.id, Context::new().with_caller("holder"));
    let held = holder.store.find_token_by_id(&context, id).await.unwrap().value.unwrap();
    assert!(held.lease().is_some());
    let end = scene.time.now().after(LIFETIME).as_millis().to_string();
    let saving = async {
        sleep(86 * SECOND + step * SECOND / 2).await;
        let mut new = OAuthToken::clone(&held).with(AccessToken, "of the holder").with(ExpiresIn, &end);
        holder.store.save_token(&context, &mut new).await.unwrap();
    };
    let ((), (refreshed, stands)) = tokio::join!(saving, taken_over(&scene, &next));
    let what = format!("{step}, {staleness:?}, {is_much_later}: {refreshed:?}");
    assert!(!is_much_later || refreshed != Some(Outcome::Superseded), "{what}");
    // Until every read shows what was written last.
    sleep(60 * SECOND).await;
    for process in [&holder, &next, &third] {
        assert_eq!(process.call("any", id).await, Called::With(stands.to_owned()), "{what}");
    }
    assert_eq!(scene.fleet.asked(), usize::from(refreshed.is_some()), "{what}: the holder's, and one more at the most");
    let stored = scene.world.vault("reader").get_tokens(&Context::new()).await.unwrap().value;
    let access: Vec<_> = stored.iter().map(|token| token.fields().text(AccessToken).unwrap()).collect();
    assert_eq!(access, [stands], "{what}");
    refreshed.is_some()
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_saves_while_another_takes_over_by_late_reads_overwrites_nothing_newer() {
    for is_much_later in [true, false] {
        let mut taken_over = 0;
        for step in 0..16 {
            let staleness = if step % 2 == 0 { Staleness::Adversarial } else { Staleness::Stalest };
            taken_over += usize::from(saved_near_the_deadline(step, staleness, is_much_later).await);
        }
        assert!((1..16).contains(&taken_over), "{taken_over}");
    }
}
