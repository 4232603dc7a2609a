//! The daemon's log, as a program reads it: `--log-format json`.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::{Map, Value};

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) level: String,
    pub(crate) message: String,
    pub(crate) fields: Map<String, Value>,
}

impl Line {
    /// A line that is no JSON object of tracing-subscriber's kind is a message
    /// without a level: a usage error, or a panic.
    fn parse(text: &str) -> Self {
        let parsed: Option<Self> = serde_json::from_str(text).ok().and_then(|json: Value| {
            let mut fields = json.get("fields")?.as_object()?.clone();
            Some(Self {
                level: json.get("level")?.as_str()?.to_owned(),
                message: fields.remove("message")?.as_str()?.to_owned(),
                fields,
            })
        });
        parsed.unwrap_or_else(|| Self {
            level: String::new(),
            message: text.to_owned(),
            fields: Map::new(),
        })
    }

    /// Whether a line is an object of that kind.
    pub(crate) fn is_json(text: &str) -> bool {
        !Self::parse(text).level.is_empty()
    }

    /// A field that is a number.
    pub(crate) fn number(&self, name: &str) -> i64 {
        self.fields
            .get(name)
            .and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok()))
            .unwrap_or_else(|| panic!("no number {name} in {self:?}"))
    }

    /// A field as text.
    pub(crate) fn text(&self, name: &str) -> String {
        match self.fields.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => panic!("no {name} in {self:?}"),
        }
    }
}

/// All lines so far, raw and parsed, collected by a thread of their own.
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<(String, Line)>>>,
    collector: JoinHandle<()>,
}

impl Log {
    /// Collects from a child's pipe until the child closes it.
    pub(crate) fn collect(pipe: impl Read + Send + 'static) -> Self {
        let lines = Arc::<Mutex<Vec<_>>>::default();
        let collected = Arc::clone(&lines);
        let collector = std::thread::spawn(move || {
            for text in BufReader::new(pipe).lines().map_while(Result::ok) {
                let line = Line::parse(&text);
                collected.lock().unwrap().push((text, line));
            }
        });
        Self { lines, collector }
    }

    /// The child has closed its end and everything is collected.
    pub(crate) fn is_complete(&self) -> bool {
        self.collector.is_finished()
    }

    /// The lines with this message, in order.
    pub(crate) fn with_message(&self, message: &str) -> Vec<Line> {
        let lines = self.lines.lock().unwrap();
        let with_message = lines.iter().filter(|(_, line)| line.message == message);
        with_message.map(|(_, line)| line.clone()).collect()
    }

    /// The lines with such a field, in order.
    pub(crate) fn with_field(&self, name: &str) -> Vec<Line> {
        let lines = self.lines.lock().unwrap();
        let with_field = lines.iter().filter(|(_, line)| line.fields.contains_key(name));
        with_field.map(|(_, line)| line.clone()).collect()
    }

    /// The lines of a level with all of these words, whatever their case, as they were
    /// written.
    pub(crate) fn with_words(&self, level: &str, words: &[&str]) -> Vec<String> {
        let words: Vec<_> = words.iter().map(|word| word.to_lowercase()).collect();
        let lines = self.lines.lock().unwrap();
        let of_level = lines.iter().filter(|(_, line)| line.level == level);
        let raw = of_level.map(|(raw, _)| (raw, raw.to_lowercase()));
        let found = raw.filter(|(_, lower)| words.iter().all(|word| lower.contains(word)));
        found.map(|(raw, _)| raw.clone()).collect()
    }

    /// How many lines there are.
    pub(crate) fn length(&self) -> usize {
        self.lines.lock().unwrap().len()
    }

    /// Everything as it was written.
    pub(crate) fn raw(&self) -> String {
        self.raw_after(0)
    }

    /// Everything after so many lines, as it was written.
    pub(crate) fn raw_after(&self, length: usize) -> String {
        let lines = self.lines.lock().unwrap();
        lines.iter().skip(length).flat_map(|(raw, _)| [raw, "\n"]).collect()
    }
}
