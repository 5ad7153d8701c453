//! The fault sweep: every flow with every packet lost, doubled or late, and random networks as bad as they come.
//!
//! After each run nothing of any call may be left, and every call that began has one record.
//! `make sim SEEDS=100000` plays more seeds; one that fails prints its ladder and how to replay it.

mod chaos;
mod flows;
mod seeds;
mod stage;
mod weather;

use stage::Stage;
use std::time::Duration;
use tandem_sim::{Fate, Faults};

/// What is done to each packet in turn.
const FATES: [Fate; 3] = [Fate::Dropped, Fate::Doubled, Fate::Delayed(Duration::from_secs(2))];

/// Streams are cut before each byte that is so many after the last.
const STEP: usize = 211;

/// Flows that end in one way or another, as packets arrive (a 180 that is lost is not sent again: it never rang).
const RACES: [&str; 9] = [
    "nobody_answers",
    "a_cancel_crosses_the_answer",
    "two_phones_answer_at_once",
    "byes_cross",
    "a_change_meets_a_bye",
    "a_cancel_meets_early_media",
    "a_refusal_follows_early_media",
    "an_update_meets_a_bye",
    "a_peer_is_gone",
];

/// Plays a flow undisturbed, then again with each of its packets treated in each way.
fn sweep(name: &str, flow: stage::Flow) {
    let is_race = RACES.contains(&name);
    let clean = Stage::new(1, Faults::default()).play(flow, |_| {});
    clean.check(name, None);
    clean.check_peers(name);
    assert!(clean.packets > 0, "{name}: nothing was sent");
    for n in 0..clean.packets {
        for fate in FATES {
            let outcome = Stage::new(1, Faults::default()).play(flow, move |w| w.set_fate(n, fate));
            let what = format!("{name}, packet {n} {fate:?}");
            outcome.check(&what, Some((&clean, is_race)));
        }
    }
}

/// The same with every two packets of a flow treated in every two ways.
fn sweep_pairs(name: &str, flow: stage::Flow) {
    let clean = Stage::new(1, Faults::default()).play(flow, |_| {});
    for n in 0..clean.packets {
        for m in n + 1..clean.packets {
            for (one, other) in FATES.iter().flat_map(|one| FATES.map(|other| (*one, other))) {
                let both = move |w: &mut tandem_sim::World| {
                    w.set_fate(n, one);
                    w.set_fate(m, other);
                };
                let what = format!("{name}, packets {n} {one:?} and {m} {other:?}");
                Stage::new(1, Faults::default()).play(flow, both).check(&what, None);
            }
        }
    }
}

#[test]
fn random_networks() {
    seeds::play();
}

/// A flow over TCP, with the connection that carries byte n reset right before it, for many n.
fn cut(name: &str, flow: stage::Flow) {
    let clean = Stage::over_tcp(1).play(flow, |_| {});
    clean.check(name, None);
    // Each run costs as much as that of a packet; a step that is prime to the length of everything meets every kind of place.
    for byte in (0..clean.streamed).step_by(STEP) {
        let outcome = Stage::over_tcp(1).play_cut(flow, byte);
        outcome.check(&format!("{name} over TCP, cut before byte {byte}"), None);
    }
}

/// A flow, with the server dying with each of its outputs in turn: right after it, and before each that is the first of several.
fn crash(name: &str, flow: stage::Flow) {
    let clean = Stage::new(1, Faults::default()).play(flow, |_| {});
    for output in 0..clean.outputs {
        for after in [false, true] {
            if !after && !clean.is_first(output) {
                continue;
            }
            let outcome = Stage::new(1, Faults::default()).play_crash(flow, output, after);
            let when = if after { "after" } else { "before" };
            outcome.check(&format!("{name}, death {when} output {output}"), None);
        }
    }
}

#[test]
#[ignore = "takes minutes: make pairs"]
fn all_pairs_of_packets() {
    for (name, flow) in flows::SCRIPTED {
        sweep_pairs(name, *flow);
    }
}

macro_rules! sweeps {
    ($($name:ident),*) => {
        $(
            #[test]
            fn $name() {
                sweep(stringify!($name), flows::$name);
            }
        )*

        /// Flows with the server dying on the way.
        mod crashes {
            $(
                #[test]
                fn $name() {
                    crate::crash(stringify!($name), crate::flows::$name);
                }
            )*
        }

        /// Flows whose user agents all use TCP, cut here and there.
        mod streams {
            $(
                #[test]
                fn $name() {
                    crate::cut(stringify!($name), crate::flows::$name);
                }
            )*
        }
    };
}

sweeps!(
    the_caller_hangs_up,
    the_callee_hangs_up,
    the_caller_cancels,
    a_cancel_crosses_the_answer,
    the_callee_is_busy,
    nobody_answers,
    two_phones_ring,
    two_phones_answer_at_once,
    the_third_trunk_answers,
    every_trunk_refuses,
    a_challenged_call_with_early_media,
    hold_and_resume,
    a_change_without_offer,
    changes_meet,
    an_offer_that_comes_late,
    byes_cross,
    a_change_meets_a_bye,
    a_call_in_transit,
    a_call_too_large_for_a_datagram,
    the_longest_duration,
    a_silent_address_is_passed_over,
    a_blind_transfer,
    a_blind_transfer_of_who_is_held,
    a_blind_transfer_that_fails,
    a_transfer_that_outlives_who_asked_for_it,
    who_remains_leaves_during_a_transfer,
    two_calls_become_one,
    a_call_is_taken_over,
    media_goes_directly,
    early_media_moves_before_a_failover,
    a_call_turns_into_a_fax_and_back,
    video_comes_and_goes,
    registrations_come_and_go,
    a_call_is_turned_away_and_made_again,
    early_media_is_acknowledged,
    a_caller_requires_acknowledgements,
    the_answer_comes_at_once,
    a_prack_is_challenged,
    a_prack_offers,
    a_cancel_meets_early_media,
    a_refusal_follows_early_media,
    updates_before_the_answer,
    an_answer_meets_an_update,
    an_update_here_is_a_change_there,
    updates_meet,
    a_refused_update,
    an_update_meets_a_bye,
    we_refresh_by_update,
    we_refresh_by_re_invite,
    nobody_knows_of_session_timers,
    a_session_interval_is_too_small,
    a_peer_is_gone,
    a_carrier_forks,
    two_branches_answer,
    another_phone_answers_than_the_one_that_was_heard,
    codecs_and_addresses_change,
    digits_are_told_by_info
);
