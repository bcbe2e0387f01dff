//! What readers are told, and writers, where AWS is cut off or refuses at any of the calls: the copy answers in the first case
//! only.

use secrets_manager_simulator::error::ServiceError;
use secrets_manager_simulator::gate::Failure;
use tokenvault::error::{ErrorKind, Result};
use tokenvault::fields::Field::UserName;
use tokenvault::operation::{Answer, Context, Source};
use tokenvault::token::OAuthToken;

use super::scene::{Layer, Scene, Worker};
use crate::crash::{Act, Contents, listed};

#[derive(Clone, Copy, Debug)]
enum Look {
    Find,
    ById,
    List,
}

const LOOKS: [Look; 3] = [Look::Find, Look::ById, Look::List];

impl Look {
    /// What is seen, and where that came from.
    async fn at(self, worker: &Worker, id: &str) -> Result<(Contents, Source)> {
        let (cx, store) = (Context::new(), worker.store());
        let seen = match self {
            Self::Find => {
                let mut ada = OAuthToken::new().with(UserName, "ada");
                let answer = store.find_token(&cx, &mut ada).await?;
                answer.map(|is_found| is_found.then_some(ada).into_iter().map(Into::into).collect())
            }
            Self::ById => store.find_token_by_id(&cx, id).await?.map(|found| found.into_iter().collect::<Vec<_>>()),
            Self::List => store.get_tokens(&cx).await?,
        };
        let Answer { value, source, .. } = seen;
        Ok((listed(&value), source))
    }

    fn expected(self, before: &Contents) -> Contents {
        let is_seen = |user: &str| matches!(self, Self::List) || user == "ada";
        before.iter().filter(|(user, _)| is_seen(user)).map(|(user, access)| (user.clone(), access.clone())).collect()
    }
}

async fn id_of_ada(worker: &Worker) -> String {
    let mut ada = OAuthToken::new().with(UserName, "ada");
    assert!(worker.store().find_token(&Context::new(), &mut ada).await.unwrap().value);
    ada.id().unwrap().to_owned()
}

#[tokio::test]
async fn a_read_that_is_cut_off_at_any_call_is_answered_by_the_copy() {
    for (look, layer) in
        LOOKS.into_iter().flat_map(|look| [Layer::Unsaved, Layer::Journaled].map(|layer| (look, layer)))
    {
        for failure in [Failure::ConnectionLost, Failure::Throttled, Failure::InternalServiceError] {
            let mut calls = 0;
            loop {
                let scene = Scene::new(layer).await;
                let machine = scene.machine("victim");
                let worker = machine.informed().await;
                let id = id_of_ada(&worker).await;
                scene.cut.fail(calls, failure.clone());
                let what = format!("{look:?}, {layer:?}, {failure:?} after {calls} calls");
                let seen = look.at(&worker, &id).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
                let source = if scene.cut.was_cut() { Source::Fallback } else { Source::Store };
                assert_eq!(seen, (look.expected(&scene.before), source), "{what}");
                if !scene.cut.was_cut() {
                    break;
                }
                calls += 1;
            }
            assert!(calls >= 1, "{look:?} asks AWS");
        }
    }
}

/// No right, and none to the KMS key. Which other words mean these is a test of `secrets_manager::fault`.
fn refusals() -> [Failure; 2] {
    [
        ("AccessDeniedException", "User: x is not authorized to perform: secretsmanager:GetSecretValue on resource: y"),
        ("AccessDeniedException", "Access to KMS is not allowed"),
    ]
    .map(|(code, message)| Failure::Refused(ServiceError::new(code, message)))
}

#[tokio::test]
async fn a_read_that_is_refused_at_any_call_is_refused_and_the_copy_says_nothing_from_then_on() {
    for (look, layer) in
        LOOKS.into_iter().flat_map(|look| [Layer::Unsaved, Layer::Journaled].map(|layer| (look, layer)))
    {
        for failure in refusals() {
            let mut calls = 0;
            while refused(look, layer, calls, &failure).await {
                calls += 1;
            }
            assert!(calls >= 1, "{look:?} asks AWS");
        }
    }
}

