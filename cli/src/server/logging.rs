//! The server's log: lines on standard error, as text or as JSON.

use std::error::Error;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use registry::{AuditRecord, Log, Record};
use serde_json::{Map, Value, json};

use super::audit_file::{AuditFile, AuditWriter};
use crate::configuration::{LogFormat, LogLevel};
use crate::failure::Failure;
use crate::output;

/// How and how much is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogSettings {
    pub(crate) format: LogFormat,
    pub(crate) level: LogLevel,
    pub(crate) audit: Option<AuditFile>,
}

/// Trouble is always told, the rest as far as it is wanted.
pub(crate) struct ServerLog {
    format: LogFormat,
    level: AtomicU8,
    audit: Option<Mutex<AuditWriter>>,
    now: fn() -> Timestamp,
}

impl ServerLog {
    /// Opens the audit log, if there is to be one.
    ///
    /// # Errors
    /// When it cannot be written to.
    pub(crate) fn open(settings: &LogSettings, now: fn() -> Timestamp) -> Result<ServerLog, Failure> {
        let audit = match &settings.audit {
            None => None,
            Some(file) => Some(Mutex::new(file.open().map_err(|error| file.unusable(error))?)),
        };
        Ok(ServerLog {
            format: settings.format,
            level: AtomicU8::new(settings.level as u8),
            audit,
            now,
        })
    }

    pub(crate) fn set_level(&self, level: LogLevel) {
        self.level.store(level as u8, Ordering::Relaxed);
    }

    fn tells(&self, level: LogLevel) -> bool {
        self.level.load(Ordering::Relaxed) >= level as u8
    }

    /// Something that the operator may want to know.
    pub(crate) fn notice(&self, message: &str) {
        if self.tells(LogLevel::Notices) {
            self.line("notice", message, Map::new());
        }
    }

    /// Something failed that no request was the cause of.
    pub(crate) fn failed(&self, message: &str) {
        self.line("error", message, Map::new());
    }

    fn line(&self, level: &str, message: &str, fields: Map<String, Value>) {
        match self.format {
            LogFormat::Text => output::talk(&text_line(level, message, &fields)),
            LogFormat::Json => {
                let mut line = Map::new();
                line.insert("time".to_owned(), (self.now)().to_string().into());
                line.insert("level".to_owned(), level.into());
                line.insert("message".to_owned(), message.into());
                line.extend(fields);
                output::talk(&Value::Object(line).to_string());
            }
        }
    }
}

/// One line, whatever is in it: names and errors may hold what somebody outside wrote.
fn text_line(level: &str, message: &str, fields: &Map<String, Value>) -> String {
    let mut line = match level {
        "error" => format!("error: {message}"),
        _ => message.to_owned(),
    };
    for (name, value) in fields {
        line.push_str(&format!(" {name}={value}"));
    }
    inspect::visible(&line.replace('\n', "; ")).into_owned()
}

impl Log for ServerLog {
    fn request(&self, record: &Record<'_>) {
        if !self.tells(LogLevel::Requests) {
            return;
        }
        let Record {
            request_id,
            peer,
            client,
            principal,
            method,
            path,
            operation,
            status,
            bytes,
            took,
        } = record;
        let milliseconds = took.as_secs_f64() * 1000.0;
        if self.format == LogFormat::Text {
            let bytes = bytes.map_or("-".to_owned(), |bytes| bytes.to_string());
            let path = inspect::visible(path);
            // With its port where nothing stands between.
            let from = match peer.ip().to_canonical() == client.to_canonical() {
                true => peer.to_string(),
                false => format!("{client} (by {peer})"),
            };
            return output::talk(&format!(
                "{from} {principal} {method} {path} {status} {bytes} B {milliseconds:.1} ms {request_id}"
            ));
        }
        let fields = json!({
            "request_id": request_id,
            "peer": peer.to_string(),
            "client": client.to_string(),
            "principal": principal,
            "method": method,
            "path": path,
            "operation": operation,
            "status": status,
            "bytes": bytes,
            "ms": (milliseconds * 1000.0).round() / 1000.0,
        });
        if let Value::Object(fields) = fields {
            self.line("request", &format!("{method} {path} {status}"), fields);
        }
    }

    fn trouble(&self, request_id: &str, error: &dyn Error) {
        let mut fields = Map::new();
        fields.insert("request_id".to_owned(), request_id.into());
        self.line("error", &with_causes(error), fields);
    }

    fn audit(&self, record: &AuditRecord<'_>) {
        let Some(audit) = &self.audit else {
            return;
        };
        let AuditRecord {
            time,
            request_id,
            principal,
            peer,
            client,
            action,
            resource,
            outcome,
            detail,
        } = record;
        let line = json!({
            "time": time.to_string(),
            "request_id": request_id,
            "principal": principal,
            "peer": peer.map(|peer| peer.to_string()),
            "client": client.map(|client| client.to_string()),
            "action": action,
            "resource": resource,
            "outcome": outcome,
            "detail": detail,
        });
        let written = audit
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(&format!("{line}\n"));
        if let Err(error) = written {
            self.failed(&format!(
                "the audit log cannot be written: {error}; it missed {line}"
            ));
        }
    }
}

/// An error with what caused it, in one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}
