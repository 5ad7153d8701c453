//! Calls and registrations of every kind, each by a SIPp of its own at a steady rate.

use std::time::Duration;

use serde_json::json;
use tandem_interop::ports::beside;
use tandem_interop::process::{PATIENCE, wait_until};
use tandem_interop::sipp::{Scenario, Sipp};
use tandem_interop::tandem::Server;
use tandem_interop::tandem::office::PASSWORD;

/// What each number leads to.
const ANSWERED: &str = "+49301";
const ECHOED: &str = "+49302";
const BUSY: &str = "+49303";
const RINGING: &str = "+49304";
const DESK: &str = "+49305";
/// Calls to it are ended by the administrator.
pub const ENDED: &str = "+49306";
/// What an extension dials.
const OUTSIDE: &str = "0049301";

/// Where the trunk is that calls come from, and where the phones are.
const CALLERS: u8 = 70;
const PHONES: u8 = 71;
/// Where callees are, from here on.
const CALLEES: u8 = 72;

/// How long media flows in a call that has any.
const TALK: Duration = Duration::from_secs(4);
/// Packets a second, each way.
const PACKETS: u64 = 50;
/// What SIPp would reckon from the length of a call that it does not know.
const AT_ONCE: u32 = 100;
/// Extensions whose devices come and go.
const DEVICES: usize = 20;

const A_DAY: Duration = Duration::from_secs(24 * 3600);
/// Which of the streams has media.
const MEDIA: usize = 2;

/// More sockets than calls of five seconds can need: some 20 a second, two ends of each, two sockets an end.
pub const ENDS_IN_SECONDS: usize = 5 * 20 * 2 * 2;

/// One kind of call.
struct Stream {
    scenario: Scenario,
    /// So many in so many seconds.
    rate: (u32, u32),
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Answered,
    Unanswered,
    NoCall,
}

/// All kinds.
#[derive(Default)]
pub struct Load {
    trunks: Vec<String>,
    callees: Vec<Sipp>,
    streams: Vec<(Sipp, u32, Kind)>,
}

impl Load {
    /// The peers that answer, and what the server has to know of them.
    pub fn prepare(tandem: &Server) -> Load {
        let mut load = Load::default();
        let caller = json!({ "name": "callers", "host": beside(CALLERS).to_string(), "ping_interval": 0 });
        tandem.create("trunks", caller);
        for (place, number, scenario) in [
            (CALLEES, ANSWERED, Scenario::new("uas")),
            (CALLEES + 1, ECHOED, Scenario::new("uas").echo()),
            (CALLEES + 2, BUSY, Scenario::new("uas_reject").status("486 Busy Here")),
            (CALLEES + 3, RINGING, Scenario::new("uas_ringing")),
            (CALLEES + 4, ENDED, Scenario::new("uas")),
        ] {
            let callee = scenario.on(beside(place)).endless().start();
            let trunk = tandem.trunk_to(number, callee.addr());
            tandem.create("numbers", json!({ "number": number, "trunk_id": trunk }));
            load.callees.push(callee);
            load.trunks.push(trunk);
        }
        tandem.route_over(&[&load.trunks[0]]);
        tandem.extension("caller");
        (0..DEVICES).for_each(|n| {
            tandem.extension(&device(n));
        });

        let desk = tandem.extension("desk");
        tandem.number(DESK, &desk);
        let registering = registrant(tandem, &["desk".to_owned()], A_DAY).start();
        wait_until("the phone to register", PATIENCE, || tandem.metric("tandem_registered_devices") == 1);
        load.callees.push(registering.replace(Scenario::new("uas").on(beside(PHONES)).endless()));
        load
    }

