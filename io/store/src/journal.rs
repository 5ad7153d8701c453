//! The journal of calls: what must not be lost of a call is here at once, and in the database a little later, with others.
//!
//! A file of lines. Each is a note of a call that was answered, `{"open":…}` with what its record is if nothing more is
//! heard of it, or the record of one that is over, `{"over":…}`. A new file takes the place of one that has grown: it begins
//! with the notes of calls that are up, and the old one goes once its records are in the database.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use tandem_model::{CallId, CallRecord};

/// A file of this size is followed by another.
const LARGE: u64 = 4 * 1024 * 1024;

/// The journal, to be written on.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    file: File,
    number: u64,
    len: u64,
    /// The length that calls for a new file.
    large: u64,
    /// Where the notes of calls stand that are up.
    up: HashMap<CallId, (u64, usize)>,
    /// What is to be written next.
    buffer: Vec<u8>,
}

/// What a journal of the past says.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// Records of calls that had ended.
    pub(crate) over: Vec<CallRecord>,
    /// What the records are of calls that were up.
    pub(crate) up: Vec<CallRecord>,
    files: Vec<PathBuf>,
    last: u64,
}

/// A line as it is read.
#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Open(CallRecord),
    Over(CallRecord),
}

impl Past {
    /// Reads what is left in a data folder. A line that was cut off when the server died was acknowledged to nobody.
    pub(crate) fn read(folder: &Path) -> io::Result<Past> {
        let mut past = Past::default();
        let mut numbers: Vec<u64> =
            fs::read_dir(folder)?.filter_map(|entry| number_of(&entry.ok()?.path())).collect();
        numbers.sort_unstable();
        let (mut up, mut over) = (BTreeMap::new(), BTreeMap::new());
        for number in numbers {
            let path = path_of(folder, number);
            for line in BufReader::new(File::open(&path)?).split(b'\n') {
                match serde_json::from_slice(&line?) {
                    Ok(Line::Open(record)) => _ = up.insert(record.id, record),
                    Ok(Line::Over(record)) => _ = over.insert(record.id, record),
                    Err(error) => tracing::warn!(%error, "a line in the journal of calls is cut off"),
                }
            }
            past.files.push(path);
            past.last = number;
        }
        up.retain(|id, _| !over.contains_key(id));
        past.up = up.into_values().collect();
        past.over = over.into_values().collect();
        Ok(past)
    }

    /// All of it is in the database: a new journal begins.
    pub(crate) fn close(self, folder: &Path) -> io::Result<Journal> {
        let number = self.last + 1;
        let file = create(folder, number)?;
        for old in self.files {
            fs::remove_file(old)?;
        }
        Ok(Journal {
            folder: folder.to_owned(),
            file,
            number,
            len: 0,
            large: LARGE,
            up: HashMap::new(),
            buffer: Vec::new(),
        })
    }
}

impl Journal {
    /// Adds the note of a call, in JSON.
    pub(crate) fn open(&mut self, id: CallId, record: &str) {
        let start = self.buffer.len();
        self.line("open", record);
        self.up.insert(id, (self.len + start as u64, self.buffer.len() - start));
    }

    /// Adds the record of a call, in JSON.
    pub(crate) fn over(&mut self, id: CallId, record: &str) {
        self.up.remove(&id);
        self.line("over", record);
    }

    /// Puts on disk what was added. After an error it can be tried again.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        // At its place, so that what an error left half written is written over.
        self.file.write_all_at(&self.buffer, self.len)?;
        self.file.sync_data()?;
        self.len += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Whether it has grown so that another file should follow.
    pub(crate) fn is_large(&self) -> bool {
        self.len >= self.large
    }

    /// Goes on in a new file, which has the notes of the calls that are up. Returns the old one, to be removed when its records
    /// are in the database.
    pub(crate) fn turn(&mut self) -> io::Result<PathBuf> {
        let mut notes = Vec::new();
        let mut up = HashMap::with_capacity(self.up.len());
        for (id, (at, len)) in &self.up {
            let start = notes.len();
            notes.resize(start + len, 0);
            self.file.read_exact_at(&mut notes[start..], *at)?;
            up.insert(*id, (start as u64, *len));
        }
        let file = create(&self.folder, self.number + 1)?;
        file.write_all_at(&notes, 0)?;
        file.sync_data()?;
        let old = path_of(&self.folder, self.number);
        self.number += 1;
        self.len = notes.len() as u64;
        self.large = LARGE + 2 * self.len;
        (self.file, self.up) = (file, up);
        Ok(old)
    }

