//! How well calls go over a trunk, in slots of a minute. What no call was made in takes no room.

use crate::sample::{Media, Try};
use crate::slots::{MINUTES, Slots};
use tandem_model::{Quality, TrunkQuality};
use tandem_time::Time;

/// The steps of post-dial delays, milliseconds; the last one has no end.
const STEPS: [u32; 16] =
    [100, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 4000, 5000, 7500, 10_000, 15_000, 20_000, 60_000];

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) attempts: u32,
    answered: u32,
    reached: u32,
    failovers: u32,
    pdds: [u32; STEPS.len()],
    pdd_sum: u64,
    packets: u64,
    lost: u64,
    streams: u32,
    jitter_sum: f64,
}

/// What was counted on one trunk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    minutes: Slots<Counts>,
    total: Counts,
}

impl Tally {
    pub(crate) fn count(&mut self, now: Time, count: impl Fn(&mut Counts)) {
        count(self.minutes.at(now));
        count(&mut self.total);
    }

    /// What was counted in the last so many seconds, to the minute.
    pub(crate) fn of_last(&self, seconds: u32, now: Time) -> Counts {
        let mut sum = Counts::default();
        self.minutes.of_last(seconds, now).for_each(|counts| sum.add(counts));
        sum
    }

    pub(crate) fn shown(&self, now: Time) -> TrunkQuality {
        TrunkQuality { recent: self.of_last(MINUTES as u32 * 60, now).shown(), total: self.total.shown() }
    }
}

fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

impl Counts {
    pub(crate) fn count_try(&mut self, tried: &Try) {
        self.attempts += 1;
        self.answered += u32::from(tried.answered);
        self.reached += u32::from(tried.reached);
        self.failovers += u32::from(tried.failed_over);
        if let Some(pdd) = tried.pdd_ms {
            let step = STEPS.iter().position(|step| pdd <= u64::from(*step)).unwrap_or(STEPS.len() - 1);
            self.pdds[step] += 1;
            self.pdd_sum += pdd;
        }
    }

    pub(crate) fn count_media(&mut self, media: &Media) {
        self.packets += media.packets;
        self.lost += media.lost;
        self.streams += 1;
        self.jitter_sum += media.jitter_ms;
    }

    fn add(&mut self, other: &Counts) {
        self.attempts += other.attempts;
        self.answered += other.answered;
        self.reached += other.reached;
        self.failovers += other.failovers;
        self.pdds.iter_mut().zip(other.pdds).for_each(|(sum, more)| *sum += more);
        self.pdd_sum += other.pdd_sum;
        self.packets += other.packets;
        self.lost += other.lost;
        self.streams += other.streams;
        self.jitter_sum += other.jitter_sum;
    }

    fn pdd_count(&self) -> u64 {
        self.pdds.iter().map(|count| u64::from(*count)).sum()
    }

    pub(crate) fn asr(&self) -> Option<f64> {
        percent(self.answered.into(), self.attempts.into())
    }

    pub(crate) fn failover_rate(&self) -> Option<f64> {
        percent(self.failovers.into(), self.attempts.into())
    }

    pub(crate) fn pdd_ms(&self) -> Option<f64> {
        let count = self.pdd_count();
        (count > 0).then(|| self.pdd_sum as f64 / count as f64)
    }

    pub(crate) fn packets(&self) -> u64 {
        self.packets
    }

    pub(crate) fn loss(&self) -> Option<f64> {
        percent(self.lost, self.packets + self.lost)
    }

    fn pdd_p95_ms(&self) -> Option<u32> {
        let enough = (self.pdd_count() * 95).div_ceil(100);
        let mut within = 0;
        STEPS.iter().zip(self.pdds).find_map(|(step, count)| {
            within += u64::from(count);
            (enough > 0 && within >= enough).then_some(*step)
        })
    }

    fn shown(&self) -> Quality {
        Quality {
            attempts: self.attempts.into(),
            answered: self.answered.into(),
            asr: self.asr(),
            ner: percent(self.reached.into(), self.attempts.into()),
            failovers: self.failovers.into(),
            pdd_ms: self.pdd_ms(),
            pdd_p95_ms: self.pdd_p95_ms(),
            packets: self.packets,
            loss: self.loss(),
            jitter_ms: (self.streams > 0).then(|| self.jitter_sum / f64::from(self.streams)),
        }
    }
}
