use super::*;

const KEY: &str = "/env/prod/svc/web/1";

fn schema(pattern: &str) -> Schema {
    Schema::of(Pattern::parse(pattern).expect(pattern))
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect()
}

fn read(schema: &Schema, key: &str, value: &str) -> Result<Target, ReadError> {
    let Key::Instance { parent, name } = schema.classify(key.as_bytes()) else {
        panic!("{key} is no instance");
    };
    schema.read(parent, name, value.as_bytes(), Revision(7))
}

#[test]
fn labels_come_from_the_value_the_key_and_the_operator_who_has_the_last_word() {
    let mut schema = schema("/env/{env}/svc/{service}/{instance}");
    let value = r#"{"address":"h:1","labels":{"env":"value","own":"value","dc":"value"}}"#;
    schema.labels = labels(&[("dc", "operator")]);
    let target = read(&schema, KEY, value).expect("a target");
    let expected = labels(&[("dc", "operator"), ("env", "prod"), ("own", "value")]);
    assert_eq!(target, Target::new(vec!["h:1".into()], expected));
}

#[test]
fn an_address_in_the_key_needs_no_value_and_gets_the_exporters_port() {
    let mut schema = schema("/rpcx/{service}/{proto}@{address}");
    schema.options.port = Some(9100);
    let target = read(&schema, "/rpcx/Arith/tcp@10.0.0.1:8972", "tps=10&x=%{y}");
    let expected = Target::new(vec!["10.0.0.1:9100".into()], labels(&[("proto", "tcp")]));
    assert_eq!(target, Ok(expected));
    let error = read(&schema, "/rpcx/Arith/tcp@10.0.0.1.7:1", "").expect_err("no address");
    assert!(matches!(error, ReadError::Key(_)), "{error}");
}

#[test]
fn several_addresses_or_a_url_in_the_key_are_taken() {
    let addresses = |pattern, key| {
        let read = read(&schema(pattern), key, "{}");
        read.map(|target| target.addresses().join(" ")).map_err(|error| error.to_string())
    };
    let goframe = "/service/{deploy}/{ns}/{service}/{version}/{address}";
    for (pattern, key, expected) in [
        (goframe, "/service/d/n/web/v1/10.0.0.2:80,10.0.0.1:80", "10.0.0.1:80 10.0.0.2:80"),
        (goframe, "/service/d/n/web/v1/[fd00::1]:80,a:1,a:1", "[fd00::1]:80 a:1"),
        (
            "/dubbo/{service}/providers/{address%}",
            "/dubbo/a.B/providers/dubbo%3A%2F%2F10.0.0.1%3A20880%2Fa.B%3Fmethods%3Dx%2Cy",
            "10.0.0.1:20880",
        ),
        ("/ms/{service}/{address...}", "/ms/tso/http://10.0.0.1:3379", "10.0.0.1:3379"),
    ] {
        assert_eq!(addresses(pattern, key).as_deref(), Ok(expected), "{key}");
    }
    for key in ["/service/d/n/web/v1/a:1,", "/service/d/n/web/v1/a:1,b"] {
        let error = addresses(goframe, key).expect_err(key);
        assert!(error.starts_with("the address in the key: "), "{error}");
    }
}

#[test]
fn a_label_with_an_empty_text_is_none() {
    let mut schema = schema("/env/{env}/svc/{service}/{instance}");
    schema.labels = labels(&[("own", "")]);
    let value = r#"{"address":"h:1","labels":{"own":"value","other":""}}"#;
    let target = read(&schema, KEY, value).expect("a target");
    assert_eq!(target, Target::new(vec!["h:1".into()], labels(&[("env", "prod")])));
}

#[test]
fn meta_labels_say_where_a_target_comes_from() {
    let mut schema = schema("/env/{env}/svc/{service}/{instance}");
    schema.meta_labels = true;
    let expected = labels(&[
        ("__meta_etcd_key", KEY),
        ("__meta_etcd_service", "web"),
        ("__meta_etcd_instance", "1"),
        ("__meta_etcd_revision", "7"),
        ("env", "prod"),
    ]);
    assert_eq!(read(&schema, KEY, "h:1"), Ok(Target::new(vec!["h:1".into()], expected)));
}

#[test]
fn what_the_operator_does_not_admit_is_refused() {
    let schema = schema("/env/{env}/svc/{service}/{instance}");
    for (key, value) in [
        (KEY, r#"{"address":"h:1","labels":{"job":"x"}}"#),
        (KEY, r#"{"address":"h:1","labels":{"__param_target":"x"}}"#),
        (KEY, r#"{"address":"h:1","labels":{"a":"%{HOME}"}}"#),
        ("/env/%{PATH}/svc/web/1", "h:1"),
        ("/env/prod/svc/%{PATH}/1", "h:1"),
    ] {
        let error = read(&schema, key, value).expect_err(value);
        assert!(matches!(error, ReadError::Policy(_)), "{key} {value}: {error}");
    }
}

#[test]
fn what_a_key_says_percent_encoded_is_judged_by_what_it_means() {
    let schema = Schema { meta_labels: true, ..schema("/e/{service%}/{instance%}") };
    assert!(read(&schema, "/e/web/a%2Fb", "h:1").is_ok());
    for key in ["/e/web/%25%7BPATH%7D", "/e/%25%7BPATH%7D/1"] {
        let error = read(&schema, key, "h:1").expect_err(key);
        assert!(matches!(error, ReadError::Policy(PolicyError::Expansion(_))), "{key}: {error}");
    }
}
