//! What the daemon warns of, as a part of the story.

use std::fmt::Debug;
use std::sync::mpsc::{self, Receiver, Sender};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::console::FAINT;

/// The daemon's warnings and errors from now on, each in one line or more.
pub(crate) fn collect() -> Receiver<Vec<String>> {
    let (sender, receiver) = mpsc::channel();
    let ours = Targets::new().with_target("etcd_sd", Level::WARN);
    tracing_subscriber::registry().with(Warnings(sender).with_filter(ours)).init();
    receiver
}

struct Warnings(Sender<Vec<String>>);

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let lines = std::iter::once(text.message).chain(text.fields).collect();
        // With the receiver the show is over.
        let _ = self.0.send(lines);
    }
}

#[derive(Default)]
struct Text {
    message: String,
    fields: Vec<String>,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match (field.name(), format!("{value:?}")) {
            ("message", text) => self.message = text,
            // A count of nothing.
            (_, text) if text == "0" => {}
            (name, text) => self.fields.push(format!("{FAINT}{name}:{FAINT:#} {text}")),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}
