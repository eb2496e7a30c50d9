//! Draws the progress that the libraries tell of: bars on a terminal, lines elsewhere.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use progress::{Event, Progress, Work};

use crate::output;
use crate::settings::{Drawing, Settings};

/// Work that ends sooner than this is not worth a bar: it would only flicker.
const DRAW_AFTER: Duration = Duration::from_millis(250);

/// Without a terminal, one piece of work says again how far it is when this much time has passed.
const LINE_EVERY: Duration = Duration::from_secs(10);

const REFRESH_HZ: u8 = 10;

/// The progress of one command.
pub(crate) struct ProgressDisplay {
    drawing: Drawing,
    quiet: bool,
    bars: MultiProgress,
    running: Mutex<BTreeMap<u64, Running>>,
}

struct Running {
    work: Work,
    name: String,
    total_bytes: Option<u64>,
    done_bytes: u64,
    things: Things,
    started: Instant,
    said: Instant,
    bar: Option<ProgressBar>,
}

/// What counts beside bytes, such as images.
#[derive(Default)]
struct Things {
    done: u64,
    total: Option<u64>,
    failed: u64,
}

impl ProgressDisplay {
    pub(crate) fn new(settings: &Settings) -> ProgressDisplay {
        let bars = MultiProgress::with_draw_target(match settings.progress {
            Drawing::Bars => ProgressDrawTarget::stderr_with_hz(REFRESH_HZ),
            Drawing::Lines | Drawing::Nothing => ProgressDrawTarget::hidden(),
        });
        ProgressDisplay {
            drawing: settings.progress,
            quiet: settings.quiet,
            bars,
            running: Mutex::new(BTreeMap::new()),
        }
    }

    fn say(&self, line: &str) {
        if !self.quiet {
            // Between the bars, not through them.
            self.bars.suspend(|| output::talk(line));
        }
    }

    fn advance(&self, id: u64, change: impl FnOnce(&mut Running)) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(task) = running.get_mut(&id) else { return };
        change(task);
        match self.drawing {
            Drawing::Bars => {
                if task.bar.is_none() && task.started.elapsed() >= DRAW_AFTER {
                    task.bar = Some(self.bars.add(bar_of(task)));
                }
                if let Some(bar) = &task.bar {
                    bar.set_position(task.done_bytes);
                    if task.things.total.is_some() {
                        bar.set_message(title_of(task));
                    }
                }
            }
            Drawing::Lines if task.said.elapsed() >= LINE_EVERY => {
                task.said = Instant::now();
                self.say(&line_of(task));
            }
            Drawing::Lines | Drawing::Nothing => {}
        }
    }

    fn end(&self, id: u64) {
        let ended = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
        let Some(task) = ended else { return };
        if let Some(bar) = task.bar {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
        // What was fetched is worth a line where no bar showed it; the rest only when it took long enough to wonder.
        let notable = task.work == Work::Download || task.started.elapsed() >= LINE_EVERY;
        // A task ends when it fails, too, and nothing came then.
        let failed = task.done_bytes == 0 && task.total_bytes.is_some_and(|total| total > 0);
        if self.drawing == Drawing::Lines && notable && !(task.work == Work::Download && failed) {
            let bytes = task.total_bytes.unwrap_or(task.done_bytes);
            self.say(&format!(
                "{} {} ({})",
                past(task.work),
                task.name,
                output::bytes(bytes)
            ));
        }
    }
}

impl Progress for ProgressDisplay {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Start {
                id,
                work,
                name,
                total_bytes,
            } => {
                let now = Instant::now();
                let name = name.to_owned();
                let task = Running {
                    work,
                    name,
                    total_bytes,
                    done_bytes: 0,
                    things: Things::default(),
                    started: now,
                    said: now,
                    bar: None,
                };
                self.running
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(id, task);
            }
            Event::Advance { id, bytes } => self.advance(id, |task| {
                task.done_bytes = task.done_bytes.saturating_add(bytes);
            }),
            Event::CountTo { id, total } => self.advance(id, |task| task.things.total = Some(total)),
            Event::Count { id, done } => self.advance(id, |task| {
                task.things.done = task.things.done.saturating_add(done);
            }),
            Event::CountError { id } => self.advance(id, |task| {
                task.things.failed = task.things.failed.saturating_add(1);
            }),
            Event::End { id } => self.end(id),
            Event::Note(text) => self.say(text),
            Event::Warning(text) => self.say(&format!("warning: {text}")),
        }
    }
}

