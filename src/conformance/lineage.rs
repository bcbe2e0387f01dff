//! Lineages: what belongs to one sign-in, what a newer one replaces, and the refresh token it is found by.

use super::overtaken::{expiry, refreshed, signed_in};
use super::steps::{Store, all, assert_holds, find, found_id, id, save, save_for, token, with};
use crate::fields::Field::{AccessToken, ApiDomain, ClientId, ExpiresIn, GrantToken, RefreshToken, UserName};
use crate::store::Outcome;
use crate::token::OAuthToken;

const HOUR: u64 = 3_600_000;

/// The user of [`signed_in`] signs in anew, elsewhere: no base, a new refresh token.
async fn sign_in_again(store: &Store) -> OAuthToken {
    let start = expiry(HOUR);
    let given = [
        (UserName, "alice"),
        (ClientId, "app"),
        (RefreshToken, "new-r"),
        (AccessToken, "new-a"),
        (ExpiresIn, start.as_str()),
    ];
    save(store, &token(given)).await
}

/// A new sign-in updates the user's record, and what it brings is taken whatever its expiry.
pub async fn a_new_sign_in_is_taken_into_the_same_record(store: &Store) {
    let old = signed_in(store).await;
    save(store, &refreshed(&old, "a2", 9 * HOUR)).await;
    let new = sign_in_again(store).await;
    assert_eq!(new.id(), old.id());
    assert_holds(store, &id(&old), [(RefreshToken, "new-r"), (AccessToken, "new-a"), (ExpiresIn, &expiry(HOUR))]).await;
}

/// A refresh that was under way while the user signed in anew does not overwrite it, however late it expires.
pub async fn a_newer_sign_in_wins_over_a_late_refresh(store: &Store) {
    let old = signed_in(store).await;
    sign_in_again(store).await;
    for late in [
        refreshed(&old, "late", 9 * HOUR),
        with(&refreshed(&old, "late", 9 * HOUR), [(RefreshToken, "late-r")]),
        with(&old, [(AccessToken, "late")]),
        with(&old, [(GrantToken, "late-g")]),
    ] {
        assert_eq!(save_for(store, &late).await.0, Outcome::Superseded);
        let expected = [(RefreshToken, "new-r"), (AccessToken, "new-a"), (ExpiresIn, &expiry(HOUR))];
        assert_holds(store, &id(&old), expected).await;
    }
    assert!(find(store, &token([(RefreshToken, "late-r")])).await.is_none());
    assert!(find(store, &token([(GrantToken, "late-g")])).await.is_none());
}