    fn line(&mut self, what: &str, record: &str) {
        // Writing into memory does not fail.
        let _ = writeln!(self.buffer, "{{\"{what}\":{record}}}");
    }
}

fn create(folder: &Path, number: u64) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path_of(folder, number))?;
    // The name must be as durable as what will be written into the file.
    File::open(folder)?.sync_all()?;
    Ok(file)
}

fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("calls-{number}.journal"))
}

fn number_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix("calls-")?.strip_suffix(".journal")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(n: u64) -> CallRecord {
        let party = json!({ "number": "1", "extension_id": null, "trunk_id": null, "name": null });
        serde_json::from_value(json!({
            "id": CallId::new(n, &[n as u8; 10]), "direction": "transit", "caller": party, "callee": party,
            "started_at": n, "ringing_at": null, "answered_at": null, "ended_at": n, "duration_ms": 0,
            "outcome": "answered", "ended_by": "caller", "cause": { "code": 200, "phrase": "OK" },
            "sip_call_id": "1\n2", "attempts": [],
        }))
        .unwrap()
    }

    fn text(n: u64) -> String {
        serde_json::to_string(&record(n)).unwrap()
    }

    fn ids(records: &[CallRecord]) -> Vec<u64> {
        records.iter().map(|record| record.started_at).collect()
    }

    fn begun(folder: &Path) -> Journal {
        Past::read(folder).unwrap().close(folder).unwrap()
    }

    fn open(journal: &mut Journal, n: u64) {
        journal.open(record(n).id, &text(n));
    }

    fn over(journal: &mut Journal, n: u64) {
        journal.over(record(n).id, &text(n));
    }

    #[test]
    fn calls_that_were_up_and_calls_that_were_over_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = begun(folder.path());
        [1, 2, 3].iter().for_each(|n| open(&mut journal, *n));
        over(&mut journal, 2);
        over(&mut journal, 4);
        journal.sync().unwrap();
        open(&mut journal, 5); // and nothing more: it never was on disk
        drop(journal);
        let past = Past::read(folder.path()).unwrap();
        assert_eq!((ids(&past.up), ids(&past.over)), (vec![1, 3], vec![2, 4]));
        past.close(folder.path()).unwrap();
        let past = Past::read(folder.path()).unwrap();
        assert_eq!((past.up.len(), past.over.len(), past.files.len()), (0, 0, 1));
    }

    #[test]
    fn a_line_that_was_cut_off_takes_nothing_else_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = begun(folder.path());
        open(&mut journal, 1);
        journal.sync().unwrap();
        let whole = journal.len;
        open(&mut journal, 2);
        journal.sync().unwrap();
        for len in whole..journal.len - 2 {
            journal.file.set_len(len).unwrap();
            assert_eq!(ids(&Past::read(folder.path()).unwrap().up), [1]);
        }
    }

    #[test]
    fn a_new_file_has_the_calls_that_are_up_and_only_these() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = begun(folder.path());
        let mut n = 0;
        while !journal.is_large() {
            n += 1;
            open(&mut journal, n);
            if n > 3 {
                over(&mut journal, n);
            }
            journal.sync().unwrap();
        }
        let old = journal.turn().unwrap();
        assert!(!journal.is_large());
        over(&mut journal, 2);
        journal.sync().unwrap();
        // Before the old file is removed all is there, and some of it twice.
        let past = Past::read(folder.path()).unwrap();
        assert_eq!((ids(&past.up), past.over.len() as u64), (vec![1, 3], n - 2));
        fs::remove_file(old).unwrap();
        let past = Past::read(folder.path()).unwrap();
        assert_eq!((ids(&past.up), ids(&past.over)), (vec![1, 3], vec![2]));
        journal.turn().unwrap();
        let up: Vec<usize> = journal.up.values().map(|(_, len)| *len).collect();
        assert_eq!(journal.len, up.iter().sum::<usize>() as u64);
    }
}
