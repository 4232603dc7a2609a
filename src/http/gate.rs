//! What every request passes, and every answer: who may ask, and what a browser must not do.
//!
//! A page of another origin can have a browser send requests here, from within the network that
//! the browser is in. It can't read the answers, nor do anything: what acts is refused when it
//! comes from another site. By a name of its own that leads here (DNS rebinding) it could read
//! them, so where only this host may ask, and without a token, a request must be for this host.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, HOST, HeaderValue, ORIGIN,
    REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::timeout;

use super::answer::refuse;
use super::token::CHALLENGES;
use super::{Context, routes};

/// No request here has a body that says anything.
const LARGEST_BODY: u64 = 64 << 10;

/// For an answer to begin: what is computed for it takes a few seconds at most.
const PATIENCE: Duration = Duration::from_secs(30);

const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Lets through what may pass, and sees to the headers of what is answered.
pub(super) async fn pass(State(context): State<Context>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let handler = route.as_ref().map_or("other", MatchedPath::as_str);
    let refused = refusal(&context, handler, request.method(), request.headers()).await;
    let mut response = match refused {
        Some(refused) => refused,
        None => timeout(PATIENCE, next.run(request)).await.unwrap_or_else(|_| {
            refuse(handler, StatusCode::SERVICE_UNAVAILABLE, "it took too long; try again")
        }),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    context.count(handler, response.status());
    response
}

async fn refusal(
    context: &Context,
    handler: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Option<Response> {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > LARGEST_BODY) {
        let text = "no request here needs a body; send none";
        return Some(refuse(handler, StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    if routes::HEALTH.contains(&handler) {
        return None;
    }
    if let Some(token) = &context.token {
        if !token.now().await.matches(headers) {
            return Some(unauthorized(handler));
        }
    } else if context.is_local && !is_local(headers, &context.settings.address) {
        return Some(refuse(
            handler,
            StatusCode::MISDIRECTED_REQUEST,
            "this listens for programs on its own host alone, and the request is for another \
             host's name, as that of a foreign web page would be; ask localhost or the IP \
             address, or start etcd-sd with --listen-token-file",
        ));
    }
    let acts = !matches!(*method, Method::GET | Method::HEAD);
    if acts && is_cross_site(headers) {
        let text = "refused: the request comes from a page of another site";
        return Some(refuse(handler, StatusCode::FORBIDDEN, text));
    }
    None
}

fn unauthorized(handler: &str) -> Response {
    let text = "a token is needed, that in --listen-token-file of etcd-sd: send it in the header \
                Authorization: Bearer TOKEN (authorization in Prometheus' configuration), or as the \
                password of any user";
    let mut response = refuse(handler, StatusCode::UNAUTHORIZED, text);
    for challenge in CHALLENGES {
        response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

/// Whether the request is for this host by a name that nobody else can give to it. Every browser
/// says for whom it is.
fn is_local(headers: &HeaderMap, listen: &super::Address) -> bool {
    let Some(host) = headers.get(HOST) else { return true };
    let host = host.to_str().ok().filter(|host| !host.contains('@'));
    let authority = host.and_then(|host| host.parse::<Authority>().ok());
    authority.is_some_and(|authority| {
        let host = authority.host();
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let lower = host.trim_end_matches('.').to_ascii_lowercase();
        address.unwrap_or(host).parse::<IpAddr>().is_ok()
            || lower == "localhost"
            || lower.ends_with(".localhost")
            || host.eq_ignore_ascii_case(listen.host())
    })
}

/// Whether a browser says that a page of another site has it ask. Other programs say nothing of
/// the kind.
fn is_cross_site(headers: &HeaderMap) -> bool {
    if headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin") {
        return true;
    }
    headers.get(ORIGIN).is_some_and(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        origin.is_none_or(|(_, origin)| host.is_none_or(|host| !host.eq_ignore_ascii_case(origin)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn a_request_for_another_hosts_name_is_not_for_this_host() {
        let listen = super::super::Address::parse("monitor:9099").expect("an address");
        for host in [
            "localhost:9099",
            "127.0.0.1:9099",
            "[::1]:9099",
            "LOCALHOST",
            "a.localhost",
            "10.0.0.1",
            "monitor:9099",
            "localhost.:9099",
        ] {
            assert!(is_local(&headers(&[("host", host)]), &listen), "{host}");
        }
        for host in [
            "evil.example:9099",
            "localhost.evil.example",
            "notlocalhost",
            "",
            "a b",
            "127.0.0.1.evil.example",
            "x@localhost",
            "evil.example:80@localhost",
        ] {
            assert!(!is_local(&headers(&[("host", host)]), &listen), "{host}");
        }
        assert!(is_local(&headers(&[]), &listen), "no browser");
    }

    #[test]
    fn a_page_of_another_site_is_told_from_our_own_and_from_a_program() {
        let host = ("host", "localhost:9099");
        for same in [
            &[host][..],
            &[host, ("origin", "http://localhost:9099")],
            &[host, ("sec-fetch-site", "same-origin"), ("origin", "https://localhost:9099")],
        ] {
            assert!(!is_cross_site(&headers(same)), "{same:?}");
        }
        for cross in [
            &[host, ("origin", "http://evil.example")][..],
            &[host, ("origin", "null")],
            &[host, ("origin", "http://localhost:9098")],
            &[host, ("sec-fetch-site", "cross-site")],
            &[host, ("sec-fetch-site", "same-site")],
            &[host, ("sec-fetch-site", "none")],
            &[("origin", "http://localhost:9099")],
        ] {
            assert!(is_cross_site(&headers(cross)), "{cross:?}");
        }
    }
}
