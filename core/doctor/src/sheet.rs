//! The report while it is being written.

use tandem_model::{Diagnosis, ExamReport, ExamStage, Finding, StageOutcome, StageReport, TestCall, Trunk};
use tandem_time::Time;

/// Messages shown of a stage, each way.
const MOST: usize = 16;
/// The longest words of a stage.
const LONGEST: usize = 600;

pub(crate) struct Sheet {
    began: Time,
    stages: Vec<(StageReport, Option<Time>)>,
    pub(crate) call: Option<TestCall>,
}

impl Sheet {
    pub(crate) fn new(now: Time) -> Sheet {
        let blank = |stage| StageReport {
            stage,
            outcome: StageOutcome::Skipped,
            detail: String::new(),
            duration_ms: 0,
            findings: Vec::new(),
            sent: Vec::new(),
            received: Vec::new(),
        };
        Sheet { began: now, stages: ExamStage::ALL.map(|stage| (blank(stage), None)).into(), call: None }
    }

    fn at(&mut self, stage: ExamStage) -> &mut (StageReport, Option<Time>) {
        &mut self.stages[stage as usize]
    }

    /// The clock of a stage runs from now.
    pub(crate) fn begin(&mut self, stage: ExamStage, now: Time) {
        self.at(stage).1 = Some(now);
    }

    /// A stage has come to this, or to something graver before.
    pub(crate) fn end(
        &mut self,
        stage: ExamStage,
        outcome: StageOutcome,
        detail: impl Into<String>,
        now: Time,
    ) {
        let (report, began) = self.at(stage);
        let detail: String = detail.into();
        if !detail.is_empty() && outcome >= report.outcome {
            report.detail = short(&detail);
        }
        report.outcome = report.outcome.max(outcome);
        report.duration_ms = began.map_or(0, |began| now.since(began).as_millis() as u64);
    }

    pub(crate) fn skip(&mut self, stage: ExamStage, why: impl Into<String>) {
        let (report, _) = self.at(stage);
        if report.outcome == StageOutcome::Skipped && report.detail.is_empty() {
            report.detail = why.into();
        }
    }

    /// Something was found at a stage that comes to `outcome`.
    pub(crate) fn find(
        &mut self,
        stage: ExamStage,
        outcome: StageOutcome,
        what: Diagnosis,
        detail: impl Into<String>,
        now: Time,
    ) {
        let detail = short(&detail.into());
        let finding =
            Finding { code: what.code(), detail: detail.clone(), meaning: what.meaning(), fix: what.fix() };
        let (report, _) = self.at(stage);
        // The gravest comes first, and of those the first found.
        let place = if outcome > report.outcome { 0 } else { report.findings.len() };
        report.findings.insert(place, finding);
        let is_gravest = place == 0;
        self.end(stage, outcome, if is_gravest { detail } else { String::new() }, now);
    }

    pub(crate) fn outcome(&self, stage: ExamStage) -> StageOutcome {
        self.stages[stage as usize].0.outcome
    }

    pub(crate) fn sent(&mut self, stage: ExamStage, text: String) {
        keep(&mut self.at(stage).0.sent, text);
    }

    /// The first message that a stage sent.
    pub(crate) fn first_sent(&self, stage: ExamStage) -> Option<&str> {
        self.stages[stage as usize].0.sent.first().map(String::as_str)
    }

    pub(crate) fn received(&mut self, stage: ExamStage, text: String) {
        keep(&mut self.at(stage).0.received, text);
    }

    pub(crate) fn report(&mut self, trunk: &Trunk, now: Time) -> ExamReport {
        let stages: Vec<StageReport> = self.stages.iter().map(|(report, _)| report.clone()).collect();
        let outcome = stages.iter().map(|stage| stage.outcome).max().unwrap_or(StageOutcome::Passed);
        let worst = stages.iter().find(|stage| stage.outcome == outcome);
        let cause = worst.filter(|_| outcome > StageOutcome::Passed).and_then(|stage| stage.findings.first());
        ExamReport {
            trunk_id: trunk.id,
            name: trunk.name.clone(),
            at: self.began.as_millis(),
            duration_ms: now.since(self.began).as_millis() as u64,
            outcome,
            cause: cause.map(|finding| finding.code.to_owned()),
            stages,
            call: self.call.take(),
        }
    }
}

/// Repetitions are not shown.
fn keep(list: &mut Vec<String>, text: String) {
    if list.len() < MOST && list.last() != Some(&text) {
        list.push(text);
    }
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_finding_of_a_stage_is_its_first_and_the_first_failed_stage_names_the_cause() {
        let now = Time::from_secs(5);
        let mut sheet = Sheet::new(now);
        let (options, register) = (ExamStage::Options, ExamStage::Register);
        sheet.find(ExamStage::Configuration, StageOutcome::Warned, Diagnosis::NoRoute, "none", now);
        sheet.find(register, StageOutcome::Failed, Diagnosis::ServerError, "500", now);
        sheet.find(options, StageOutcome::Warned, Diagnosis::NatInBetween, "nat", now);
        sheet.find(options, StageOutcome::Failed, Diagnosis::NoAnswer, "silence", now);
        sheet.find(options, StageOutcome::Warned, Diagnosis::OptionsRefused, "403", now);
        sheet.end(options, StageOutcome::Passed, "", now);
        let trunk = serde_json::json!({"name": "t", "mode": "ip_auth", "host": "192.0.2.7"});
        let trunk =
            tandem_model::Entity::create(tandem_model::Kind::Trunk, Default::default(), trunk).unwrap();
        let tandem_model::Entity::Trunk(trunk) = trunk else { panic!("no trunk") };
        let report = sheet.report(&trunk, now);
        assert_eq!((report.outcome, report.cause.as_deref()), (StageOutcome::Failed, Some("NO_ANSWER")));
        let codes: Vec<&str> = report.stages[4].findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["NO_ANSWER", "NAT_IN_BETWEEN", "OPTIONS_REFUSED"]);
        assert_eq!(report.stages[4].detail, "silence");
    }

    #[test]
    fn repetitions_of_a_message_are_shown_once() {
        let mut sheet = Sheet::new(Time::from_secs(5));
        for text in ["a", "a", "b", "a"] {
            sheet.sent(ExamStage::Options, text.to_owned());
        }
        assert_eq!(sheet.at(ExamStage::Options).0.sent, ["a", "b", "a"]);
    }
}
