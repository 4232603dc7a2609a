//! Prometheus' text format 0.0.4, from `OpenMetrics`: for who does not ask for the latter.
//!
//! The two differ, in what is used here, in how counters and information are named: the type
//! is said of the name with its ending, as it stands before the samples.

/// The same metrics in the other format.
pub(super) fn from_open_metrics(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    // Of the newest metric: its help, which comes after its type may be known or before.
    let mut help = None;
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(text)) => help = Some((name, text)),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let (ending, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    other => ("", other),
                };
                if let Some((_, help)) = help.take_if(|(of, _)| *of == name) {
                    out.extend(["# HELP ", name, ending, " ", help, "\n"]);
                }
                out.extend(["# TYPE ", name, ending, " ", kind, "\n"]);
            }
            (Some("#"), ..) => {}
            _ => out.extend([line, "\n"]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_information_are_typed_by_their_whole_name() {
        let open = "# HELP a_lists Complete lists.\n# TYPE a_lists counter\na_lists_total{x=\"# HELP\"} 3\n\
                    # HELP a_seconds Time.\n# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds 1.5\n\
                    # HELP a_build Build.\n# TYPE a_build info\na_build_info{v=\"1\"} 1\n# EOF\n";
        let text = "# HELP a_lists_total Complete lists.\n# TYPE a_lists_total counter\na_lists_total{x=\"# HELP\"} 3\n\
                    # HELP a_seconds Time.\n# TYPE a_seconds gauge\na_seconds 1.5\n\
                    # HELP a_build_info Build.\n# TYPE a_build_info gauge\na_build_info{v=\"1\"} 1\n";
        assert_eq!(from_open_metrics(open), text);
    }
}
