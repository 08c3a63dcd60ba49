//! Recommendations for all users of a corpus, into one file: memory stays flat, and a killed job goes on where it was.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use seminar_dataset::Corpus;
use seminar_dataset::atomic::write_text;
use seminar_models::SequenceModel;
use serde::{Deserialize, Serialize};
use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;

use super::core::Recommender;
use super::format::HitFormat;
use super::logs::CorpusHistories;
use super::request::{Filter, Request};
use crate::error::{Error, Result};

/// Users between two points from which a killed job can go on.
const USERS_PER_STEP: usize = 256;

/// Recommendations for all users of a corpus.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// What is asked for each of them. Filters by a function are not part of what a job is recognised by.
    pub request: &'a Request,
    /// The file's form.
    pub format: HitFormat,
    /// The file to write. `OUT.partial` and `OUT.partial.json` lie beside it until it is whole.
    pub out: &'a Path,
    /// Replace `out` if it exists.
    pub replace: bool,
}

/// What a job has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobReport {
    /// Users whose recommendations were there already.
    pub resumed: usize,
    /// Users in all.
    pub users: usize,
}

/// How far the partial file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// Which job it belongs to.
    job: String,
    users: usize,
    bytes: u64,
}

impl Job<'_> {
    /// Recommends to every user of `corpus`, in their order. `progress` is called with the number of users done.
    ///
    /// # Errors
    /// If `out` exists and is not to be replaced, a partial file belongs to another job, the file system refuses, or a
    /// recommendation fails.
    pub fn run<M: SequenceModel>(
        &self,
        recommender: &Recommender<M>,
        corpus: &Corpus,
        progress: &mut dyn FnMut(usize),
    ) -> Result<JobReport> {
        writable(self.out, self.replace)?;
        // A wrong request fails before anything is written.
        recommender.search(self.request)?;
        let users = recommender.users_of(corpus);
        if !users.is_empty() && users.unknown_items() == corpus.item_count() {
            return Err(recommender.unknown(corpus.item_name(1)));
        }
        let [partial, mark] = ["partial", "partial.json"].map(|ending| beside(self.out, ending));
        let (mut file, mut state) = self.open(&partial, &mark, recommender, corpus)?;
        let resumed = state.users;
        while state.users < users.len() {
            let end = users.len().min(state.users + USERS_PER_STEP);
            let text = self.text(recommender, &users, state.users..end)?;
            let written = file.write_all(text.as_bytes()).and_then(|()| file.flush());
            written.and_then(|()| file.get_ref().sync_data()).map_err(Error::io(&partial, "cannot write"))?;
            state.users = end;
            state.bytes += text.len() as u64;
            write_text(&mark, &json!(state).to_string())?;
            progress(end);
        }
        // A job without users has written nothing yet but its header.
        file.flush()
            .and_then(|()| file.get_ref().sync_data())
            .map_err(Error::io(&partial, "cannot write"))?;
        // The file stays locked until its mark is gone.
        std::fs::rename(&partial, self.out).map_err(Error::io(self.out, "cannot rename into place"))?;
        std::fs::remove_file(&mark).map_err(Error::io(&mark, "cannot remove"))?;
        drop(file);
        Ok(JobReport { resumed, users: users.len() })
    }

    /// The partial file, cut to where it is sure to be whole; or a new one with its header.
    fn open<M: SequenceModel>(
        &self,
        partial: &Path,
        mark: &Path,
        recommender: &Recommender<M>,
        corpus: &Corpus,
    ) -> Result<(BufWriter<File>, Mark)> {
        let job = self.key(recommender, corpus);
        let begun = partial.exists();
        let fail = |doing| Error::io(partial, doing);
        let bad = |path: &Path, message: String| Error::Bundle { path: path.to_path_buf(), message };
        writable(partial, true)?;
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(partial);
        let mut file = opened.map_err(fail("cannot open"))?;
        if file.try_lock().is_err() {
            return Err(bad(
                partial,
                "another job is writing it: wait for its end, or write to another file".into(),
            ));
        }
        let known = match std::fs::read(mark) {
            // The last job was stopped between its last two steps: its file is in place, and the mark is left.
            Ok(_) if !begun => {
                std::fs::remove_file(mark).map_err(Error::io(mark, "cannot remove"))?;
                None
            }
            Ok(bytes) => Some(serde_json::from_slice::<Mark>(&bytes).ok()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::io(mark, "cannot read")(error)),
        };
        let header = self.format.header(self.request.explain > 0);
        let state = match known {
            Some(Some(state)) if state.job == job && state.users <= corpus.user_count() => {
                let length = file.metadata().map_err(fail("cannot read"))?.len();
                if length < state.bytes {
                    let message = format!("has {length} bytes, its mark says {}: remove both", state.bytes);
                    return Err(bad(partial, message));
                }
                state
            }
            Some(_) => {
                let message = "belongs to another job, or is damaged: remove it and the file beside it, or write to another file";
                return Err(bad(mark, message.into()));
            }
            None => {
                // A job that was killed before its first mark has left a part of the header at most.
                let mut text = Vec::new();
                let read = (&mut file).take(header.len() as u64 + 1).read_to_end(&mut text);
                read.map_err(fail("cannot read"))?;
                if !header.as_bytes().starts_with(&text) {
                    return Err(bad(
                        partial,
                        "is no unfinished job: remove it, or write to another file".into(),
                    ));
                }
                file.rewind()
                    .and_then(|()| file.write_all(header.as_bytes()))
                    .map_err(fail("cannot write"))?;
                file.sync_data().map_err(fail("cannot write"))?;
                let state = Mark { job, users: 0, bytes: header.len() as u64 };
                write_text(mark, &json!(state).to_string())?;
                state
            }
        };
        file.set_len(state.bytes).map_err(fail("cannot cut"))?;
        file.seek(SeekFrom::End(0)).map_err(fail("cannot go on with"))?;
        Ok((BufWriter::new(file), state))
    }

    /// What decides the bytes of the file.
    fn key<M: SequenceModel>(&self, recommender: &Recommender<M>, corpus: &Corpus) -> String {
        let request = format!("{:?}", self.request);
        // A filter shows the size of its set only.
        let filtered = match &self.request.filter {
            Filter::Only(set) | Filter::Without(set) => format!("{set:?}"),
            _ => String::new(),
        };
        let names: u64 = (0..corpus.user_count())
            .fold(0, |hash: u64, user| hash.rotate_left(5) ^ xxh3_64(corpus.user_name(user).as_bytes()));
        let parts = json!([
            recommender.hash(),
            corpus.fingerprint(),
            corpus.items_fingerprint(),
            names,
            request,
            filtered,
            self.format
        ]);
        format!("{:016x}", xxh3_64(parts.to_string().as_bytes()))
    }

    fn text<M: SequenceModel>(
        &self,
        recommender: &Recommender<M>,
        users: &CorpusHistories<'_>,
        range: std::ops::Range<usize>,
    ) -> Result<String> {
        let histories: Vec<_> = range.clone().map(|user| users.history(user)).collect();
        let all = recommender.recommend_batch(&histories, self.request)?;
        let lines = range
            .zip(all)
            .map(|(user, hits)| self.format.lines(users.name(user), &hits, self.request.explain > 0));
        lines.collect()
    }
}

/// Whether a file may be written: it is not there, or is a regular file that is to be replaced.
fn writable(path: &Path, replace: bool) -> Result<()> {
    let refuse = |message: &str| Err(Error::Bundle { path: path.to_path_buf(), message: message.into() });
    if path.file_name().is_none() {
        return refuse("names no file");
    }
    match std::fs::symlink_metadata(path) {
        Ok(there) if !there.is_file() => refuse("is there and no regular file: write to another one"),
        Ok(_) if !replace => {
            let source = std::io::ErrorKind::AlreadyExists.into();
            let doing = "is there already; pass the force option to replace it";
            Err(Error::Io { path: path.to_path_buf(), doing, source })
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let made = folder.map_or(Ok(()), std::fs::create_dir_all);
            made.map_err(Error::io(path, "its folder cannot be made"))
        }
        Err(error) => Err(Error::io(path, "cannot be written")(error)),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}
