//! The status page: files that are part of the program. They name no other origin, and are read
//! as they stand.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Context;
use super::answer::text;

/// Name, type and text of each file.
const FILES: [(&str, &str, &str); 8] = [
    ("api.js", JAVASCRIPT, include_str!("page/api.js")),
    ("app.js", JAVASCRIPT, include_str!("page/app.js")),
    ("chain.js", JAVASCRIPT, include_str!("page/chain.js")),
    ("changes.js", JAVASCRIPT, include_str!("page/changes.js")),
    ("dom.js", JAVASCRIPT, include_str!("page/dom.js")),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("lists.js", JAVASCRIPT, include_str!("page/lists.js")),
    ("style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
];

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// `/` and what it needs.
pub(super) fn routes() -> Router<Context> {
    Router::new().route("/", get(index)).route("/static/{name}", get(file))
}

async fn index() -> Response {
    answer("text/html; charset=utf-8", include_str!("page/index.html"))
}

async fn file(Path(name): Path<String>) -> Response {
    let found = FILES.iter().find(|(known, ..)| *known == name);
    found.map_or_else(
        || text(StatusCode::NOT_FOUND, "nothing is here; the page is at /"),
        |&(_, kind, text)| answer(kind, text),
    )
}

fn answer(kind: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_no_other_origin_and_reads_no_text_as_html() {
        let index = ("index.html", "", include_str!("page/index.html"));
        for (name, _, text) in FILES.into_iter().chain([index]) {
            for word in [
                "http://",
                "https://",
                "//cdn",
                "innerHTML",
                "outerHTML",
                "insertAdjacent",
                "document.write",
                "eval(",
                "DOMParser",
                " style=",
                " onclick",
                "javascript:",
            ] {
                let found = text.replace("http://www.w3.org/2000/svg", "").contains(word);
                assert!(!found, "{word} in {name}");
            }
        }
    }

    #[test]
    fn the_page_asks_only_for_files_that_there_are() {
        let index = include_str!("page/index.html");
        let texts = FILES.iter().map(|(.., text)| *text).chain([index]);
        let named = texts.flat_map(|text| {
            let in_page = text.split("\"/static/").skip(1);
            let imported = text.split("from \"./").skip(1);
            in_page.chain(imported).filter_map(|rest| rest.split('"').next())
        });
        for name in named {
            assert!(FILES.iter().any(|(known, ..)| *known == name), "{name}");
        }
    }
}
