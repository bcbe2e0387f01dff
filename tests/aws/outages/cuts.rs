//! One worker, cut off at each call of each write, for good or for so many calls, and once more while it makes up for that.

use tokenvault::error::{ErrorKind, Result, Retry};
use tokenvault::fields::Field::{AccessToken, ExpiresIn, UserName};
use tokenvault::operation::{Context, Source};
use tokenvault::token::OAuthToken;

use secrets_manager_simulator::gate::Failure;

use super::scene::{Layer, Machine, Scene, Worker};
use crate::crash::{Act, Contents};

/// How often the backend makes a call that is not answered.
const ATTEMPTS: usize = 8;

/// What the first call that is cut off comes to. All after it have no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cutting {
    /// No effect, no answer.
    Call,
    /// Its effect, and no answer.
    Answer,
    /// It is throttled, as all after it: nothing was done, and that is known.
    Throttled,
}

impl Cutting {
    fn arm(self, scene: &Scene, left: usize) {
        match self {
            Self::Call => scene.cut.arm(left, false),
            Self::Answer => scene.cut.arm(left, true),
            Self::Throttled => scene.cut.fail(left, Failure::Throttled),
        }
    }
}

/// A write that was cut off.
struct Story<'a> {
    scene: &'a Scene,
    act: Act,
    layer: Layer,
    after: Contents,
    is_acknowledged: bool,
    said: String,
}

impl<'a> Story<'a> {
    fn new(scene: &'a Scene, (act, layer): (Act, Layer), done: &Result<()>, at: &str) -> Self {
        let said = format!("{act:?}, {layer:?}, {at}: {done:?}");
        if let Err(error) = done {
            assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later), "{said}");
        }
        let after = act.after(&scene.before);
        Self { scene, act, layer, after, is_acknowledged: done.is_ok(), said }
    }

    /// The process keeps what it could not save; it keeps no log-out.
    fn is_kept(&self) -> bool {
        !matches!(self.act, Act::LogOut | Act::DeleteAll)
    }

    /// What may be there of a write that was not acknowledged.
    fn may_be(&self, seen: &Contents) -> bool {
        let is_part = seen.iter().all(|(user, access)| self.scene.before.get(user) == Some(access));
        *seen == self.after || *seen == self.scene.before || (self.act == Act::DeleteAll && is_part)
    }

    /// While AWS is away, or is not known to be back, by the process and by one that has begun since.
    async fn check_meanwhile(&self, worker: &Worker, machine: &Machine<'_>) {
        let another = machine.process().await;
        for (reader, knows) in [(worker, self.is_kept()), (&another, false)] {
            let must = self.is_acknowledged || knows;
            match reader.contents().await {
                Ok((seen, source)) => {
                    let is_back = self.scene.cut.is_over();
                    assert!(is_back || source != Source::Store, "{}", self.said);
                    assert!(seen == self.after || (!must && self.may_be(&seen)), "{}: {seen:?}", self.said);
                }
                // The copy never says that there is none.
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", self.said);
                    assert!(self.after.is_empty(), "{}: {error:?}", self.said);
                }
            }
        }
    }

    /// Whoever makes up for it, once AWS is in reach.
    async fn check_after(&self, worker: Worker, machine: &Machine<'_>) {
        let Self { scene, said, .. } = self;
        scene.is_back();
        // A journal is anybody's; what a process keeps is its own.
        let worker = if self.layer == Layer::Journaled { machine.process().await } else { worker };
        let seen = worker.settled(said).await;
        assert_eq!(seen, scene.stored().await, "{said}");
        let must = self.is_acknowledged || self.is_kept();
        assert!(seen == self.after || (!must && self.may_be(&seen)), "{said}: {seen:?}");
        scene.world.assert_consistent(said).await;
        self.act.run(worker.store()).await.unwrap_or_else(|error| panic!("{said}, again: {error:?}"));
        assert_eq!(worker.settled(said).await, self.after, "{said}, again");
        assert_eq!(worker.lost().await, [""; 0], "{said}");
    }
}

/// Whoever held a token that was deleted brings nothing back.
async fn check_late_refresh(story: &Story<'_>, worker: &Worker, held: OAuthToken) {
    if !story.after.contains_key("ada") {
        let mut late = held.with(AccessToken, "late").with(ExpiresIn, "1999999999999");
        let refused = worker.store().save_token(&Context::new(), &mut late).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Gone, "{}", story.said);
        assert_eq!(story.scene.stored().await, story.after, "{}", story.said);
    }
}

async fn held_by(worker: &Worker) -> OAuthToken {
    let mut ada = OAuthToken::new().with(UserName, "ada");
    assert!(worker.store().find_token(&Context::new(), &mut ada).await.unwrap().value);
    ada
}

