//! Which promises there are, by theme, and the macros that make a test of each.

/// Makes a test of every promise of [`TokenStore`](crate::store::TokenStore), in a module of this name.
///
/// The factory is a path or a closure without arguments whose future gives an empty `Arc<dyn TokenStore>`, or a
/// [`Fresh`](crate::conformance::Fresh) of one.
#[macro_export]
macro_rules! conformance_tests {
    ($module:ident, $factory:expr) => {
        $crate::promises! {
            $module, $factory, std::sync::Arc<dyn $crate::store::TokenStore>;
            finding:
                an_empty_store_finds_nothing
                find_by_id_gives_all_nine_fields
                find_takes_the_id_before_any_token
                find_of_an_id_alone_fills_the_token
                find_of_an_unknown_id_asks_no_other_rule
                find_by_id_is_none_where_user_or_client_contradict
                find_by_user
                find_by_user_takes_only_the_given_client
                find_by_user_prefers_last_saved
                find_by_user_asks_no_later_rule
                find_by_access_token_without_client
                find_by_access_token_is_none_with_a_client
                find_by_access_token_is_none_where_the_record_has_a_refresh_token
                find_takes_the_grant_before_an_access_token_beside_a_refresh_token
                find_by_access_token_prefers_last_saved
                find_by_grant_or_refresh_token
                find_by_grant_or_refresh_token_takes_only_the_given_client
                find_takes_the_grant_before_the_refresh_token
                find_by_grant_or_refresh_token_prefers_last_saved
                find_of_nothing_usable_is_none
                find_takes_an_empty_text_as_absent
                find_fills_the_absent_fields_only
                find_writes_nothing;
            exactness:
                users_are_compared_exactly
                refresh_tokens_are_compared_exactly
                grant_tokens_are_compared_exactly
                access_tokens_are_compared_exactly
                clients_are_compared_exactly
                user_and_client_do_not_run_together
                a_text_counts_in_its_own_field_only;
            saving:
                save_inserts_and_sets_the_id
                save_inserts_with_any_one_token
                save_refuses_to_insert_without_any_token
                save_updates_without_any_token
                save_updates_the_record_that_a_find_means
                save_twice_of_access_and_refresh_token_is_one_record
                save_clears_no_field_by_absence
                save_of_a_new_sign_in_clears_no_field
                save_of_a_user_without_client_updates_the_only_record
                save_of_a_user_without_client_goes_by_an_equal_token
                save_of_a_user_without_client_is_ambiguous_otherwise
                save_with_a_client_leaves_the_record_without_one
                save_by_id_names_the_user_of_a_record_without_one
                save_by_id_refuses_the_identity_of_another_record
                save_by_id_refuses_another_user_or_client
                a_refused_save_moves_no_key
                find_user_is_not_stored
                an_expiry_in_seconds_is_warned_of
                the_list_is_in_the_order_of_the_first_saves;
            identifiers:
                an_id_of_our_making_is_recognisable
                a_brought_id_is_kept_as_given
                ids_are_compared_exactly
                an_id_has_at_most_256_bytes
                an_unusable_id_is_refused_and_not_found
                an_empty_id_is_an_absent_one
                an_id_is_text_and_nothing_else
                an_unknown_id_of_our_making_is_gone
                what_resembles_an_id_of_our_making_is_a_brought_one
                a_new_id_does_not_double_a_user_and_client
                a_second_files_ids_turn_nobody_into_somebody_else
                save_under_a_new_id_asks_no_other_rule
                save_under_a_stored_id_asks_no_other_rule
                a_handed_out_token_is_not_saved_under_another_id;
            deleting:
                delete_removes_the_record_from_every_rule
                delete_leaves_the_others
                delete_of_nothing_says_so
                delete_tokens_deletes_all_and_counts
                log_out_is_final_however_the_token_was_handed_out
                log_out_is_final_under_a_brought_id
                log_out_is_final_after_the_id_was_stored_again
                log_out_is_final_after_a_new_sign_in
                log_out_of_everybody_is_final
                log_out_is_final_for_a_token_that_lost_its_base
                a_find_after_the_log_out_makes_no_token_savable
                a_sign_in_after_the_log_out_is_welcome
                a_new_record_takes_nothing_from_a_deleted_one;
            overtaken:
                a_refresh_written_back_is_taken
                a_refresh_is_taken_however_the_token_was_handed_out
                a_refresh_is_taken_whatever_its_expiry_where_nobody_else_wrote
                fields_equal_to_the_base_count_as_not_given
                an_old_read_saved_unchanged_changes_nothing
                a_field_given_to_a_find_is_no_change
                a_second_find_forgets_no_pending_change
                of_two_refreshes_the_later_expiry_wins
                of_two_refreshes_a_missing_expiry_loses
                of_two_refreshes_without_expiry_the_stored_one_stays
                a_near_duplicate_refresh_writes_nothing
                a_near_refresh_with_another_refresh_token_is_written
                an_overtaken_refresh_is_kept_or_dropped_as_a_whole
                a_winning_refresh_brings_the_refresh_token_it_came_from
                other_fields_are_taken_from_an_overtaken_save
                an_overtaken_token_can_go_on
                a_copy_is_as_old_as_its_original
                a_save_without_base_is_compared_with_the_record;
            lineage:
                a_new_sign_in_is_taken_into_the_same_record
                a_newer_sign_in_wins_over_a_late_refresh
                two_newer_sign_ins_win_over_a_late_refresh
                a_new_grant_begins_a_new_sign_in
                a_save_that_brings_nothing_new_is_no_sign_in
                a_new_access_token_is_no_sign_in
                the_first_refresh_token_finds_a_rotated_record
                a_rotated_refresh_token_leads_nowhere
                a_configured_first_refresh_token_overwrites_nothing
                a_refresh_of_the_configured_token_keeps_the_rotated_one
                the_rotated_refresh_token_is_no_sign_in
                a_new_sign_in_is_found_by_its_own_refresh_token
                a_sign_in_by_grant_is_found_by_the_refresh_token_it_brings
                an_exchanged_grant_is_found_by_its_refresh_token
                of_two_exchanges_of_one_grant_the_later_expiry_stays
                a_sign_in_of_another_client_touches_no_lineage;
            sdk_table:
                row_01_save_of_the_same_user_with_another_client_is_a_second_record
                row_02_find_of_a_user_with_another_client_is_none
                row_03_the_same_refresh_token_with_another_client_is_a_second_record
                row_04_an_unknown_grant_with_a_known_refresh_token_is_a_hit
                row_05_find_by_refresh_token_without_client_is_a_hit
                row_06_find_by_access_token_with_client_is_none
                row_07_find_of_an_empty_user_or_an_unknown_id_is_none
                row_08_the_same_save_twice_is_one_record
                row_09_save_of_an_id_with_only_a_new_access_token_updates
                row_10_the_eleventh_insert_is_one_like_the_others
                row_11_save_after_a_non_numeric_id_is_a_save
                row_12_delete_of_an_unknown_id_deletes_nothing_and_says_so
                row_13_delete_of_an_id_with_sql_in_it_deletes_nothing_else
                row_14_an_id_with_sql_in_it_is_not_found
                row_15_a_user_with_sql_in_it_is_not_found
                row_16_users_that_a_collation_would_equate_do_not_match
                row_17_a_token_of_300_characters_is_kept_whole
                row_18_delete_tokens_deletes_them
                row_19_a_user_named_user_name_is_a_user
                row_20_a_save_that_is_dropped_half_way_damages_nothing
                row_21_four_writers_of_thirty_inserts_leave_all_120;
            hostile:
                quotes_are_text
                commas_and_separators_are_text
                line_ends_and_nul_are_text
                four_byte_characters_are_text
                blanks_are_text
                words_for_nothing_are_text
                code_is_text
                ten_thousand_characters_are_text
                hostile_texts_leave_other_records_alone;
            races:
                first_sign_ins_of_one_user_make_one_record
                first_saves_of_one_token_make_one_record
                first_saves_under_one_id_make_one_record
                one_id_for_many_users_goes_to_one
                many_ids_for_one_user_make_one_record
                one_user_for_many_records_goes_to_one
                first_sign_ins_of_many_users_all_succeed
                of_many_refreshes_at_once_the_latest_stays
                changes_of_different_fields_are_all_kept
                a_delete_beside_saves_is_final
                a_delete_of_all_beside_saves_is_final
                of_many_deletes_one_deletes
                readers_see_whole_saves;
        }
    };
}

