//! What a newcomer does first.

use std::time::Duration;

use tandem_interop::process::PATIENCE;
use tandem_interop::tandem;

#[test]
fn the_demo_places_a_call_each_way_and_both_go_well() {
    let (status, said) = tandem::run(&["demo", "--once"], Duration::from_secs(30));
    assert!(status.success(), "{said}");
    assert_eq!(said.matches("verdict: GOOD").count(), 2, "{said}");
}

#[test]
fn a_setting_that_cannot_be_is_refused_in_words() {
    let (status, said) = tandem::run(&["serve", "--rtp-ports=10-20"], PATIENCE);
    assert!(!status.success());
    assert!(said.contains("--rtp-ports") && said.contains("from 1024 up"), "{said}");
}