/// Answers whether there was such a call.
async fn cut_off(act: Act, layer: Layer, left: usize, cutting: Cutting) -> bool {
    let scene = Scene::new(layer).await;
    let machine = scene.machine("victim");
    let worker = machine.informed().await;
    let held = held_by(&worker).await;
    cutting.arm(&scene, left);
    let done = act.run(worker.store()).await;
    let story = Story::new(&scene, (act, layer), &done, &format!("{cutting:?} cut off after {left} calls"));
    let was_cut = scene.cut.was_cut();
    assert!(was_cut || done.is_ok(), "{}", story.said);
    if was_cut {
        story.check_meanwhile(&worker, &machine).await;
    }
    story.check_after(worker, &machine).await;
    check_late_refresh(&story, &machine.process().await, held).await;
    was_cut
}

/// Cut off for so many calls, and back before the write has ended. Answers whether there was such a call, and whether AWS was
/// back by then.
async fn cut_off_for(act: Act, layer: Layer, left: usize, (with_effect, times): (bool, usize)) -> (bool, bool) {
    let scene = Scene::new(layer).await;
    let machine = scene.machine("victim");
    let worker = machine.informed().await;
    let held = held_by(&worker).await;
    scene.cut.arm_for(left, with_effect, times);
    let done = act.run(worker.store()).await;
    let at = format!("{times} calls cut off after {left}, the first with effect: {with_effect}");
    let story = Story::new(&scene, (act, layer), &done, &at);
    let (was_cut, is_back) = (scene.cut.was_cut(), scene.cut.is_over());
    assert!(was_cut || done.is_ok(), "{}", story.said);
    if was_cut {
        story.check_meanwhile(&worker, &machine).await;
    }
    story.check_after(worker, &machine).await;
    check_late_refresh(&story, &machine.process().await, held).await;
    (was_cut, is_back)
}

/// Away for all of the write, and cut off again at a call of what makes up for it.
async fn cut_off_again(act: Act, layer: Layer, left: usize, cutting: Cutting) -> bool {
    let scene = Scene::new(layer).await;
    let machine = scene.machine("victim");
    let worker = machine.informed().await;
    scene.cut.arm(0, false);
    let done = act.run(worker.store()).await;
    let story = Story::new(&scene, (act, layer), &done, &format!("{cutting:?} cut off again after {left} calls"));
    assert_eq!(story.is_acknowledged, layer == Layer::Journaled, "{}", story.said);
    scene.is_back();
    cutting.arm(&scene, left);
    let _ = worker.contents().await;
    let was_cut = scene.cut.was_cut();
    if was_cut {
        story.check_meanwhile(&worker, &machine).await;
    }
    story.check_after(worker, &machine).await;
    was_cut
}

async fn everywhere(act: Act, layer: Layer) {
    for cutting in [Cutting::Call, Cutting::Answer, Cutting::Throttled] {
        let mut calls = 0;
        while cut_off(act, layer, calls, cutting).await {
            calls += 1;
        }
        assert!(calls >= 3, "{calls} calls are fewer than {act:?} makes");
    }
    for cut in [(false, ATTEMPTS), (true, ATTEMPTS), (false, ATTEMPTS + 2), (true, ATTEMPTS + 2)] {
        let (mut calls, mut is_ever_back) = (0, false);
        while let (true, is_back) = cut_off_for(act, layer, calls, cut).await {
            (calls, is_ever_back) = (calls + 1, is_ever_back || is_back);
        }
        assert!(calls >= 3 && (is_ever_back || cut.1 > ATTEMPTS), "{act:?}, {cut:?}: {calls} calls");
    }
    for cutting in [Cutting::Call, Cutting::Answer] {
        let mut calls = 0;
        while cut_off_again(act, layer, calls, cutting).await {
            calls += 1;
        }
        assert!(calls >= 1, "{act:?}: nothing was made up for");
    }
}

macro_rules! cut_off {
    ($($name:ident: $act:ident,)*) => {
        cut_off!(without_a_journal, Unsaved: $($name: $act,)*);
        cut_off!(with_a_journal, Journaled: $($name: $act,)*);
    };
    ($module:ident, $layer:ident: $($name:ident: $act:ident,)*) => {
        mod $module {
            use super::{Act, Layer, everywhere};
            $(
                #[tokio::test]
                async fn $name() {
                    everywhere(Act::$act, Layer::$layer).await;
                }
            )*
        }
    };
}

cut_off! {
    a_sign_up: SignUp,
    another_sign_in: SignInAgain,
    a_refresh: Refresh,
    another_key: BecomeKnown,
    a_log_out: LogOut,
    a_delete_of_all: DeleteAll,
}
