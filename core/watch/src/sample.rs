//! What a call's record says of the trunks that it went over: a few numbers, so that the thread that makes it has little to do.

use tandem_model::{CallRecord, MediaRecord, TrunkId};

/// What one call says of trunks.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Sample {
    pub(crate) tries: Vec<Try>,
    pub(crate) media: [Option<(TrunkId, Media)>; 2],
}

/// One attempt on a trunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Try {
    pub(crate) trunk: TrunkId,
    pub(crate) answered: bool,
    /// It reached the called side, whatever that did then.
    pub(crate) reached: bool,
    /// Another one was tried after it.
    pub(crate) failed_over: bool,
    pub(crate) pdd_ms: Option<u64>,
}

/// Media received from a trunk.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Media {
    pub(crate) packets: u64,
    pub(crate) lost: u64,
    pub(crate) jitter_ms: f64,
}

impl Sample {
    /// What a record says, if anything.
    pub fn of(record: &CallRecord) -> Option<Sample> {
        let last = record.attempts.len();
        let tries: Vec<Try> = record
            .attempts
            .iter()
            .enumerate()
            .filter_map(|(n, attempt)| {
                let answered = attempt.answered_at.is_some();
                // Devices that rang together with the one that answered were not failed over from.
                let failed_over = !answered && n + 1 < last && record.attempts[n + 1].step != attempt.step;
                Some(Try {
                    trunk: attempt.trunk_id.filter(|_| !attempt.target.is_empty())?,
                    answered,
                    reached: answered || reached(attempt.code, attempt.pdd_ms.is_some()),
                    failed_over,
                    pdd_ms: attempt.pdd_ms,
                })
            })
            .collect();
        let media = [
            of_media(record.caller.trunk_id, record.media_from_caller.as_ref()),
            of_media(record.callee.trunk_id, record.media_from_callee.as_ref()),
        ];
        (!tries.is_empty() || media.iter().any(Option::is_some)).then_some(Sample { tries, media })
    }
}

/// Busy, declined, and not answered once it rang: the network has done its part.
fn reached(code: u16, rang: bool) -> bool {
    matches!(code, 486 | 600 | 603 | 607 | 608) || rang && matches!(code, 408 | 480 | 487)
}

fn of_media(trunk: Option<TrunkId>, media: Option<&MediaRecord>) -> Option<(TrunkId, Media)> {
    let media = media.filter(|media| media.packets > 0)?;
    Some((trunk?, Media { packets: media.packets, lost: media.lost, jitter_ms: media.jitter_ms }))
}
