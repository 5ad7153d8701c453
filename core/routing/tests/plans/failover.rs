//! Which failures are followed by the next trunk.

use tandem_model::FailoverOn;
use tandem_routing::{Failed, Onward, fails_over};

fn after(code: u16, rang: bool, onward: &Onward) -> bool {
    fails_over(Failed { code, rang, unanswered: false }, onward)
}

fn goes_on(code: u16, rang: bool) -> bool {
    after(code, rang, &Onward::Failure)
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

#[test]
fn a_step_may_name_the_failures_after_which_the_next_one_is_tried() {
    let only = Onward::Only(vec![FailoverOn::Timeout, FailoverOn::ServerError]);
    for (code, goes_on) in
        [(408, true), (500, true), (503, true), (403, false), (404, false), (407, false), (606, false)]
    {
        assert_eq!(after(code, false, &only), goes_on, "{code}");
    }
    for code in [401, 403, 404, 408, 480, 503, 606] {
        assert!(
            !after(code, false, &Onward::Only(Vec::new())) && !after(code, false, &Onward::Never),
            "{code}"
        );
    }
}

#[test]
fn nobody_there_goes_on_where_it_is_asked_for_and_busy_never_does() {
    for code in [408, 480, 503, 404] {
        assert!(after(code, true, &Onward::NoAnswer), "{code}");
    }
    assert!(fails_over(Failed { code: 487, rang: true, unanswered: true }, &Onward::NoAnswer));
    for code in [486, 600, 603] {
        assert!(!after(code, true, &Onward::NoAnswer), "{code}");
    }
}
