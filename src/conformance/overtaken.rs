//! The base: what a save means when others have written since its token was handed out.

use super::steps::{Store, all, assert_holds, by_id, find, found_id, id, save, save_for, text, texts, token, with};
use crate::fields::Field::{AccessToken, ApiDomain, ClientId, ExpiresIn, RedirectUrl, RefreshToken, UserName};
use crate::store::Outcome;
use crate::token::OAuthToken;

const HOUR: u64 = 3_600_000;
const MINUTE: u64 = 60_000;

/// An expiry `millis` after the one that these tests begin with.
pub(super) fn expiry(millis: u64) -> String {
    (1_900_000_000_000 + millis).to_string()
}

/// A signed-in user: refresh token r1, access token a1.
pub(super) async fn signed_in(store: &Store) -> OAuthToken {
    let start = expiry(0);
    let given = [
        (UserName, "alice"),
        (ClientId, "app"),
        (RefreshToken, "r1"),
        (AccessToken, "a1"),
        (ExpiresIn, start.as_str()),
    ];
    save(store, &token(given)).await
}

/// `token` after its SDK has refreshed it: a new access token, and its expiry.
pub(super) fn refreshed(token: &OAuthToken, access: &str, later: u64) -> OAuthToken {
    with(token, [(AccessToken, access), (ExpiresIn, &expiry(later))])
}

/// The ordinary case: nobody else wrote, and the refresh is taken, again and again on one object.
pub async fn a_refresh_written_back_is_taken(store: &Store) {
    let mut held = signed_in(store).await;
    for (number, access) in ["a2", "a3", "a4"].into_iter().enumerate() {
        let later = HOUR * (number as u64 + 1);
        let (outcome, saved) = save_for(store, &refreshed(&held, access, later)).await;
        assert_eq!(outcome, Outcome::Updated);
        assert_holds(store, &id(&held), [(AccessToken, access), (ExpiresIn, &expiry(later))]).await;
        held = saved;
    }
    assert_holds(store, &id(&held), [(RefreshToken, "r1"), (UserName, "alice")]).await;
}

/// The same for tokens handed out by a find, an id and a list.
pub async fn a_refresh_is_taken_however_the_token_was_handed_out(store: &Store) {
    let id = id(&signed_in(store).await);
    let mut later = 0;
    for way in ["find", "id", "list"] {
        let held = match way {
            "find" => find(store, &token([(UserName, "alice")])).await,
            "id" => by_id(store, &id).await.as_deref().cloned(),
            _ => all(store).await.first().map(|token| OAuthToken::clone(token)),
        };
        later += HOUR;
        save(store, &refreshed(&held.unwrap_or_default(), way, later)).await;
        assert_holds(store, &id, [(AccessToken, way), (ExpiresIn, &expiry(later))]).await;
    }
    assert_eq!(all(store).await.len(), 1);
}

/// Nobody else wrote: an earlier or a missing expiry is taken as it comes.
pub async fn a_refresh_is_taken_whatever_its_expiry_where_nobody_else_wrote(store: &Store) {
    let held = signed_in(store).await;
    let earlier = (1_900_000_000_000_u64 - HOUR).to_string();
    save(store, &with(&held, [(AccessToken, "a2"), (ExpiresIn, &earlier)])).await;
    assert_holds(store, &id(&held), [(AccessToken, "a2"), (ExpiresIn, &earlier)]).await;
}

/// Fields that are as they were handed out count as not given: two holders who change different fields both succeed.
pub async fn fields_equal_to_the_base_count_as_not_given(store: &Store) {
    let one = signed_in(store).await;
    let two = one.clone();
    save(store, &with(&one, [(ApiDomain, "d")])).await;
    save(store, &with(&two, [(RedirectUrl, "u")])).await;
    save(store, &refreshed(&one, "a2", HOUR)).await;
    let expected = [(ApiDomain, "d"), (RedirectUrl, "u"), (AccessToken, "a2"), (RefreshToken, "r1")];
    assert_holds(store, &id(&one), expected).await;
}

/// An old read that is saved unchanged puts nothing old back.
pub async fn an_old_read_saved_unchanged_changes_nothing(store: &Store) {
    let old = signed_in(store).await;
    let new = save(store, &with(&refreshed(&old, "a2", HOUR), [(ApiDomain, "d")])).await;
    save(store, &old).await;
    assert_eq!(by_id(store, &id(&new)).await.as_deref().map(texts), Some(texts(&new)));
}

