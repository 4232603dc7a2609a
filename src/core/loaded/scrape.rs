//! Prometheus' own metrics, as far as they tell what it has discovered.

/// What Prometheus says of what it reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The files that it has read, and of when their version is that it has, in seconds since
    /// 1970.
    pub files: Vec<(String, u64)>,
    /// How often it could not read one.
    pub read_errors: u64,
    /// How often discovery by HTTP failed.
    pub http_failures: u64,
    /// How many targets it has discovered, by its jobs.
    pub discovered: Vec<usize>,
    /// It has read no configuration yet: before that it recovers its own data, for minutes if that
    /// is much, and answers meanwhile.
    pub is_starting: bool,
}

impl Seen {
    /// Reads them off Prometheus' text format; what it does not know is passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut seen = Self::default();
        for line in text.lines().filter(|line| line.starts_with("prometheus_")) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "counters and times are whole numbers from 0 on, and a cast saturates"
            )]
            let value = value as u64;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            match name {
                "prometheus_sd_file_mtime_seconds" => {
                    seen.files.extend(label(labels, "filename").map(|path| (path, value)));
                }
                "prometheus_sd_file_read_errors_total" => {
                    seen.read_errors = seen.read_errors.saturating_add(value);
                }
                "prometheus_sd_http_failures_total" => {
                    seen.http_failures = seen.http_failures.saturating_add(value);
                }
                "prometheus_sd_discovered_targets" => {
                    seen.discovered.push(usize::try_from(value).unwrap_or(usize::MAX));
                }
                "prometheus_config_last_reload_success_timestamp_seconds" => {
                    seen.is_starting = value == 0;
                }
                _ => {}
            }
        }
        seen
    }

    /// The file of this path, or else one of the same name that is as old, or else any of that
    /// name: Prometheus may see it elsewhere.
    pub(super) fn file(&self, path: &str, modified: u64) -> Option<(&str, u64)> {
        let files = || self.files.iter().map(|(path, of)| (&**path, *of));
        let name = |path: &str| path.rsplit('/').next().map(str::to_owned);
        let of_name = || files().filter(|(other, _)| name(other) == name(path));
        let same = files().find(|(other, _)| *other == path);
        same.or_else(|| of_name().find(|&(_, of)| of == modified)).or_else(|| of_name().next())
    }
}

/// The value of a label, without its escapes.
fn label(labels: &str, name: &str) -> Option<String> {
    let mut rest = labels;
    loop {
        let (found, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => match chars.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, c) => value.push(c),
            }
        };
        if found.trim_start_matches([',', ' ']) == name {
            return Some(value);
        }
        rest = &after[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prometheus_says_is_read_whatever_stands_between() {
        let text = "# HELP prometheus_sd_file_mtime_seconds x\n\
                    prometheus_sd_file_mtime_seconds{filename=\"/a/t.json\"} 1.700000001e+09\n\
                    prometheus_sd_file_mtime_seconds{x=\"\\\"y\",filename=\"/b \\\\\\\"/t.json\"} 7\n\
                    prometheus_sd_file_read_errors_total 3\n\
                    prometheus_sd_http_failures_total{config=\"a\"} 1\n\
                    prometheus_sd_http_failures_total{config=\"b\"} 2\n\
                    prometheus_sd_discovered_targets{config=\"a\",name=\"scrape\"} 12\n\
                    prometheus_sd_updates_total broken\nup 1\n";
        let files = vec![("/a/t.json".into(), 1_700_000_001), ("/b \\\"/t.json".into(), 7)];
        let discovered = vec![12];
        let expected =
            Seen { files, read_errors: 3, http_failures: 3, discovered, is_starting: false };
        assert_eq!(Seen::parse(text), expected);
        assert_eq!(expected.file("/a/t.json", 9), Some(("/a/t.json", 1_700_000_001)));
        assert_eq!(expected.file("/here/t.json", 7), Some(("/b \\\"/t.json", 7)));
        assert_eq!(expected.file("/here/t.json", 8), Some(("/a/t.json", 1_700_000_001)));
        assert_eq!(expected.file("/here/u.json", 8), None);
    }

    #[test]
    fn a_prometheus_that_has_read_no_configuration_yet_is_starting() {
        let name = "prometheus_config_last_reload_success_timestamp_seconds";
        assert!(Seen::parse(&format!("{name} 0\n")).is_starting);
        assert!(!Seen::parse(&format!("{name} 1.7e+09\n")).is_starting);
    }

    #[test]
    fn numbers_that_no_prometheus_says_are_taken_as_well_as_can_be() {
        let text = "prometheus_sd_file_read_errors_total 1e30\n\
                    prometheus_sd_file_read_errors_total 1e30\n\
                    prometheus_sd_http_failures_total{config=\"a\"} +Inf\n\
                    prometheus_sd_http_failures_total{config=\"b\"} NaN\n\
                    prometheus_sd_file_mtime_seconds{filename=\"t\"} -5\n\
                    prometheus_sd_discovered_targets 1e30\n";
        let seen = Seen::parse(text);
        assert_eq!((seen.read_errors, seen.http_failures), (u64::MAX, u64::MAX));
        assert_eq!(seen.files, [("t".to_owned(), 0)]);
    }
}
