//! Upkeep beside users: what a repair, a change of the key and an undelete do in all orders with what users do.

use tokenvault::error::{ErrorKind, Result};

use crate::interleavings::{Does, Past, both_fine, holds, in_many_orders};

/// Done, or told that another is at work.
fn fine_or_told(ended: &[Result<()>; 2]) -> bool {
    ended.iter().all(|ended| ended.as_ref().err().is_none_or(|error| error.kind() == ErrorKind::Busy))
}

#[tokio::test]
async fn a_sign_up_beside_a_repair_is_listed() {
    in_many_orders(Past::Ada, [Does::SignIn("bob", "1"), Does::Repair], |ended, found| {
        both_fine(ended) && holds(found, &[&[("ada", "first"), ("bob", "1")]])
    })
    .await;
}

#[tokio::test]
async fn a_new_key_takes_along_who_signs_up_meanwhile() {
    in_many_orders(Past::Ada, [Does::RotateKey, Does::SignIn("new", "1")], |ended, found| {
        both_fine(ended) && holds(found, &[&[("ada", "first"), ("new", "1")]])
    })
    .await;
}

#[tokio::test]
async fn a_user_who_becomes_known_beside_a_repair_is_found() {
    in_many_orders(Past::Nameless, [Does::BecomesAda, Does::Repair], |ended, found| {
        both_fine(ended) && holds(found, &[&[("ada", "first")]])
    })
    .await;
}

#[tokio::test]
async fn a_new_key_loses_no_refresh() {
    in_many_orders(Past::Ada, [Does::RotateKey, Does::Refresh("late")], |ended, found| {
        both_fine(ended) && holds(found, &[&[("ada", "late")]])
    })
    .await;
}

#[tokio::test]
async fn a_log_out_beside_a_repair_is_final() {
    in_many_orders(Past::Ada, [Does::LogOut, Does::Repair], |ended, found| both_fine(ended) && found.is_empty()).await;
}

#[tokio::test]
async fn deleting_everything_beside_a_repair_leaves_nothing() {
    in_many_orders(Past::Ada, [Does::DeleteAll, Does::Repair], |ended, found| both_fine(ended) && found.is_empty())
        .await;
}

/// A split page is closed while writers are on it.
#[tokio::test]
async fn a_sign_up_that_splits_a_page_beside_a_repair_is_listed() {
    in_many_orders(Past::FullPage, [Does::SignIn("bob", "1"), Does::Repair], |ended, found| {
        both_fine(ended) && holds(found, &[&[("ada", "first"), ("bob", "1")]])
    })
    .await;
}

#[tokio::test]
async fn a_new_key_undoes_no_log_out() {
    in_many_orders(Past::Ada, [Does::RotateKey, Does::LogOut], |ended, found| both_fine(ended) && found.is_empty())
        .await;
}

#[tokio::test]
async fn a_new_key_reaches_pages_that_are_split_meanwhile() {
    in_many_orders(Past::FullPage, [Does::RotateKey, Does::SignIn("bob", "1")], |ended, found| {
        both_fine(ended) && holds(found, &[&[("ada", "first"), ("bob", "1")]])
    })
    .await;
}

#[tokio::test]
async fn a_new_key_beside_a_repair_is_that_of_the_new_index() {
    in_many_orders(Past::Ada, [Does::RotateKey, Does::Repair], |ended, found| {
        fine_or_told(ended) && holds(found, &[&[("ada", "first")]])
    })
    .await;
}

/// Two repairs: one of them may be told of the other.
#[tokio::test]
async fn two_repairs_at_once_leave_a_whole_index() {
    in_many_orders(Past::Ada, [Does::Repair, Does::Repair], |ended, found| {
        fine_or_told(ended) && holds(found, &[&[("ada", "first")]])
    })
    .await;
}

#[tokio::test]
async fn who_is_brought_back_beside_a_sign_in_is_one_user() {
    in_many_orders(Past::AdaDeleted, [Does::Undelete, Does::SignIn("ada", "again")], |ended, found| {
        let told = |error: &tokenvault::error::Error| error.kind() == ErrorKind::InvalidInput;
        ended[1].is_ok() && ended[0].as_ref().map_or_else(told, |()| true) && holds(found, &[&[("ada", "again")]])
    })
    .await;
}

#[tokio::test]
async fn who_is_brought_back_twice_is_there_once() {
    in_many_orders(Past::AdaDeleted, [Does::Undelete, Does::Undelete], |ended, found| {
        ended.iter().any(Result::is_ok) && holds(found, &[&[("ada", "first")]])
    })
    .await;
}
