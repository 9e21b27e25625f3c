//! A line of the log. For people: when, how grave, what; where in the code it comes from is told with the details only.
//! For collectors: a JSON object with `timestamp`, `level`, `target`, `message` and the fields of the event.

use std::fmt::{self, Debug};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::registry::LookupSpan;

/// Characters of a time down to the millisecond.
const TO_MILLISECONDS: usize = "2026-01-01T00:00:00.000".len();

/// Writes an event as a line.
pub(super) struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let time = time.get(..TO_MILLISECONDS).unwrap_or(&time).replacen('T', " ", 1);
        let level = *event.metadata().level();
        let (name, colour) = match level {
            Level::ERROR => ("ERROR", 31),
            Level::WARN => ("WARN ", 33),
            Level::INFO => ("INFO ", 32),
            Level::DEBUG => ("DEBUG", 34),
            Level::TRACE => ("TRACE", 35),
        };
        match writer.has_ansi_escapes() {
            true => write!(writer, "\u{1b}[2m{time}\u{1b}[0m \u{1b}[{colour}m{name}\u{1b}[0m ")?,
            false => write!(writer, "{time} {name} ")?,
        }
        if level > Level::INFO {
            write!(writer, "{}: ", event.metadata().target())?;
        }
        ctx.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// Writes an event as a JSON object.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut fields = Fields::default();
        fields.0.insert("timestamp".into(), time.into());
        fields.0.insert("level".into(), event.metadata().level().as_str().into());
        fields.0.insert("target".into(), event.metadata().target().into());
        event.record(&mut fields);
        writeln!(writer, "{}", Value::Object(fields.0))
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().into(), format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// What an event is written as.
    fn written(is_json: bool, say: impl FnOnce()) -> String {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let writer = {
            let lines = lines.clone();
            move || Lines(lines.clone())
        };
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer);
        let subscriber = tracing_subscriber::registry();
        match is_json {
            true => tracing::subscriber::with_default(subscriber.with(layer.event_format(Json)), say),
            false => tracing::subscriber::with_default(subscriber.with(layer.event_format(Line)), say),
        }
        String::from_utf8(lines.lock().unwrap().clone()).unwrap()
    }

    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn people_read_a_short_line_and_more_with_the_details() {
        let line = written(false, || tracing::info!(slot = 3, "a block"));
        assert_eq!(&line[TO_MILLISECONDS..], " INFO  a block slot=3\n");
        assert_eq!((&line[4..5], &line[10..11], &line[19..20]), ("-", " ", "."), "{line}");
        let line = written(false, || tracing::debug!("a detail"));
        assert_eq!(&line[TO_MILLISECONDS..], concat!(" DEBUG ", module_path!(), ": a detail\n"));
    }

    #[test]
    fn collectors_read_an_object_a_line() {
        let line = written(
            true,
            || tracing::warn!(slot = 3, name = "a \"b\"\n", bad = true, is = ?Some(1), "said {}", 1),
        );
        let value: Value = serde_json::from_str(line.strip_suffix('\n').unwrap()).unwrap();
        assert!(!line.trim_end().contains('\n'));
        let expected = serde_json::json!({
            "level": "WARN", "target": module_path!(), "message": "said 1", "slot": 3, "name": "a \"b\"\n", "bad": true,
            "is": "Some(1)", "timestamp": value["timestamp"],
        });
        assert_eq!(value, expected);
        assert!(value["timestamp"].as_str().unwrap().ends_with('Z'));
    }
}