    /// Calls begin, for so long.
    pub fn begin(&mut self, tandem: &Server, length: Duration) {
        let call = |scenario: &str, number: &str, millis: u64| {
            Scenario::new(scenario)
                .on(beside(CALLERS))
                .target(tandem.sip())
                .number(number)
                .duration(Duration::from_millis(millis))
        };
        let phone =
            |number: &str| call("uac_auth", number, 2_000).on(beside(PHONES)).credentials("caller", PASSWORD);
        let devices: Vec<String> = (0..DEVICES).map(device).collect();
        let [answered, unanswered] = [Kind::Answered, Kind::Unanswered];
        let talk = TALK.as_millis() as u64;
        let streams = [
            (call("uac", ANSWERED, 2_000), (5, 1), answered),
            (over_tcp(call("uac", ANSWERED, 1_000)), (2, 1), answered),
            (call("uac_media", ECHOED, talk).sound(TALK), (2, 1), answered),
            (phone(OUTSIDE), (3, 1), answered),
            (over_tcp(phone(OUTSIDE)), (1, 1), answered),
            (call("uac", DESK, 1_500), (2, 1), answered),
            (call("uac_ended", ENDED, 0).limit(AT_ONCE), (1, 2), answered),
            (call("uac_refused", BUSY, 0).status("486 Busy Here"), (2, 1), unanswered),
            (call("uac_cancel", RINGING, 1_000), (2, 1), unanswered),
            (registrant(tandem, &devices, Duration::from_secs(3)), (2, 1), Kind::NoCall),
        ];
        for (scenario, rate, kind) in streams {
            let stream = Stream { scenario, rate, kind };
            self.streams.push(stream.begin(length));
        }
    }

    /// The trunks that calls go out over.
    pub fn trunks(&self) -> &[String] {
        &self.trunks
    }

    /// Whether every caller is done.
    pub fn is_over(&mut self) -> bool {
        self.streams.iter_mut().all(|(sipp, ..)| sipp.has_ended())
    }

    /// Calls that did not go by their script so far, on either side.
    pub fn failed(&self) -> u64 {
        let callers = self.streams.iter().map(|(sipp, ..)| sipp);
        callers.chain(&self.callees).map(|sipp| sipp.stats().failed).sum()
    }

    /// Panics unless every call went by its script, on both sides.
    pub fn check(&mut self) {
        for (sipp, calls, _) in &mut self.streams {
            let stats = sipp.wait_passed(PATIENCE);
            assert_eq!(stats.successful, u64::from(*calls), "{stats:?}");
        }
        assert_eq!(self.failed(), 0);
    }

    /// Panics unless the server has counted the same calls, and their media.
    pub fn check_totals(&self, tandem: &Server) {
        let count = |wanted: &[Kind]| -> u64 {
            let counted = self.streams.iter().filter(|(_, _, kind)| wanted.contains(kind));
            counted.map(|(_, calls, _)| u64::from(*calls)).sum()
        };
        assert_eq!(tandem.metric("tandem_calls_answered_total"), count(&[Kind::Answered]));
        assert_eq!(tandem.metric("tandem_calls_started_total"), count(&[Kind::Answered, Kind::Unanswered]));
        assert_eq!(tandem.metric("tandem_calls_ended_total"), count(&[Kind::Answered, Kind::Unanswered]));
        assert_eq!(tandem.metric("tandem_registered_devices"), 1, "the phone on the desk");
        let media = u64::from(self.streams[MEDIA].1) * TALK.as_secs() * PACKETS * 2;
        let forwarded = tandem.metric("tandem_rtp_forwarded_total");
        assert!(
            forwarded >= media / 10 * 9 && forwarded <= media / 10 * 11,
            "{forwarded} packets of {media}"
        );
    }
}

impl Stream {
    fn begin(self, length: Duration) -> (Sipp, u32, Kind) {
        let (count, seconds) = self.rate;
        let calls = (count * length.as_secs() as u32 / seconds).max(1);
        let scenario = self.scenario.rate(count).arg("-rp").arg(seconds * 1_000).calls(calls);
        (scenario.start(), calls, self.kind)
    }
}

/// Over TCP, with a connection for each call.
fn over_tcp(scenario: Scenario) -> Scenario {
    const SOCKETS: u32 = 1_000;
    scenario.arg("-t").arg("tn").arg("-max_socket").arg(SOCKETS)
}

fn device(n: usize) -> String {
    format!("device{n}")
}

/// Registers these, each for `stay`.
fn registrant(tandem: &Server, users: &[String], stay: Duration) -> Scenario {
    let lines: Vec<String> = users
        .iter()
        .map(|user| format!("{user};[authentication username={user} password={PASSWORD}]"))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let scenario = Scenario::new("register").on(beside(PHONES)).target(tandem.sip()).data(&lines);
    scenario.duration(stay)
}
