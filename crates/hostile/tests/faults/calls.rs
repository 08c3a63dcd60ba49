//! `write`, `fsync`, `fdatasync` and `rename`, refused at a chosen call.
//!
//! The linker takes a function of the program before one of the C library: whatever in this process writes through the
//! standard library comes here first.

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// How long a refusal lasts.
#[derive(Clone, Copy, Debug)]
pub enum Lasting {
    /// That call alone, as when a signal or a network comes between.
    Once,
    /// Every call from it on, as when the disk is full or gone.
    FromThenOn,
}

/// A call to refuse, counted from 0 among those below the folder.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    pub call: usize,
    pub lasting: Lasting,
}

struct Watch {
    folder: PathBuf,
    refusal: Option<Refusal>,
    seen: Vec<&'static str>,
}

static WATCH: Mutex<Option<Watch>> = Mutex::new(None);
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Does `work`; returns what came of it and the names of its calls on files below `folder`.
pub fn watched<T>(
    folder: &Path,
    refusal: Option<Refusal>,
    work: impl FnOnce() -> T,
) -> (T, Vec<&'static str>) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = folder.canonicalize().unwrap();
    *WATCH.lock().unwrap() = Some(Watch { folder, refusal, seen: Vec::new() });
    let done = work();
    let watch = WATCH.lock().unwrap().take();
    (done, watch.map(|watch| watch.seen).unwrap_or_default())
}

/// Counts a call and says whether to refuse it.
fn refused(name: &'static str, path: impl FnOnce() -> Option<PathBuf>) -> bool {
    let mut watch = WATCH.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(watch) = watch.as_mut() else { return false };
    if !path().is_some_and(|path| path.starts_with(&watch.folder)) {
        return false;
    }
    let call = watch.seen.len();
    watch.seen.push(name);
    watch.refusal.is_some_and(|refusal| match refusal.lasting {
        Lasting::Once => call == refusal.call,
        Lasting::FromThenOn => call >= refusal.call,
    })
}

fn file_of(descriptor: c_int) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{descriptor}")).ok()
}

fn fail(errno: c_int) -> c_int {
    // SAFETY: the C library's pointer to this thread's error number is always valid.
    unsafe { *libc::__errno_location() = errno };
    -1
}

/// Half of what was asked for reaches the file before the refusal, as when a disk fills up.
#[unsafe(no_mangle)]
unsafe extern "C" fn write(descriptor: c_int, bytes: *const c_void, count: usize) -> isize {
    let refused = refused("write", || file_of(descriptor));
    let count = if refused { count / 2 } else { count };
    // SAFETY: the caller's buffer holds at least so many bytes.
    let written = unsafe { libc::syscall(libc::SYS_write, descriptor, bytes, count) };
    if refused { fail(libc::ENOSPC) as isize } else { written as isize }
}

fn sync(descriptor: c_int, call: libc::c_long) -> c_int {
    if refused("sync", || file_of(descriptor)) {
        return fail(libc::EIO);
    }
    // SAFETY: a descriptor is a number; the kernel checks it.
    unsafe { libc::syscall(call, descriptor) as c_int }
}

#[unsafe(no_mangle)]
extern "C" fn fsync(descriptor: c_int) -> c_int {
    sync(descriptor, libc::SYS_fsync)
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(descriptor: c_int) -> c_int {
    sync(descriptor, libc::SYS_fdatasync)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rename(old: *const c_char, new: *const c_char) -> c_int {
    // SAFETY: the caller's paths end with a zero byte.
    let target = unsafe { CStr::from_ptr(new) };
    if refused("rename", || Some(PathBuf::from(OsStr::from_bytes(target.to_bytes())))) {
        return fail(libc::EIO);
    }
    // SAFETY: passed on as they came.
    unsafe { libc::syscall(libc::SYS_renameat2, libc::AT_FDCWD, old, libc::AT_FDCWD, new, 0) as c_int }
}
