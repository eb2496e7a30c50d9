//! Values as Google's JSON writes them.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::strtime;
use serde_json::Value;

use super::status::Invalid;
use crate::refusal::Refusal;

/// A time; always with as many digits, so that times in order are texts in order.
pub(crate) fn time(time: Timestamp) -> String {
    strtime::format("%Y-%m-%dT%H:%M:%S%.6fZ", time).unwrap_or_else(|_| time.to_string())
}

/// A text of a body, of at most `bytes_max` bytes; the empty one when it is not there.
pub(crate) fn text<'d>(document: &'d Value, field: &str, bytes_max: usize) -> Result<&'d str, Refusal> {
    let text = match document.get(field) {
        None | Some(Value::Null) => "",
        Some(value) => value
            .as_str()
            .ok_or_else(|| Invalid::new(field, "it is no string"))?,
    };
    if text.len() > bytes_max {
        return Err(Invalid::new(field, format!("it has more than {bytes_max} bytes")).into());
    }
    Ok(text)
}

/// A boolean of a body; false when it is not there.
pub(crate) fn flag(document: &Value, field: &str) -> Result<bool, Refusal> {
    match document.get(field) {
        None | Some(Value::Null) => Ok(false),
        Some(value) => value
            .as_bool()
            .ok_or_else(|| Invalid::new(field, "it is neither true nor false").into()),
    }
}

/// Texts of a body, at most `count_max`; none when they are not there.
pub(crate) fn texts(document: &Value, field: &str, count_max: usize) -> Result<Vec<String>, Refusal> {
    let bad = || {
        Refusal::from(Invalid::new(
            field,
            format!("it is no list of at most {count_max} strings"),
        ))
    };
    let list = match document.get(field) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(value) => value.as_array().ok_or_else(bad)?,
    };
    if list.len() > count_max {
        return Err(bad());
    }
    list.iter()
        .map(|value| value.as_str().map(str::to_owned).ok_or_else(bad))
        .collect()
}

/// A value of an enumeration as its number: clients send numbers or words. Zero when it is not there.
///
/// # Errors
/// When it is neither; also when it is a word that Google knows and this server does not.
pub(crate) fn choice(document: &Value, field: &str, words: &[&str]) -> Result<usize, Refusal> {
    let value = match document.get(field) {
        None | Some(Value::Null) => return Ok(0),
        Some(value) => value,
    };
    let number = match (value.as_u64(), value.as_str()) {
        (Some(number), _) => usize::try_from(number)
            .ok()
            .filter(|number| *number < words.len()),
        (_, Some(word)) => words.iter().position(|known| word.eq_ignore_ascii_case(known)),
        _ => None,
    };
    number.ok_or_else(|| {
        let known = words.get(1..).unwrap_or_default().join(", ");
        Invalid::new(field, format!("{value} is not supported here; what is: {known}")).into()
    })
}

/// A number of a body, which may be a string of digits; none when it is not there.
pub(crate) fn number(document: &Value, field: &str) -> Result<Option<u64>, Refusal> {
    let value = match document.get(field) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let text = value.as_str().and_then(|text| text.parse().ok());
    match value.as_u64().or(text) {
        Some(number) => Ok(Some(number)),
        None => Err(Invalid::new(field, "it is no number").into()),
    }
}

/// Seconds with an `s`, as `2592000s`; clients also write fractions.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

pub(crate) fn duration_text(duration: Duration) -> String {
    match duration.subsec_nanos() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}s", duration.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_in_order_are_texts_in_order() {
        let of = |text: &str| time(text.parse().unwrap());
        assert_eq!(of("2026-11-26T03:00:00Z"), "2026-11-26T03:00:00.000000Z");
        assert!(of("2026-11-26T03:00:00Z") < of("2026-11-26T03:00:00.5Z"));
    }

    #[test]
    fn durations_are_seconds() {
        for (text, seconds) in [
            ("2592000s", 2_592_000.0),
            ("2592000.0s", 2_592_000.0),
            ("0.5s", 0.5),
        ] {
            assert_eq!(duration(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        }
        assert_eq!(duration_text(Duration::from_secs(60)), "60s");
        for text in ["60", "1h", "-1s", "NaNs", "infs", "1e300s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn values_of_bodies_have_their_types_and_limits() {
        let document = json!({"a": "xy", "b": true, "n": "7", "l": ["x"], "z": null});
        assert_eq!(text(&document, "a", 2).unwrap(), "xy");
        assert!(text(&document, "a", 1).is_err() && text(&document, "b", 9).is_err());
        assert!(flag(&document, "b").unwrap() && !flag(&document, "z").unwrap());
        assert!(flag(&document, "a").is_err());
        assert_eq!(number(&document, "n").unwrap(), Some(7));
        assert!(number(&document, "a").is_err());
        assert_eq!(texts(&document, "l", 1).unwrap(), ["x"]);
        let choice = |value: Value| choice(&json!({"c": value}), "c", &["UNSPECIFIED", "ONE", "TWO"]).ok();
        assert_eq!(
            [
                json!(2),
                json!("ONE"),
                json!("two"),
                Value::Null,
                json!(3),
                json!("three"),
                json!(-1)
            ]
            .map(choice),
            [Some(2), Some(1), Some(2), Some(0), None, None, None]
        );
        assert!(texts(&document, "l", 0).is_err() && texts(&document, "a", 1).is_err());
    }
}
