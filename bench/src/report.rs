//! What was measured, as a table and as a page of the documentation.

use crate::server::Kind;
use crate::stats::Samples;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::process::Command;

/// How the repetitions of a measurement become one figure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Show {
    /// Their median, with the smallest and the largest; and Tandem's in proportion to the others'.
    Median {
        /// Digits after the point.
        decimals: usize,
    },
    /// Their sum: for what should be zero.
    Sum,
}

/// One thing that was measured of every server.
#[derive(Debug)]
pub struct Row {
    what: String,
    show: Show,
    values: BTreeMap<Kind, Samples>,
}

impl Row {
    /// One without values so far; `what` names the unit too.
    pub fn new(what: impl Into<String>, show: Show) -> Row {
        Row { what: what.into(), show, values: BTreeMap::new() }
    }

    /// One more repetition of a server's. A value that could not be had is left out.
    pub fn add(&mut self, kind: Kind, value: impl Into<Option<f64>>) {
        if let Some(value) = value.into() {
            self.values.entry(kind).or_default().add(value);
        }
    }

    fn cell(&self, kind: Kind) -> String {
        let Some(samples) = self.values.get(&kind) else { return "–".to_owned() };
        match self.show {
            Show::Sum => format!("{:.0}", samples.sum()),
            Show::Median { decimals } => {
                let (low, high) =
                    (samples.percentile(0.0).unwrap_or(0.0), samples.percentile(100.0).unwrap_or(0.0));
                let median = samples.median().unwrap_or(0.0);
                if low == high {
                    format!("{median:.decimals$}")
                } else {
                    format!("{median:.decimals$} ({low:.decimals$}–{high:.decimals$})")
                }
            }
        }
    }

    /// Tandem's median over another's.
    fn ratio(&self, (tandem, other): (Kind, Kind)) -> String {
        let median = |kind| self.values.get(&kind).and_then(Samples::median);
        match (self.show, median(tandem), median(other)) {
            (Show::Median { .. }, Some(tandem), Some(other)) if other > 0.0 => {
                format!("{:.2}", tandem / other)
            }
            _ => String::new(),
        }
    }
}

/// What is compared: the name of the column, Tandem, and the one that does the same job.
const PAIRS: [(&str, Kind, Kind); 3] = [
    ("direct : Kamailio", Kind::TandemDirect, Kind::Kamailio),
    ("anchored : Kamailio", Kind::Tandem, Kind::Kamailio),
    ("anchored : Kamailio + rtpengine", Kind::Tandem, Kind::KamailioWithMedia),
];

/// The table in Markdown, its columns aligned for those who read it as it is.
pub fn table(rows: &[Row], kinds: &[Kind]) -> String {
    let pairs = || PAIRS.into_iter().filter(|(_, one, other)| kinds.contains(one) && kinds.contains(other));
    let mut header = vec![String::new()];
    header.extend(kinds.iter().map(|kind| kind.name().to_owned()));
    header.extend(pairs().map(|(name, ..)| name.to_owned()));
    let mut lines = vec![header];
    for row in rows {
        let mut line = vec![row.what.clone()];
        line.extend(kinds.iter().map(|kind| row.cell(*kind)));
        line.extend(pairs().map(|(_, one, other)| row.ratio((one, other))));
        lines.push(line);
    }
    let widths: Vec<usize> = (0..lines[0].len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    lines.insert(1, widths.iter().map(|width| "-".repeat(*width)).collect());
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!(" {cell:width$} "));
        writeln!(text, "|{}|", cells.collect::<Vec<_>>().join("|")).unwrap();
    }
    text
}

/// The page around the table.
pub fn page(table: &str, how: &str, profiles: &str, kinds: &[Kind]) -> String {
    let programs: String = versions(kinds).iter().map(|version| format!("- {version}\n")).collect();
    let mut commands = String::new();
    for kind in kinds {
        for (program, args) in kind.commands() {
            writeln!(commands, "    {program} {}", args.join(" ")).unwrap();
        }
    }
    for load in crate::sipp::commands() {
        writeln!(commands, "    {load}").unwrap();
    }
    let meaning = include_str!("../meaning.md");
    let profiling = include_str!("../profiling.md").trim_end();
    format!(
        "# Side by side\n\n\
         Written by `make bench` on {date}. {how}\n\n\
         {table}\n{meaning}\n\
         ## Where Tandem's time goes\n\n\
         {profiling}\n\n{profiles}\
         ## Where and with what\n\n\
         {machine}\n\n{programs}\n\
         Each program ran in an empty directory of its own; `tandem.toml` has `media_timeout = 0`, `media_quarantine = 0` and \
         `source_rate = 0` under `[limits]`, \
         `kamailio.cfg` is `bench/kamailio/bench.cfg`, `scenario.xml` one of `bench/scenarios/`. \
         `RATE`, `COUNT` and `HOLD` are those of the table.\n\n{commands}",
        date = output("date", &["-u", "+%F"]),
        machine = machine(),
    )
}

fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("of unknown model", |(_, model)| model);
    let kernel = read("/proc/sys/kernel/osrelease");
    // Major and minor: what comes after them names somebody's build.
    let kernel = kernel.trim().split('.').take(2).collect::<Vec<_>>().join(".");
    format!("{cores} cores ({model}), Linux {kernel}. Servers and load shared them.")
}

fn versions(kinds: &[Kind]) -> Vec<String> {
    let first_line =
        |text: String| text.lines().find(|line| !line.trim().is_empty()).unwrap_or("").trim().to_owned();
    let mut versions = Vec::new();
    if kinds.contains(&Kind::Tandem) {
        let tandem = crate::server::path_of("tandem");
        versions.push(first_line(output(&tandem.to_string_lossy(), &["--version"])));
    }
    versions.push(first_line(output("kamailio", &["-v"])).replace("version: ", ""));
    if kinds.contains(&Kind::KamailioWithMedia) {
        versions.push(first_line(output("rtpengine", &["--version"])).replace("Version: ", "rtpengine "));
    }
    versions.push(first_line(output("sipp", &["-v"])));
    versions
}

/// What a command prints, on either stream.
fn output(program: &str, args: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(args).output() else { return String::new() };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_medians_sums_and_ratios() {
        let mut cost = Row::new("cost", Show::Median { decimals: 1 });
        let mut failed = Row::new("failed", Show::Sum);
        for value in [1.0, 3.0, 2.0] {
            cost.add(Kind::Tandem, value);
            cost.add(Kind::Kamailio, 4.0);
            failed.add(Kind::Tandem, value);
        }
        failed.add(Kind::Kamailio, None);
        let table = table(&[cost, failed], &[Kind::Tandem, Kind::Kamailio]);
        let rows: Vec<Vec<&str>> = table.lines().map(|l| l.split('|').map(str::trim).collect()).collect();
        assert_eq!(rows[2], ["", "cost", "2.0 (1.0–3.0)", "4.0", "0.50", ""]);
        assert_eq!(rows[3], ["", "failed", "6", "–", "", ""]);
    }
}
