//! Promises of the conformance suite that an emulator cannot keep, by name: each with the difference from AWS, among those
//! of tests/emulators/differences.py, that stands in its way. Nothing else is left out.

use crate::emulator::Kind;

/// What ministack does with a version that two write: it takes both, so that nobody loses and nobody learns of it.
const BOTH_WIN: &str = "8 writers put 8 values under one token, 20 rounds: winners";

/// The theme and the name of each promise, as in src/conformance/list.rs.
const ON_MINISTACK: [(&str, &str); 19] = [
    ("races::first_sign_ins_of_one_user_make_one_record", BOTH_WIN),
    ("races::first_saves_of_one_token_make_one_record", BOTH_WIN),
    ("races::first_saves_under_one_id_make_one_record", BOTH_WIN),
    ("races::one_id_for_many_users_goes_to_one", BOTH_WIN),
    ("races::many_ids_for_one_user_make_one_record", BOTH_WIN),
    ("races::one_user_for_many_records_goes_to_one", BOTH_WIN),
    ("races::first_sign_ins_of_many_users_all_succeed", BOTH_WIN),
    ("races::of_many_refreshes_at_once_the_latest_stays", BOTH_WIN),
    ("races::changes_of_different_fields_are_all_kept", BOTH_WIN),
    ("races::a_delete_beside_saves_is_final", BOTH_WIN),
    ("races::a_delete_of_all_beside_saves_is_final", BOTH_WIN),
    ("races::of_many_deletes_one_deletes", BOTH_WIN),
    ("races::readers_see_whole_saves", BOTH_WIN),
    ("sdk_table::row_21_four_writers_of_thirty_inserts_leave_all_120", BOTH_WIN),
    ("backend::of_many_commits_on_one_version_one_wins", BOTH_WIN),
    ("lookups::of_many_commits_on_one_claim_one_wins", BOTH_WIN),
    ("handles::of_many_commits_through_both_handles_one_wins", BOTH_WIN),
    ("handles::first_sign_ins_through_both_handles_make_one_record", BOTH_WIN),
    ("handles::a_delete_beside_saves_through_the_other_handle_is_final", BOTH_WIN),
];

/// What is left out on an emulator: promise and difference.
pub(crate) const fn on(kind: Kind) -> &'static [(&'static str, &'static str)] {
    match kind {
        Kind::Ministack => &ON_MINISTACK,
        Kind::Localstack | Kind::Moto => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_a_promise_and_its_reason_a_known_difference() {
        let root = env!("CARGO_MANIFEST_DIR");
        let read = |path: &str| std::fs::read_to_string(format!("{root}/../{path}")).unwrap();
        let (list, table) = (read("src/conformance/list.rs"), read("docs/testing.md"));
        for (promise, difference) in Kind::ALL.into_iter().flat_map(on) {
            let (theme, name) = promise.split_once("::").unwrap();
            let of_theme = list.split(&format!(" {theme}:\n")).nth(1).unwrap().split(';').next().unwrap();
            assert!(of_theme.split_whitespace().any(|listed| listed == name), "{promise} is no promise");
            assert!(table.contains(&format!("\n| {difference} |")), "{difference}: no row of docs/testing.md");
        }
    }
}
