//! Events of long work, for whoever wants to draw them.
//!
//! Libraries tell what they do through [`Progress`]; only the command line draws. A piece of work is a [`Task`]: it
//! starts, advances by bytes and ends when dropped, also on an error.
//!
//! ```
//! use progress::{Silent, Task, Work};
//!
//! let task = Task::start(&Silent, Work::Download, "libc6", Some(2_000));
//! task.advance(1_500);
//! ```

use std::sync::atomic::{AtomicU64, Ordering};

/// Receives what long work tells of itself. Called from many threads; must not block for long.
pub trait Progress: Send + Sync {
    /// Takes one event.
    fn event(&self, event: Event<'_>);
}

/// The kind of a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Work {
    /// Bytes come over the network.
    Download,
    /// A package index is read.
    Index,
    /// Dependencies are solved.
    Resolve,
    /// A package is decompressed.
    Unpack,
    /// A layer is compressed.
    Compress,
    /// An image is written.
    Write,
    /// A test runs.
    Test,
    /// A registry is looked at.
    Survey,
    /// A registry is copied.
    Migrate,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A piece of work began.
    Start {
        /// Names the piece in later events; unique in this process.
        id: u64,
        /// Its kind.
        work: Work,
        /// What is worked on, for people.
        name: &'a str,
        /// How much there is to do, in bytes, where that is known.
        total_bytes: Option<u64>,
    },
    /// So many more bytes of it are done.
    Advance {
        /// Which piece.
        id: u64,
        /// How many bytes more.
        bytes: u64,
    },
    /// It is made of things that count, such as images: so many there are.
    CountTo {
        /// Which piece.
        id: u64,
        /// How many there are.
        total: u64,
    },
    /// So many more of them are done.
    Count {
        /// Which piece.
        id: u64,
        /// How many more.
        done: u64,
    },
    /// One of them failed.
    CountError {
        /// Which piece.
        id: u64,
    },
    /// The piece of work ended, well or not.
    End {
        /// Which piece.
        id: u64,
    },
    /// Something worth telling.
    Note(&'a str),
    /// Something that the user should look at.
    Warning(&'a str),
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: Event<'_>) {}
}

/// A piece of work under way; it ends when this is dropped.
pub struct Task<'p> {
    progress: &'p dyn Progress,
    id: u64,
}

impl<'p> Task<'p> {
    /// Tells that a piece of work begins.
    pub fn start(progress: &'p dyn Progress, work: Work, name: &str, total_bytes: Option<u64>) -> Task<'p> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        progress.event(Event::Start {
            id,
            work,
            name,
            total_bytes,
        });
        Task { progress, id }
    }

    /// Tells that `bytes` more are done.
    pub fn advance(&self, bytes: u64) {
        self.progress.event(Event::Advance { id: self.id, bytes });
    }

    /// Tells that the work is made of `total` things.
    pub fn count_to(&self, total: u64) {
        self.progress.event(Event::CountTo { id: self.id, total });
    }

    /// Tells that `done` more of them are done.
    pub fn count(&self, done: u64) {
        self.progress.event(Event::Count { id: self.id, done });
    }

    /// Tells that one of them failed.
    pub fn count_error(&self) {
        self.progress.event(Event::CountError { id: self.id });
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        self.progress.event(Event::End { id: self.id });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Recording(Mutex<Vec<String>>);

    impl Progress for Recording {
        fn event(&self, event: Event<'_>) {
            let text = match event {
                Event::Start {
                    name, total_bytes, ..
                } => format!("start {name} {total_bytes:?}"),
                Event::Advance { bytes, .. } => format!("advance {bytes}"),
                Event::End { .. } => "end".to_owned(),
                Event::CountTo { total, .. } => format!("count to {total}"),
                Event::Count { done, .. } => format!("count {done}"),
                Event::CountError { .. } => "error".to_owned(),
                Event::Note(text) | Event::Warning(text) => text.to_owned(),
            };
            self.0.lock().unwrap().push(text);
        }
    }

    #[test]
    fn a_task_tells_its_start_its_advance_and_its_end() {
        let recording = Recording::default();
        let task = Task::start(&recording, Work::Unpack, "libc6", Some(10));
        task.advance(4);
        task.count_to(3);
        task.count(2);
        task.count_error();
        drop(task);
        assert_eq!(
            *recording.0.lock().unwrap(),
            [
                "start libc6 Some(10)",
                "advance 4",
                "count to 3",
                "count 2",
                "error",
                "end"
            ]
        );
    }
}