/// Of two sign-ins between a read and its save, both are newer.
pub async fn two_newer_sign_ins_win_over_a_late_refresh(store: &Store) {
    let old = signed_in(store).await;
    sign_in_again(store).await;
    save(store, &token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r1"), (AccessToken, "third")])).await;
    assert_eq!(save_for(store, &refreshed(&old, "late", 9 * HOUR)).await.0, Outcome::Superseded);
    assert_holds(store, &id(&old), [(RefreshToken, "r1"), (AccessToken, "third")]).await;
}

/// A new grant is a new sign-in too.
pub async fn a_new_grant_begins_a_new_sign_in(store: &Store) {
    let old = signed_in(store).await;
    let given = token([(UserName, "alice"), (ClientId, "app"), (GrantToken, "g2")]);
    assert_eq!(save(store, &given).await.id(), old.id());
    assert_eq!(save_for(store, &refreshed(&old, "late", 9 * HOUR)).await.0, Outcome::Superseded);
    assert_eq!(found_id(store, &token([(GrantToken, "g2")])).await, Some(id(&old)));
}

/// A save without base that brings only what the record holds is no new sign-in: refreshes under way stay good.
pub async fn a_save_that_brings_nothing_new_is_no_sign_in(store: &Store) {
    let old = signed_in(store).await;
    let known = token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r1"), (ApiDomain, "d")]);
    save(store, &known).await;
    assert_eq!(save_for(store, &refreshed(&old, "a2", HOUR)).await.0, Outcome::Updated);
    assert_holds(store, &id(&old), [(AccessToken, "a2"), (ApiDomain, "d")]).await;
}

/// A new access token alone is no new sign-in.
pub async fn a_new_access_token_is_no_sign_in(store: &Store) {
    let old = signed_in(store).await;
    save(store, &token([(UserName, "alice"), (AccessToken, "a2"), (ExpiresIn, &expiry(HOUR))])).await;
    assert_eq!(save_for(store, &refreshed(&old, "a3", 2 * HOUR)).await.0, Outcome::Updated);
    assert_holds(store, &id(&old), [(AccessToken, "a3")]).await;
}

/// The provider rotates the refresh token: the record is still found by the one its sign-in began with.
pub async fn the_first_refresh_token_finds_a_rotated_record(store: &Store) {
    let mut held = signed_in(store).await;
    for (number, refresh) in ["r2", "r3", "r4"].into_iter().enumerate() {
        let next = with(&refreshed(&held, refresh, HOUR * (number as u64 + 1)), [(RefreshToken, refresh)]);
        held = save(store, &next).await;
        for client in ["", "app"] {
            let wanted = token([(RefreshToken, "r1"), (ClientId, client)]);
            assert_eq!(found_id(store, &wanted).await, Some(id(&held)), "rotated to {refresh}");
        }
        assert_holds(store, &id(&held), [(RefreshToken, refresh)]).await;
    }
}

/// It is found by that one only: a refresh token in between leads nowhere, as one that a provider never rotates would.
pub async fn a_rotated_refresh_token_leads_nowhere(store: &Store) {
    let held = signed_in(store).await;
    save(store, &with(&refreshed(&held, "a2", HOUR), [(RefreshToken, "r2")])).await;
    assert!(find(store, &token([(RefreshToken, "r2")])).await.is_none());
}

/// A configuration that still holds the first refresh token saves it at every start: the rotated one stays.
pub async fn a_configured_first_refresh_token_overwrites_nothing(store: &Store) {
    let held = signed_in(store).await;
    let held = save(store, &with(&refreshed(&held, "a2", HOUR), [(RefreshToken, "r2")])).await;
    let old = expiry(0);
    for configured in [
        token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r1")]),
        token([(ClientId, "app"), (RefreshToken, "r1")]),
        token([(RefreshToken, "r1")]),
        token([(RefreshToken, "r1")]).with_id(&id(&held)),
        token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r1"), (AccessToken, "a1"), (ExpiresIn, &old)]),
        token([(ClientId, "app"), (RefreshToken, "r1"), (AccessToken, "a0")]),
    ] {
        assert_eq!(save(store, &configured).await.id(), held.id());
        let expected = [(RefreshToken, "r2"), (AccessToken, "a2"), (ExpiresIn, &expiry(HOUR))];
        assert_holds(store, &id(&held), expected).await;
    }
    assert_eq!(all(store).await.len(), 1);
    assert_eq!(save_for(store, &refreshed(&held, "a3", 2 * HOUR)).await.0, Outcome::Updated, "it was no sign-in");
}

/// A refresh made with the configured first refresh token keeps the rotated one, also where its access token wins.
pub async fn a_refresh_of_the_configured_token_keeps_the_rotated_one(store: &Store) {
    let held = signed_in(store).await;
    save(store, &with(&refreshed(&held, "a2", HOUR), [(RefreshToken, "r2")])).await;
    let configured = token([(ClientId, "app"), (RefreshToken, "r1")]);
    save(store, &refreshed(&configured, "a3", 2 * HOUR)).await;
    assert_holds(store, &id(&held), [(RefreshToken, "r2"), (AccessToken, "a3")]).await;
    assert_eq!(found_id(store, &configured).await, Some(id(&held)));
}

/// A rotated refresh token that comes back without base (by user, by id) is one that the record holds: no new sign-in.
pub async fn the_rotated_refresh_token_is_no_sign_in(store: &Store) {
    let held = signed_in(store).await;
    let held = save(store, &with(&refreshed(&held, "a2", HOUR), [(RefreshToken, "r2")])).await;
    save(store, &held.detached()).await;
    save(store, &token([(RefreshToken, "r2"), (ApiDomain, "d")]).with_id(&id(&held))).await;
    assert_eq!(found_id(store, &token([(RefreshToken, "r1")])).await, Some(id(&held)));
    assert_eq!(save_for(store, &refreshed(&held, "a3", 2 * HOUR)).await.0, Outcome::Updated);
}

/// A new sign-in is found by its own refresh token, and no longer by the old one's.
pub async fn a_new_sign_in_is_found_by_its_own_refresh_token(store: &Store) {
    let old = signed_in(store).await;
    sign_in_again(store).await;
    assert_eq!(found_id(store, &token([(RefreshToken, "new-r")])).await, Some(id(&old)));
    assert!(find(store, &token([(RefreshToken, "r1")])).await.is_none());
    let saved = save(store, &token([(ClientId, "app"), (RefreshToken, "r1")])).await;
    assert_ne!(saved.id(), old.id(), "the old token is nobody's now");
}

/// A new grant beside a refresh token that the record holds: a new sign-in, that began with that refresh token.
pub async fn a_sign_in_by_grant_is_found_by_the_refresh_token_it_brings(store: &Store) {
    let held = signed_in(store).await;
    save(store, &with(&refreshed(&held, "a2", HOUR), [(RefreshToken, "r2")])).await;
    for (brought, rotated) in [("r1", "r3"), ("r3", "r4")] {
        let given = [(UserName, "alice"), (ClientId, "app"), (GrantToken, brought), (RefreshToken, brought)];
        let next = save(store, &token(given)).await;
        assert_eq!(save_for(store, &with(&held, [(AccessToken, "late")])).await.0, Outcome::Superseded);
        save(store, &with(&refreshed(&next, "a3", HOUR), [(RefreshToken, rotated)])).await;
        assert_eq!(found_id(store, &token([(ClientId, "app"), (RefreshToken, brought)])).await, Some(id(&held)));
    }
}

/// A grant that is exchanged: the refresh token that comes back is the one its sign-in began with.
pub async fn an_exchanged_grant_is_found_by_its_refresh_token(store: &Store) {
    let held = save(store, &token([(UserName, "alice"), (ClientId, "app"), (GrantToken, "g")])).await;
    let held = save(store, &with(&refreshed(&held, "a1", HOUR), [(RefreshToken, "r1")])).await;
    let held = save(store, &with(&refreshed(&held, "a2", 2 * HOUR), [(RefreshToken, "r2")])).await;
    assert_eq!(found_id(store, &token([(RefreshToken, "r1")])).await, Some(id(&held)));
    assert_eq!(found_id(store, &token([(GrantToken, "g")])).await, Some(id(&held)));
    assert_holds(store, &id(&held), [(RefreshToken, "r2")]).await;
}

/// Of two workers who exchange one grant, the later answer stays; the earlier does not put its own back.
pub async fn of_two_exchanges_of_one_grant_the_later_expiry_stays(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (ClientId, "app"), (GrantToken, "g")])).await;
    let two = one.clone();
    save(store, &with(&refreshed(&one, "a1", HOUR), [(RefreshToken, "r1")])).await;
    let (outcome, _) = save_for(store, &with(&refreshed(&two, "a2", HOUR - 1), [(RefreshToken, "r2")])).await;
    assert_eq!(outcome, Outcome::Superseded);
    assert_holds(store, &id(&one), [(RefreshToken, "r1"), (AccessToken, "a1")]).await;
}

/// A sign-in of another user or client leaves this one's lineage alone.
pub async fn a_sign_in_of_another_client_touches_no_lineage(store: &Store) {
    let old = signed_in(store).await;
    save(store, &token([(UserName, "alice"), (ClientId, "app2"), (RefreshToken, "x")])).await;
    save(store, &token([(UserName, "bob"), (ClientId, "app"), (RefreshToken, "y")])).await;
    assert_eq!(save_for(store, &refreshed(&old, "a2", HOUR)).await.0, Outcome::Updated);
}