/// A field that a find left as given counts as handed out: saving it unchanged does not store it.
pub async fn a_field_given_to_a_find_is_no_change(store: &Store) {
    let one = signed_in(store).await;
    let found = find(store, &token([(UserName, "alice"), (AccessToken, "mine"), (ApiDomain, "d")])).await;
    save(store, &found.unwrap_or_default()).await;
    assert_holds(store, &id(&one), [(AccessToken, "a1")]).await;
}

/// A change that was not saved yet is still one after the same record is found again.
pub async fn a_second_find_forgets_no_pending_change(store: &Store) {
    let held = signed_in(store).await;
    let found = find(store, &refreshed(&held, "a2", HOUR)).await.unwrap_or_default();
    save(store, &found).await;
    assert_holds(store, &id(&held), [(AccessToken, "a2"), (ExpiresIn, &expiry(HOUR))]).await;
}

/// Others refreshed since: the later expiry wins.
pub async fn of_two_refreshes_the_later_expiry_wins(store: &Store) {
    let base = signed_in(store).await;
    save(store, &refreshed(&base, "a2", HOUR)).await;
    let (outcome, _) = save_for(store, &refreshed(&base, "a3", HOUR - MINUTE)).await;
    assert_eq!(outcome, Outcome::Superseded);
    assert_holds(store, &id(&base), [(AccessToken, "a2"), (ExpiresIn, &expiry(HOUR))]).await;
    let (outcome, _) = save_for(store, &refreshed(&base, "a4", 2 * HOUR)).await;
    assert_eq!(outcome, Outcome::Updated);
    assert_holds(store, &id(&base), [(AccessToken, "a4"), (ExpiresIn, &expiry(2 * HOUR))]).await;
}

/// Others refreshed since: a missing expiry loses.
pub async fn of_two_refreshes_a_missing_expiry_loses(store: &Store) {
    let base = save(store, &token([(UserName, "alice"), (RefreshToken, "r1")])).await;
    save(store, &refreshed(&base, "a2", 0)).await;
    assert_eq!(save_for(store, &with(&base, [(AccessToken, "a3")])).await.0, Outcome::Superseded);
    assert_holds(store, &id(&base), [(AccessToken, "a2")]).await;

    let base = save(store, &token([(UserName, "bob"), (RefreshToken, "r2")])).await;
    save(store, &with(&base, [(AccessToken, "b2")])).await;
    assert_eq!(save_for(store, &refreshed(&base, "b3", 0)).await.0, Outcome::Updated);
    assert_holds(store, &id(&base), [(AccessToken, "b3"), (ExpiresIn, &expiry(0))]).await;
}

/// Others refreshed since: with no expiry on either side, what is stored stays.
pub async fn of_two_refreshes_without_expiry_the_stored_one_stays(store: &Store) {
    let base = save(store, &token([(UserName, "alice"), (RefreshToken, "r1")])).await;
    save(store, &with(&base, [(AccessToken, "a2")])).await;
    assert_eq!(save_for(store, &with(&base, [(AccessToken, "a3")])).await.0, Outcome::Superseded);
    assert_holds(store, &id(&base), [(AccessToken, "a2")]).await;
}

/// A second refresh of the same refresh token that lives less than 5 minutes longer is not worth a write.
pub async fn a_near_duplicate_refresh_writes_nothing(store: &Store) {
    let base = signed_in(store).await;
    let winner = save(store, &refreshed(&base, "a2", HOUR)).await;
    let last = save(store, &token([(UserName, "alice"), (ClientId, "other"), (RefreshToken, "r9")])).await;
    for later in [1, MINUTE, 5 * MINUTE - 1] {
        let (outcome, _) = save_for(store, &refreshed(&base, "a3", HOUR + later)).await;
        assert_eq!(outcome, Outcome::Superseded);
        assert_eq!(by_id(store, &id(&base)).await.as_deref().map(texts), Some(texts(&winner)));
        assert_eq!(found_id(store, &token([(UserName, "alice")])).await, Some(id(&last)), "it was not saved last");
    }
    assert_eq!(save_for(store, &refreshed(&base, "a4", HOUR + 5 * MINUTE)).await.0, Outcome::Updated);
    assert_holds(store, &id(&base), [(AccessToken, "a4")]).await;
}

