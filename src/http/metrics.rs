//! `/metrics`, in the format that is asked for.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Response};

use super::Context;
use crate::metrics::Format;

/// All metrics.
pub(super) async fn metrics(State(context): State<Context>, headers: HeaderMap) -> Response {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    let format = wanted(accepted);
    let text = context.observer.metrics.encode(format);
    ([(CONTENT_TYPE, format.content_type()), (VARY, "Accept")], text).into_response()
}

/// `OpenMetrics` for who names it and likes nothing else that there is better; text otherwise.
fn wanted<'h>(accepted: impl Iterator<Item = &'h str>) -> Format {
    let (mut open, mut text) = (0.0, 0.0);
    for range in accepted.flat_map(|accept| accept.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
        let (mut quality, mut version) = (1.0_f32, None);
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim().to_ascii_lowercase().as_str() {
                "q" => quality = value.trim().parse().unwrap_or(0.0),
                "version" => version = Some(value.trim().trim_matches('"')),
                _ => {}
            }
        }
        match (&*media_type, version) {
            ("application/openmetrics-text", None | Some("1.0.0" | "0.0.1")) => {
                open = quality.max(open);
            }
            ("text/plain", None | Some("0.0.4")) => text = quality.max(text),
            _ => {}
        }
    }
    if open > 0.0 && open >= text { Format::OpenMetrics } else { Format::Text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_for_those_who_prefer_it() {
        for accept in [
            "application/openmetrics-text",
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;\
             q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;q=0.6,\
             application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,*/*;q=0.2",
            "text/plain;q=0.5, Application/OpenMetrics-Text; version=\"1.0.0\"; charset=utf-8",
        ] {
            assert_eq!(wanted([accept].into_iter()), Format::OpenMetrics, "{accept}");
        }
        for accept in [
            "*/*",
            "",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/plain;version=0.0.4",
            "text/plain, application/openmetrics-text;q=0.5",
            "application/openmetrics-text;version=2.0.0",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=x",
        ] {
            assert_eq!(wanted([accept].into_iter()), Format::Text, "{accept}");
        }
        assert_eq!(wanted(std::iter::empty()), Format::Text);
    }
}
