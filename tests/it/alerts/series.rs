//! What a daemon exports, as the series of promtool's unit tests.

use std::fmt::Write;

use crate::support::http;

/// How Prometheus names whom it scrapes.
const SCRAPED: &str = r#"instance="sd:9099",job="etcd-sd""#;

/// All samples of one look at `/metrics`.
#[derive(Clone)]
pub(super) struct Scrape {
    pub(super) text: String,
    samples: Vec<Sample>,
}

#[derive(Clone)]
struct Sample {
    name: String,
    /// As they stand between the braces.
    labels: String,
    value: f64,
    /// What happens to it each minute from the change on, instead of what two looks say.
    then: Option<String>,
}

impl Scrape {
    /// Looks.
    pub(super) async fn of(address: &str) -> Self {
        let text = http::get(address, "/metrics").await.expect("metrics");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.map(Sample::parse).collect();
        Self { text, samples }
    }

    /// The sum over all series of that name with this text among their labels, if there is one.
    pub(super) fn value(&self, name: &str, label: &str) -> Option<f64> {
        let of = |sample: &&Sample| sample.name == name && sample.labels.contains(label);
        let values: Vec<f64> = self.samples.iter().filter(of).map(|sample| sample.value).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name, "").is_some()
    }

    /// The same, but that these series go on as `then` says, in promtool's notation.
    pub(super) fn but(&self, name: &str, label: &str, then: &str) -> Self {
        let mut scrape = self.clone();
        let of = |sample: &&mut Sample| sample.name == name && sample.labels.contains(label);
        let mut changed = 0;
        for sample in scrape.samples.iter_mut().filter(of) {
            sample.then = Some(then.to_owned());
            changed += 1;
        }
        assert!(changed > 0, "no {name} with {label} is exported");
        scrape
    }

    /// As long as all is well, 20 minutes of `self`, and then, if `during` is given, what that
    /// was: gauges stay, and what is counted goes on as it went between the two looks. Without
    /// it, nobody answers any more.
    pub(super) fn series(&self, during: Option<&Self>) -> String {
        let up = if during.is_some() { "1x60" } else { "1x20 0x40" };
        let mut series = format!("      - {{series: 'up{{{SCRAPED}}}', values: '{up}'}}\n");
        for before in &self.samples {
            let Sample { name, labels, value, .. } = before;
            let comma = if labels.is_empty() { "" } else { "," };
            let after = during.map(|during| {
                let same = |after: &&Sample| after.name == *name && after.labels == *labels;
                during.samples.iter().find(same).unwrap_or_else(|| panic!("{name} has gone"))
            });
            let then = after.map_or("_x40".to_owned(), |after| after.then(*value));
            let _ = writeln!(
                series,
                "      - {{series: '{name}{{{SCRAPED}{comma}{labels}}}', values: '{value}x19 {then}'}}"
            );
        }
        let new = during.into_iter().flat_map(|during| &during.samples);
        for Sample { name, labels, value, .. } in new.filter(|new| {
            !self.samples.iter().any(|old| old.name == new.name && old.labels == new.labels)
        }) {
            let _ = writeln!(
                series,
                "      - {{series: '{name}{{{SCRAPED},{labels}}}', values: '_x19 {value}x40'}}"
            );
        }
        series
    }
}

impl Sample {
    fn parse(line: &str) -> Self {
        let (series, value) = line.rsplit_once(' ').expect("a sample");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.trim_end_matches('}').to_owned();
        let value = value.parse().expect("a number");
        Self { name: name.to_owned(), labels, value, then: None }
    }

    /// The 40 minutes after it was `before`.
    fn then(&self, before: f64) -> String {
        let counted = ["_total", "_bucket", "_count", "_sum"];
        match &self.then {
            Some(then) => then.clone(),
            None if counted.iter().any(|ending| self.name.ends_with(ending)) => {
                format!("{}+{}x40", self.value, self.value - before)
            }
            None => format!("{}x40", self.value),
        }
    }
}
