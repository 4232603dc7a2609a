use super::*;

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).expect(text)
}

/// What the key says: service, instance, address, and labels.
fn check(text: &str, key: &str, expected: &[(&str, &str)]) {
    let pattern = pattern(text);
    let Key::Instance { parent, name } = pattern.classify(key.as_bytes()) else {
        panic!("{key} is no instance by {text}: {:?}", pattern.classify(key.as_bytes()));
    };
    assert_eq!(pattern.key(parent, name), key);
    let captures = pattern.captures(parent, name);
    assert_eq!(pattern.service(parent), captures.service);
    let mut found = vec![("service", &*captures.service), ("instance", &*captures.instance)];
    found.extend(captures.address.as_deref().map(|address| ("address", address)));
    found.extend(captures.labels.iter().map(|(name, text)| (*name, &**text)));
    assert_eq!(found, expected, "{key} by {text}");
}

#[test]
fn a_key_says_what_the_placeholders_stand_for() {
    check(
        "/services/{service}/{instance}",
        "/services/web/1",
        &[("service", "web"), ("instance", "1")],
    );
    check(
        "/env/{env}/svc/{service}/{instance}",
        "/env/prod/svc/web/a:1",
        &[("service", "web"), ("instance", "a:1"), ("env", "prod")],
    );
    check(
        "/rpcx/{service}/{proto}@{address}",
        "/rpcx/Arith/tcp@10.0.0.1:8972",
        &[("service", "Arith"), ("instance", ""), ("address", "10.0.0.1:8972"), ("proto", "tcp")],
    );
    check(
        "/topology/{service=tidb}/{address}/info",
        "/topology/tidb/10.0.0.1:4000/info",
        &[("service", "tidb"), ("instance", ""), ("address", "10.0.0.1:4000")],
    );
    check(
        "{service=user.rpc}/{instance}",
        "user.rpc/7587",
        &[("service", "user.rpc"), ("instance", "7587")],
    );
    check(
        "/apisix/upstreams/{service}",
        "/apisix/upstreams/7",
        &[("service", "7"), ("instance", "")],
    );
    check(
        "/s/{service}/{instance...}",
        "/s/web/a/b/c",
        &[("service", "web"), ("instance", "a/b/c")],
    );
    check(
        "/s/{service}.svc/{instance}.json",
        "/s/a.svc.svc/b.json.json",
        &[("service", "a.svc"), ("instance", "b.json")],
    );
    check(
        "/skydns/{service...}",
        "/skydns/local/web/x1",
        &[("service", "local/web/x1"), ("instance", "")],
    );
    check(
        "/d/{service}/{address%}",
        "/d/web/10.0.0.1%3A80",
        &[("service", "web"), ("instance", ""), ("address", "10.0.0.1:80")],
    );
}

#[test]
fn what_is_watched_is_the_text_before_the_first_placeholder() {
    for (text, prefix) in [
        ("/services/{service}/{instance}", "/services/"),
        ("/services/web-{service}", "/services/"),
        ("{service=user.rpc}/{instance}", "user.rpc/"),
        ("kitex/registry-etcd/{service}/{address}", "kitex/registry-etcd/"),
        ("/topology/{service=tidb}/{address}/info", "/topology/tidb/"),
        ("/{service}/{instance}", "/"),
    ] {
        assert_eq!(pattern(text).prefix().as_str(), prefix, "{text}");
    }
}

#[test]
fn other_keys_are_ignored_silent_or_invalid() {
    let text = "/env/{env}/svc/{service}/{address%}";
    for (key, expected) in [
        (&b"/env/prod/svc/web/h/x"[..], Key::Ignored),
        (b"/env/prod/other/web/h", Key::Ignored),
        (b"/environment", Key::Ignored),
        (b"/env/", Key::Service),
        (b"/env/prod/svc/web", Key::Service),
        (b"/env/prod/svc/web/", Key::Service),
        (b"/env/prod/svc//h", Key::Invalid(KeyError::EmptyService)),
        (b"/env//svc/web/h", Key::Invalid(KeyError::EmptySegment)),
        (b"/env/prod/svc/web/\xff", Key::Invalid(KeyError::NotUtf8)),
        (b"/env/prod/svc/web/h%3", Key::Invalid(KeyError::Percent)),
    ] {
        assert_eq!(pattern(text).classify(key), expected, "{}", key.escape_ascii());
    }
}

#[test]
fn the_default_pattern_is_the_one_that_could_be_written() {
    let prefix = Prefix::parse("/services").expect("a prefix");
    assert_eq!(Pattern::below(&prefix), pattern("/services/{service}/{instance}"));
    assert!(Pattern::below(&prefix).is_plain());
    assert!(!pattern("/env/{env}/{service}/{instance}").is_plain());
}

#[test]
fn nonsense_is_refused_with_what_to_do() {
    for (text, error) in [
        ("/s/{service", PatternError::Brace),
        ("/s/service}/{instance}", PatternError::Brace),
        ("/s/{service}/{job}", PatternError::Name("job".into())),
        ("/s/{service}/{__x}", PatternError::Name("__x".into())),
        ("/s/{service}/{}", PatternError::Name(String::new())),
        ("/s/{service}/{service}", PatternError::Twice("service".into())),
        ("/s/{service}{instance}", PatternError::Adjacent),
        ("/s/{service...}/{instance}", PatternError::Rest("service".into())),
        ("/s/{service}/x{rest...}", PatternError::Rest("rest".into())),
        ("/s/{service}/{rest...}/info", PatternError::Rest("rest".into())),
        ("/s/{service}/{rest...}/{x=info}", PatternError::Rest("rest".into())),
        ("/s/{service=web}", PatternError::OneKey),
        ("/s/{service=}/{instance}", PatternError::Fixed("service".into())),
        ("/s/{env}/{instance}", PatternError::NoService),
        ("{service}/{instance}", PatternError::NoPrefix),
        ("/s//{service}", PatternError::EmptySegment),
        ("/s/{service}/", PatternError::EmptySegment),
    ] {
        assert_eq!(Pattern::parse(text), Err(error), "{text}");
    }
}