/// Answers whether there was such a call.
async fn refused(look: Look, layer: Layer, calls: usize, failure: &Failure) -> bool {
    let scene = Scene::new(layer).await;
    let machine = scene.machine("victim");
    let worker = machine.informed().await;
    let id = id_of_ada(&worker).await;
    let what = format!("{look:?}, {layer:?}, {failure:?} after {calls} calls");
    scene.cut.fail(calls, failure.clone());
    match look.at(&worker, &id).await {
        // Or it was not needed for the answer, as the right to read many at once.
        Ok(seen) => assert_eq!(seen, (look.expected(&scene.before), Source::Store), "{what}"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}: {error:?}");
            // Nor by cutting the network then.
            scene.cut.fail(0, Failure::ConnectionLost);
            for other in LOOKS {
                let cut_off = other.at(&worker, &id).await.unwrap_err();
                assert_eq!(cut_off.kind(), ErrorKind::Unavailable, "{what}, then cut off");
            }
            scene.is_back();
            let seen = look.at(&worker, &id).await.unwrap();
            assert_eq!(seen, (look.expected(&scene.before), Source::Store), "{what}, in the end");
            return true;
        }
    }
    scene.cut.was_cut()
}

/// It is refused, or the call was not needed: it is neither journaled nor kept, and can be made again.
async fn write_refused(act: Act, layer: Layer, calls: usize, failure: &Failure) -> bool {
    let scene = Scene::new(layer).await;
    let machine = scene.machine("victim");
    let worker = machine.informed().await;
    scene.cut.fail(calls, failure.clone());
    let done = act.run(worker.store()).await;
    let what = format!("{act:?}, {layer:?}, {failure:?} after {calls} calls: {done:?}");
    if let Err(error) = &done {
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}");
    }
    assert_eq!(worker.waiting().await, (0, 0), "{what}");
    let was_refused = scene.cut.was_cut();
    scene.is_back();
    let (stored, after) = (scene.stored().await, act.after(&scene.before));
    let is_part = stored.iter().all(|(user, access)| scene.before.get(user) == Some(access));
    let may_be = stored == scene.before || (act == Act::DeleteAll && is_part);
    assert!(stored == after || (done.is_err() && may_be), "{what}: {stored:?}");
    act.run(worker.store()).await.unwrap_or_else(|error| panic!("{what}, again: {error:?}"));
    assert_eq!(worker.settled(&what).await, after, "{what}, again");
    scene.world.assert_consistent(&what).await;
    was_refused
}

async fn writes_refused(layer: Layer) {
    for act in [Act::SignUp, Act::SignInAgain, Act::Refresh, Act::BecomeKnown, Act::LogOut, Act::DeleteAll] {
        for failure in refusals() {
            let mut calls = 0;
            while write_refused(act, layer, calls, &failure).await {
                calls += 1;
            }
            assert!(calls >= 3, "{act:?} asks AWS");
        }
    }
}

#[tokio::test]
async fn a_write_that_is_refused_at_any_call_is_refused() {
    writes_refused(Layer::Unsaved).await;
}

#[tokio::test]
async fn a_write_that_is_refused_at_any_call_goes_into_no_journal() {
    writes_refused(Layer::Journaled).await;
}

/// What was acknowledged while AWS was away, and is refused at any call of its play-back, stays, and is made when it may be.
#[tokio::test]
async fn a_play_back_that_is_refused_at_any_call_goes_on_when_it_may() {
    for act in [Act::SignUp, Act::SignInAgain, Act::Refresh, Act::BecomeKnown, Act::LogOut, Act::DeleteAll] {
        for failure in refusals() {
            let mut calls = 0;
            while play_back_refused(act, calls, &failure).await {
                calls += 1;
            }
            assert!(calls >= 1, "{act:?} asks AWS");
        }
    }
}

async fn play_back_refused(act: Act, calls: usize, failure: &Failure) -> bool {
    let scene = Scene::new(Layer::Journaled).await;
    let machine = scene.machine("victim");
    let worker = machine.informed().await;
    scene.cut.arm(0, false);
    act.run(worker.store()).await.unwrap();
    scene.is_back();
    scene.cut.fail(calls, failure.clone());
    let seen = worker.contents().await;
    let (was_refused, after) = (scene.cut.was_cut(), act.after(&scene.before));
    let what = format!("{act:?}, play-back, {failure:?} after {calls} calls: {seen:?}");
    match seen {
        Ok((seen, source)) => {
            assert!(matches!(source, Source::Store | Source::Journal), "{what}");
            assert_eq!(seen, after, "{what}");
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}"),
    }
    scene.is_back();
    assert_eq!(worker.settled(&what).await, after, "{what}, in the end");
    assert_eq!((scene.stored().await, worker.lost().await), (after, vec![]), "{what}, in the end");
    was_refused
}
