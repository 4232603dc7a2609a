use super::*;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect()
}

fn check(policy: &Policy, address: &str, pairs: &[(&str, &str)], refused: Option<&str>) {
    let admitted = policy.admit(&[address.into()], &labels(pairs));
    match (admitted, refused) {
        (Ok(()), None) => {}
        (Err(error), Some(needle)) => {
            let text = error.to_string();
            assert!(text.contains(needle), "{address} {pairs:?}: {needle} is not in {text}");
        }
        (admitted, _) => panic!("{address} {pairs:?}: {admitted:?}, not {refused:?}"),
    }
}

#[test]
fn by_default_labels_can_not_steer_prometheus() {
    let policy = Policy::default();
    check(&policy, "h:1", &[("env", "prod"), ("_x", "1")], None);
    check(&policy, "h:1", &[("job", "x")], Some("it is the service's name"));
    check(&policy, "h:1", &[("__address__", "x")], Some("--allow-label __address__"));
    check(&policy, "h:1", &[("__param_target", "x")], Some("__param_target"));
    check(&policy, "h:1", &[("a.b", "x")], Some("--utf8-labels"));
    check(&policy, "h:1", &[("", "x")], Some("no name"));
}

#[test]
fn what_the_operator_names_is_admitted_one_by_one_and_what_he_denies_is_not() {
    let policy = Policy {
        allowed_labels: vec!["__param_*".into(), "__scheme__".into()],
        denied_labels: vec!["secret*".into(), "__param_x".into()],
        utf8_labels: true,
        ..Policy::default()
    };
    check(&policy, "h:1", &[("__param_target", "x"), ("__scheme__", "https")], None);
    check(&policy, "h:1", &[("a.b", "x"), ("ü", "x")], None);
    check(&policy, "h:1", &[("__metrics_path__", "x")], Some("__metrics_path__"));
    check(&policy, "h:1", &[("secret_key", "x")], Some("--deny-label"));
    check(&policy, "h:1", &[("__param_x", "x")], Some("--deny-label"));
    // A group has its job from the key, and no label twice.
    let policy = Policy { allowed_labels: vec!["job".into(), "*".into()], ..Policy::default() };
    check(&policy, "h:1", &[("job", "x")], Some("it is the service's name"));
}

#[test]
fn what_vmagent_would_expand_is_refused_everywhere() {
    let policy = Policy { utf8_labels: true, ..Policy::default() };
    check(&policy, "h:1", &[("a", "x%{HOME}")], Some("vmagent"));
    check(&policy, "h:1", &[("%{HOME}", "x")], Some("vmagent"));
    check(&policy, "h:1", &[("b", "x%{HOME}")], Some("the label \"b\" has %{…}"));
    check(&policy, "h:1", &[("a", "100 %")], None);
    assert!(policy.admit_service("%{HOME}").is_err());
}

#[test]
fn addresses_and_ports_may_be_limited_to_lists() {
    let hosts =
        ["10.0.0.0/8", "fd00::/8", "192.168.1.7", "db.example.com", "*.lan", "db.example.org."];
    let policy = Policy {
        allowed_hosts: hosts.iter().map(|text| text.parse().expect(text)).collect(),
        allowed_ports: ["80", "9000-9999"].iter().map(|text| text.parse().expect(text)).collect(),
        ..Policy::default()
    };
    for fine in [
        "10.255.0.1:80",
        "[fd12::1]:9100",
        "192.168.1.7:9999",
        "DB.example.com:80",
        "a.b.lan:80",
        "db.example.org:80",
        "[::ffff:10.0.0.1]:80",
    ] {
        check(&policy, fine, &[], None);
    }
    for bad in [
        "11.0.0.1:80",
        "[fe80::1]:80",
        "192.168.1.8:80",
        "example.com:80",
        "lan:80",
        "xlan:80",
        "[::ffff:11.0.0.1]:80",
    ] {
        check(&policy, bad, &[], Some("--allow-address"));
    }
    for bad in ["10.0.0.1:81", "10.0.0.1:8999", "10.0.0.1:10000"] {
        check(&policy, bad, &[], Some("--allow-port"));
    }
    let anywhere = Policy {
        allowed_hosts: vec!["0.0.0.0/0".parse().expect("all of IPv4")],
        ..Policy::default()
    };
    check(&anywhere, "255.1.2.3:1", &[], None);
    check(&anywhere, "[::1]:1", &[], Some("--allow-address"));
}

#[test]
fn a_host_on_the_list_is_found_however_it_is_written() {
    for (allowed, address) in [
        ("web-1", "web-1:80"),
        ("db7.example.com", "db7.example.com:80"),
        ("*.rack2", "web.rack2:80"),
        ("Web.Example.com.", "web.example.com:80"),
        ("*.Example.com.", "web.example.com.:80"),
        ("::ffff:10.0.0.0/104", "10.1.2.3:80"),
        ("::ffff:10.0.0.0/104", "[::ffff:10.1.2.3]:80"),
        ("::ffff:10.0.0.1", "10.0.0.1:80"),
        ("::/0", "[2001:db8::1]:80"),
    ] {
        let policy =
            Policy { allowed_hosts: vec![allowed.parse().expect(allowed)], ..Policy::default() };
        check(&policy, address, &[], None);
        check(&policy, "11.0.0.1:80", &[], Some("--allow-address"));
    }
}

#[test]
fn a_hostile_name_of_a_label_does_not_steer_the_terminal_and_is_cut() {
    let policy = Policy { utf8_labels: true, ..Policy::default() };
    let labels = Labels::from([("__\u{1b}[2J\n".into(), "x".into())]);
    let error = policy.admit(&[], &labels).expect_err("it steers").to_string();
    assert!(!error.contains(char::is_control), "{error:?}");
    let long = "-".repeat(10_000);
    check(&Policy::default(), "h:1", &[(&long, "x")], Some("-…\" is not"));
}

#[test]
fn nonsense_in_the_lists_is_refused() {
    for text in [
        "",
        "10.0.0.0/33",
        "10.0.0/8",
        "a b",
        "*.",
        "10.0.0.1/x",
        "fd00::/129",
        "1.2.3",
        "1.2.3.4.",
        "a..b",
        ".",
    ] {
        assert!(text.parse::<AllowedHost>().is_err(), "{text}");
    }
    for text in ["", "0", "65536", "9-8", "a", "1-", "-1"] {
        assert!(text.parse::<PortRange>().is_err(), "{text}");
    }
}

#[test]
fn one_entry_can_not_add_more_than_its_budget() {
    let entry = Budgets { targets: 2, labels: 1, value: 10, label_value: 3, ..Budgets::default() };
    let policy = Policy { budgets: entry, ..Policy::default() };
    assert!(policy.admit_value(10).is_ok());
    assert!(policy.admit_value(11).is_err());
    let three = ["h:1".into(), "h:2".into(), "h:3".into()];
    assert!(policy.admit(&three[..2], &Labels::new()).is_ok());
    assert!(policy.admit(&three, &Labels::new()).is_err());
    check(&policy, "h:1", &[("a", "123")], None);
    check(
        &policy,
        "h:1",
        &[("a", "1234")],
        Some("the label \"a\" has 4 bytes, more than --max-label-bytes 3"),
    );
    check(&policy, "h:1", &[("name", "1")], Some("the name of a label has 4 bytes"));
    check(&policy, "h:1", &[("a", "1"), ("b", "1")], Some("labels"));
    assert!(policy.admit_service("abcd").is_err());
}