/// With another refresh token, every millisecond counts: the provider has rotated it, and the later one is the live one.
pub async fn a_near_refresh_with_another_refresh_token_is_written(store: &Store) {
    let base = signed_in(store).await;
    save(store, &with(&refreshed(&base, "a2", HOUR), [(RefreshToken, "r2")])).await;
    let (outcome, _) = save_for(store, &with(&refreshed(&base, "a3", HOUR + 1), [(RefreshToken, "r3")])).await;
    assert_eq!(outcome, Outcome::Updated);
    assert_holds(store, &id(&base), [(RefreshToken, "r3"), (AccessToken, "a3")]).await;
}

/// Access token, refresh token and expiry are never taken from two refreshes.
pub async fn an_overtaken_refresh_is_kept_or_dropped_as_a_whole(store: &Store) {
    let base = signed_in(store).await;
    save(store, &with(&refreshed(&base, "a2", HOUR), [(RefreshToken, "r2")])).await;
    let (outcome, _) = save_for(store, &with(&refreshed(&base, "a3", MINUTE), [(RefreshToken, "r3")])).await;
    assert_eq!(outcome, Outcome::Superseded);
    assert_holds(store, &id(&base), [(RefreshToken, "r2"), (AccessToken, "a2"), (ExpiresIn, &expiry(HOUR))]).await;
}

/// A later refresh from a base whose refresh token was rotated since brings its own refresh token with it.
pub async fn a_winning_refresh_brings_the_refresh_token_it_came_from(store: &Store) {
    let base = signed_in(store).await;
    save(store, &with(&refreshed(&base, "a2", HOUR), [(RefreshToken, "r2")])).await;
    assert_eq!(save_for(store, &refreshed(&base, "a3", 2 * HOUR)).await.0, Outcome::Updated);
    assert_holds(store, &id(&base), [(RefreshToken, "r1"), (AccessToken, "a3")]).await;
}

/// The fields that no sign-in made move singly, also from an overtaken save.
pub async fn other_fields_are_taken_from_an_overtaken_save(store: &Store) {
    let base = signed_in(store).await;
    save(store, &refreshed(&base, "a2", HOUR)).await;
    let late = with(&refreshed(&base, "a3", MINUTE), [(ApiDomain, "d")]);
    assert_eq!(save_for(store, &late).await.0, Outcome::Superseded);
    assert_holds(store, &id(&base), [(AccessToken, "a2"), (ApiDomain, "d")]).await;
}

/// An overtaken save is no error; its token is filled, keeps what it was given, and can be saved again.
pub async fn an_overtaken_token_can_go_on(store: &Store) {
    let base = signed_in(store).await;
    save(store, &with(&refreshed(&base, "a2", HOUR), [(ApiDomain, "d")])).await;
    let (outcome, held) = save_for(store, &refreshed(&base, "a3", MINUTE)).await;
    assert_eq!(outcome, Outcome::Superseded);
    assert_eq!((text(&held, AccessToken), text(&held, ApiDomain)), (Some("a3"), Some("d")));
    save(store, &held).await;
    assert_holds(store, &id(&base), [(AccessToken, "a2")]).await;
    assert_eq!(save_for(store, &refreshed(&held, "a4", 2 * HOUR)).await.0, Outcome::Updated);
    assert_holds(store, &id(&base), [(AccessToken, "a4"), (ExpiresIn, &expiry(2 * HOUR))]).await;
}

/// A copy carries the base of its original.
pub async fn a_copy_is_as_old_as_its_original(store: &Store) {
    let base = signed_in(store).await;
    let copy = base.clone();
    save(store, &refreshed(&base, "a2", HOUR)).await;
    assert_eq!(save_for(store, &refreshed(&copy, "a3", MINUTE)).await.0, Outcome::Superseded);
}

/// Without a base there is nothing it could have been overtaken by: it is compared with the record itself.
pub async fn a_save_without_base_is_compared_with_the_record(store: &Store) {
    let base = signed_in(store).await;
    save(store, &refreshed(&base, "a2", HOUR)).await;
    let came_back = token([(AccessToken, "a3"), (ExpiresIn, &expiry(MINUTE))]).with_id(&id(&base));
    assert_eq!(save_for(store, &came_back).await.0, Outcome::Updated);
    assert_holds(store, &id(&base), [(AccessToken, "a3"), (ExpiresIn, &expiry(MINUTE)), (RefreshToken, "r1")]).await;
}