fn bar_of(task: &Running) -> ProgressBar {
    let template = match task.total_bytes {
        Some(_) if task.work == Work::Migrate => {
            "{msg} {bar:20} {bytes:>10}/{total_bytes:<10} {bytes_per_sec:>12} {eta:>5} left"
        }
        Some(_) => "{msg:34!} {bar:20} {bytes:>10}/{total_bytes:<10} {bytes_per_sec:>12}",
        None => "{msg:34!} {spinner} {bytes:>10} {bytes_per_sec:>12}",
    };
    // The templates are constants; the plain style stands in should indicatif ever stop reading one.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = match task.total_bytes {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::no_length(),
    };
    bar.with_style(style).with_message(title_of(task))
}

/// What is done, and how far things are that count.
fn title_of(task: &Running) -> String {
    let mut title = format!("{} {}", present(task.work), task.name);
    if let Some(counted) = counted(&task.things) {
        title.push_str(": ");
        title.push_str(&counted);
    }
    title
}

fn counted(things: &Things) -> Option<String> {
    let Things { done, failed, .. } = things;
    let mut text = match things.total {
        Some(total) => format!("{done} of {total} images"),
        None => return None,
    };
    if *failed > 0 {
        text.push_str(&format!(", {failed} errors"));
    }
    Some(text)
}

/// How long the rest takes when it goes on as until now: by its bytes, or by what counts when no bytes are left.
fn time_left(task: &Running, elapsed: Duration) -> Option<Duration> {
    let part = |done: u64, total: u64| {
        let left = total.saturating_sub(done) as f64;
        (done > 0 && left > 0.0).then(|| elapsed.mul_f64((left / done as f64).min(1e6)))
    };
    let by_bytes = part(task.done_bytes, task.total_bytes?);
    by_bytes.or_else(|| part(task.things.done, task.things.total?))
}

fn line_of_migration(task: &Running, elapsed: Duration) -> String {
    let mut line = format!("{}: {}", title_of(task), output::bytes(task.done_bytes));
    if let Some(total) = task.total_bytes {
        line.push_str(&format!(" of {}", output::bytes(total)));
    }
    let rate = task.done_bytes as f64 / elapsed.as_secs_f64().max(0.001);
    line.push_str(&format!(", {}/s", output::bytes(rate as u64)));
    if let Some(left) = time_left(task, elapsed) {
        line.push_str(&format!(", about {} s left", left.as_secs().max(1)));
    }
    line
}

fn line_of(task: &Running) -> String {
    if task.things.total.is_some() {
        return line_of_migration(task, task.started.elapsed());
    }
    let (work, name, done) = (present(task.work), &task.name, output::bytes(task.done_bytes));
    match task.total_bytes {
        Some(total) => format!("{work} {name}: {done} of {}", output::bytes(total)),
        None => format!("{work} {name}: {done}"),
    }
}

fn present(work: Work) -> &'static str {
    match work {
        Work::Download => "fetching",
        Work::Index => "reading",
        Work::Resolve => "resolving",
        Work::Unpack => "unpacking",
        Work::Compress => "compressing",
        Work::Write => "writing",
        Work::Test => "testing",
        Work::Survey => "looking at",
        Work::Migrate => "copying to",
    }
}

fn past(work: Work) -> &'static str {
    match work {
        Work::Download => "fetched",
        Work::Index => "read",
        Work::Resolve => "resolved",
        Work::Unpack => "unpacked",
        Work::Compress => "compressed",
        Work::Write => "wrote",
        Work::Test => "tested",
        Work::Survey => "looked at",
        Work::Migrate => "copied to",
    }
}
