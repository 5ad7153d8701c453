//! An examination of a trunk: what is asked for, and the report of it.

mod findings;

pub use findings::{Diagnosis, FOR};

use crate::findings::Findings as Problems;
use crate::read;
use crate::{Kind, Rejection, RejectionKind, TrunkId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What is to be examined beside what every examination looks at.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Examination {
    /// A number to call over the trunk, as an extension would dial it. Whoever answers hears a tone for five seconds. Empty: no
    /// call is made, and the stages `invite` and `rtp` are skipped.
    #[serde(default)]
    pub test_number: Option<String>,
}

/// Characters of a number at most.
const LONGEST: usize = 64;

impl Examination {
    /// Reads a request strictly; one without a body asks for no call.
    pub fn read(body: Value) -> Result<Examination, Rejection> {
        let asked: Examination = read::read(body).map_err(|fault| {
            let path = fault.path().to_owned();
            Rejection { kind: RejectionKind::Invalid, problems: vec![fault.problem(Kind::Trunk, &path)] }
        })?;
        let mut problems = Problems::default();
        let diallable = |number: &str| {
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"+*#.-_".contains(&b);
            !number.is_empty() && number.len() <= LONGEST && number.bytes().all(fits)
        };
        if !asked.test_number.as_deref().is_none_or(diallable) {
            let fix =
                "give a number as `+15551234567`: at most 64 letters, digits, `+`, `*`, `#`, `.`, `-` or `_`";
            problems.invalid("test_number", "BAD_FORMAT", "this cannot be dialled", fix);
        }
        problems.into_result(asked, 1)
    }
}

/// One after the other, each on the shoulders of the one before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExamStage {
    /// What the configuration says of the trunk, and of the way to and from it.
    Configuration,
    /// The names of the trunk are looked up (RFC 3263).
    Dns,
    /// There is a way to one of its addresses.
    Transport,
    /// TLS over it, where the trunk has that.
    Tls,
    /// It answers OPTIONS.
    Options,
    /// It knows our account.
    Register,
    /// It takes a call to the test number.
    Invite,
    /// Sound comes back.
    Rtp,
}

impl ExamStage {
    /// All, in their order.
    pub const ALL: [ExamStage; 8] = [
        ExamStage::Configuration,
        ExamStage::Dns,
        ExamStage::Transport,
        ExamStage::Tls,
        ExamStage::Options,
        ExamStage::Register,
        ExamStage::Invite,
        ExamStage::Rtp,
    ];

    /// As it is written.
    pub fn key(self) -> &'static str {
        match self {
            ExamStage::Configuration => "configuration",
            ExamStage::Dns => "dns",
            ExamStage::Transport => "transport",
            ExamStage::Tls => "tls",
            ExamStage::Options => "options",
            ExamStage::Register => "register",
            ExamStage::Invite => "invite",
            ExamStage::Rtp => "rtp",
        }
    }
}

/// What became of a stage, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StageOutcome {
    /// It was not come to, or has no meaning for this trunk.
    Skipped,
    /// All is well.
    Passed,
    /// It works, and something should be looked at.
    Warned,
    /// It does not work.
    Failed,
}

/// Something that was found.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Finding {
    /// Which: a stable code in upper snake case, see `docs/doctor.md`.
    pub code: &'static str,
    /// What was seen here, in words.
    pub detail: String,
    /// What that means.
    pub meaning: &'static str,
    /// What to change.
    pub fix: &'static str,
}

/// One stage of an examination.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct StageReport {
    /// Which.
    pub stage: ExamStage,
    /// What became of it.
    pub outcome: StageOutcome,
    /// What was seen, in words; of a skipped stage, why it was.
    pub detail: String,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
    /// What was found, the gravest first.
    pub findings: Vec<Finding>,
    /// The messages and questions that were sent, without repetitions. Credentials and the token of our Contact are masked.
    pub sent: Vec<String>,
    /// What came.
    pub received: Vec<String>,
}

/// What the sound of a test call was like.
#[derive(Clone, PartialEq, Debug, Default, Serialize, ToSchema)]
pub struct TestCall {
    /// From the INVITE to the first sign of ringing, or the answer, milliseconds.
    pub pdd_ms: Option<u64>,
    /// The codec that was agreed on.
    pub codec: Option<String>,
    /// Where the other side wants its media, as its SDP says.
    pub their_address: Option<String>,
    /// Where its media came from.
    pub came_from: Option<String>,
    /// RTP packets sent.
    pub sent: u64,
    /// RTP packets received.
    pub packets: u64,
    /// RTP packets that never came.
    pub lost: u64,
    /// Interarrival jitter, milliseconds (RFC 3550 §6.4.1).
    pub jitter_ms: f64,
}

/// What an examination has shown.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ExamReport {
    /// The trunk.
    pub trunk_id: TrunkId,
    /// Its name.
    pub name: String,
    /// When it began, milliseconds since the Unix epoch.
    pub at: u64,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
    /// The gravest that any stage came to.
    pub outcome: StageOutcome,
    /// The code of the finding that explains it: that of the first stage that failed, else of the first that warned. Null: all
    /// is well.
    pub cause: Option<String>,
    /// Every stage, in order.
    pub stages: Vec<StageReport>,
    /// What the test call was like, if it was answered.
    pub call: Option<TestCall>,
}

/// Why there is no examination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoExamination {
    /// There is no such trunk.
    NoTrunk,
    /// It is being examined.
    UnderWay,
    /// Too many are being examined.
    Busy,
    /// The server is going down.
    Ending,
}