/// Makes a test of every promise of [`Backend`](crate::backend::Backend), in a module of this name.
///
/// The factory is a path or a closure without arguments whose future gives an empty `Arc<dyn Backend>`, or a
/// [`Fresh`](crate::conformance::Fresh) of one.
#[macro_export]
macro_rules! backend_conformance_tests {
    ($module:ident, $factory:expr) => {
        $crate::promises! {
            $module, $factory, std::sync::Arc<dyn $crate::backend::Backend>;
            backend:
                an_empty_backend_has_nothing
                a_record_is_read_back_in_every_part
                an_insert_expects_absence
                a_change_expects_its_version
                a_deleted_record_is_gone
                a_commit_of_many_records_takes_effect_as_a_whole
                a_commit_of_many_records_fails_as_a_whole
                a_clear_deletes_everything
                of_many_commits_on_one_version_one_wins;
            lookups:
                a_record_is_found_by_every_key
                names_are_by_key_in_order_and_sorted
                no_key_leads_to_nothing
                changed_keys_lead_to_the_record
                a_claim_that_holds_lets_the_commit_through
                a_claim_that_no_longer_holds_is_a_conflict
                every_claim_must_hold
                a_claim_outlives_an_update_that_keeps_the_key
                of_many_commits_on_one_claim_one_wins;
        }
    };
}

/// Makes a test of every promise that concerns two handles of the same records, in a module of this name.
///
/// The factory is a path or a closure without arguments whose future gives a pair of `Arc<dyn Backend>`, or a
/// [`Fresh`](crate::conformance::Fresh) of one.
#[macro_export]
macro_rules! shared_conformance_tests {
    ($module:ident, $factory:expr) => {
        $crate::promises! {
            $module, $factory, $crate::conformance::handles::Handles;
            handles:
                a_commit_is_seen_through_the_other_handle
                a_clear_is_seen_through_the_other_handle
                a_commit_conflicts_with_the_other_handle
                of_many_commits_through_both_handles_one_wins
                first_sign_ins_through_both_handles_make_one_record
                a_token_saved_through_one_handle_is_the_others_too
                a_log_out_is_final_through_the_other_handle
                a_delete_beside_saves_through_the_other_handle_is_final;
        }
    };
}

/// One test for each promise named.
#[doc(hidden)]
#[macro_export]
macro_rules! promises {
    ($module:ident, $factory:expr, $subject:ty; $($theme:ident: $($promise:ident)+;)+) => {
        #[allow(clippy::wildcard_imports, reason = "the factory is named in the words of the file that calls the macro")]
        mod $module {
            use super::*;

            $(mod $theme {
                use super::*;

                $(#[test]
                fn $promise() {
                    $crate::conformance::run(async {
                        let fresh = <$crate::conformance::Fresh<$subject>>::from(($factory)().await);
                        $crate::conformance::$theme::$promise(&fresh.subject).await;
                    });
                })+
            })+
        }
    };
}
