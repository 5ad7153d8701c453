//! Which failures are followed by the next trunk.

use tandem_routing::{Failed, fails_over};

fn goes_on(code: u16, rang: bool) -> bool {
    fails_over(Failed { code, rang })
}

#[test]
fn the_next_trunk_is_tried_when_a_trunk_failed() {
    for code in [401, 403, 404, 407, 408, 500, 501, 502, 503, 504, 505, 513, 580, 599, 604, 606, 699] {
        assert!(goes_on(code, false) && goes_on(code, true), "{code}");
    }
}

#[test]
fn the_next_trunk_is_not_tried_when_the_called_person_answered_in_any_way() {
    for code in [200, 486, 600, 603, 607, 608] {
        assert!(!goes_on(code, false) && !goes_on(code, true), "{code}");
    }
}

#[test]
fn unavailable_and_terminated_speak_for_the_person_only_after_ringing() {
    for code in [480, 487] {
        assert!(goes_on(code, false) && !goes_on(code, true), "{code}");
    }
}

#[test]
fn what_would_fail_the_same_way_everywhere_is_not_tried_again() {
    for code in [300, 302, 400, 405, 410, 413, 415, 416, 420, 481, 482, 483, 484, 485, 488, 491] {
        assert!(!goes_on(code, false), "{code}");
    }
}
