//! Prometheus' own metrics, as far as they tell what it has discovered.

use std::collections::HashMap;

use super::Version;

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
    /// Reads them off Prometheus' text format; what it does not know is passed over. `None` if they
    /// are another program's.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut seen = Self::default();
        let mut is_prometheus = false;
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
                "prometheus_build_info" => is_prometheus = true,
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
        is_prometheus.then_some(seen)
    }

    /// The first of these files of which it has another version, or none, and where it reads what
    /// it has instead, and of when that is.
    pub(super) fn not_loaded<'s>(
        &'s self,
        versions: &'s [Version],
    ) -> Option<(&'s Version, Option<(&'s str, u64)>)> {
        let files = self.by_name();
        let mut found = versions.iter().map(|version| (version, files.find(version)));
        found.find(|(version, found)| !found.is_some_and(|(_, of)| version.is_of(of)))
    }

    pub(super) fn by_name(&self) -> ByName<'_> {
        let mut files = HashMap::<_, Vec<_>>::new();
        for (path, of) in &self.files {
            files.entry(name(path)).or_default().push((&**path, *of));
        }
        ByName(files)
    }
}

/// The files that Prometheus has read, and of when they are, by the last part of their paths.
pub(super) struct ByName<'s>(HashMap<&'s str, Vec<(&'s str, u64)>>);

impl<'s> ByName<'s> {
    /// The file of the same path, or else one of the same name that is as old, or else any of that
    /// name: Prometheus may see it elsewhere.
    pub(super) fn find(&self, version: &Version) -> Option<(&'s str, u64)> {
        let files = self.0.get(name(&version.path))?;
        let same = files.iter().find(|(path, _)| *path == version.path);
        let as_old = || files.iter().find(|&&(_, of)| version.is_of(of));
        same.or_else(as_old).or_else(|| files.first()).copied()
    }
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
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
                    prometheus_sd_updates_total broken\nup 1\n\
                    prometheus_build_info{version=\"3.5.0\"} 1\n";
        let files = vec![("/a/t.json".into(), 1_700_000_001), ("/b \\\"/t.json".into(), 7)];
        let discovered = vec![12];
        let expected =
            Seen { files, read_errors: 3, http_failures: 3, discovered, is_starting: false };
        assert_eq!(Seen::parse(text).as_ref(), Some(&expected));
        let find = |path: &str, modified| {
            let version = Version { path: path.into(), since: modified, until: modified };
            expected.by_name().find(&version)
        };
        assert_eq!(find("/a/t.json", 9), Some(("/a/t.json", 1_700_000_001)));
        assert_eq!(find("/here/t.json", 7), Some(("/b \\\"/t.json", 7)));
        assert_eq!(find("/here/t.json", 8), Some(("/a/t.json", 1_700_000_001)));
        assert_eq!(find("/here/u.json", 8), None);
    }

    #[test]
    fn metrics_of_another_program_are_none_of_prometheus() {
        let text =
            "vm_app_version{version=\"vmagent\"} 1\nprometheus_sd_file_read_errors_total 0\n";
        assert_eq!(Seen::parse(text), None);
        assert_eq!(Seen::parse(""), None);
    }

    #[test]
    fn a_prometheus_that_has_read_no_configuration_yet_is_starting() {
        let name = "prometheus_config_last_reload_success_timestamp_seconds";
        for (value, is_starting) in [("0", true), ("1.7e+09", false)] {
            let seen = Seen::parse(&format!("prometheus_build_info 1\n{name} {value}\n"));
            assert_eq!(seen.map(|seen| seen.is_starting), Some(is_starting), "{value}");
        }
    }

    #[test]
    fn numbers_that_no_prometheus_says_are_taken_as_well_as_can_be() {
        let text = "prometheus_sd_file_read_errors_total 1e30\n\
                    prometheus_sd_file_read_errors_total 1e30\n\
                    prometheus_sd_http_failures_total{config=\"a\"} +Inf\n\
                    prometheus_sd_http_failures_total{config=\"b\"} NaN\n\
                    prometheus_sd_file_mtime_seconds{filename=\"t\"} -5\n\
                    prometheus_sd_discovered_targets 1e30\nprometheus_build_info 1\n";
        let seen = Seen::parse(text).unwrap();
        assert_eq!((seen.read_errors, seen.http_failures), (u64::MAX, u64::MAX));
        assert_eq!(seen.files, [("t".to_owned(), 0)]);
    }
}
