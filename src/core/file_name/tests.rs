use proptest::prelude::*;

use super::*;

fn encode(service: &str) -> String {
    FileName::encode(service).as_str().to_owned()
}

fn service(name: &str) -> Option<String> {
    match FileName::decode(name)? {
        Decoded::Service(service) => Some(service),
        Decoded::Digest => None,
    }
}

#[test]
fn each_service_has_the_file_name_that_the_rule_says_and_is_read_back_from_it() {
    for (of, name) in [
        ("node_exporter", "node_exporter.json"),
        ("api-2.eu", "api-2.eu.json"),
        ("a.json", "a.json.json"),
        ("api", "api.json"),
        ("API", "%41%50%49.json"),
        ("..", "%2e..json"),
        (".", "%2e.json"),
        (".hidden", "%2ehidden.json"),
        (".etcd-sd", "%2eetcd-sd.json"),
        ("-x", "%2dx.json"),
        ("--", "%2d-.json"),
        ("a b", "a%20b.json"),
        ("ünïcode", "%c3%bcn%c3%afcode.json"),
        ("con", "%63on.json"),
        ("con.x", "%63on.x.json"),
        ("CON", "%43%4f%4e.json"),
        ("com0", "%63om0.json"),
        ("lpt9.a.b", "%6cpt9.a.b.json"),
        ("console", "console.json"),
        ("com10", "com10.json"),
        ("x.con", "x.con.json"),
        ("\n\t\u{0}\u{7f}", "%0a%09%00%7f.json"),
        ("%41", "%2541.json"),
        ("~", "%7e.json"),
        ("*", "%2a.json"),
        ("[a]?", "%5ba%5d%3f.json"),
        ("a\\b:c|d", "a%5cb%3ac%7cd.json"),
        ("a/b", "a%2fb.json"),
    ] {
        assert_eq!(encode(of), name);
        assert_eq!(service(name).as_deref(), Some(of));
    }
}

#[test]
fn a_name_that_would_get_too_long_is_cut_between_escapes_and_ends_in_its_digest() {
    let digest = |service: &str| {
        let name = encode(service);
        assert_eq!(FileName::decode(&name), Some(Decoded::Digest), "{name}");
        let (start, rest) = name.split_once('~').expect("a digest");
        assert_eq!(rest.len(), 64 + ENDING.len());
        start.to_owned()
    };
    let longest = "a".repeat(195);
    assert_eq!(service(&encode(&longest)), Some(longest));
    assert_eq!(digest(&"a".repeat(196)), "a".repeat(100));
    assert_eq!(digest(&"x".repeat(300)), "x".repeat(100));
    assert_eq!(digest(&"A".repeat(66)), "%41".repeat(33));
    assert_eq!(digest(&format!("aa{}", "A".repeat(65))), format!("aa{}", "%41".repeat(32)));
    assert_eq!(digest(&"ü".repeat(300)), format!("{}%c3", "%c3%bc".repeat(16)));
    assert_eq!(digest(""), "");
    // printf 'b%.0s' {1..196} | sha256sum
    assert_eq!(
        encode(&"b".repeat(196)),
        format!(
            "{}~09eed55ba906568676f94a7693bd12de63f0c2bd5ddaeb45e52b222cf3ca3c7f.json",
            "b".repeat(100)
        )
    );
}

#[test]
fn a_file_name_that_no_service_has_says_nothing() {
    let digest = "0".repeat(64);
    let (kept, long) = ("a".repeat(100), "a".repeat(196));
    for name in [
        "",
        ".json",
        "api",
        "api.yml",
        "API.json",
        "..json",
        "-x.json",
        "con.json",
        "a b.json",
        "ü.json",
        "%61.json",
        "%2E..json",
        "%2.json",
        "%.json",
        "%zz.json",
        "%ff.json",
        "a/b.json",
        "../a.json",
        "~.json",
        &format!("~{digest}.json"),
        &format!("a~{digest}.json"),
        &format!("{kept}a~{digest}.json"),
        &format!("{kept}~{digest}0.json"),
        &format!("{kept}~{}.json", "F".repeat(64)),
        &format!("{kept}~{digest}~.json"),
        &format!("%80{}~{digest}.json", "a".repeat(97)),
        &format!("%61{}~{digest}.json", "a".repeat(97)),
        &format!("{long}.json"),
    ] {
        assert_eq!(FileName::decode(name), None, "{name}");
    }
}

/// Of few parts, so that names that nearly meet are frequent.
fn services() -> impl Strategy<Value = String> {
    let parts = ["a", "A", "%", "41", "~", ".", "-", "é", "É", "con", "\n", "/", "*", "[", " "];
    let odd = prop::collection::vec(prop::sample::select(parts.to_vec()), 0..6);
    prop_oneof![
        4 => odd.prop_map(|parts| parts.concat()),
        1 => (".{0,9}", 1usize..40).prop_map(|(text, times)| text.repeat(times)),
        1 => any::<String>(),
    ]
}

proptest! {
    #[test]
    fn a_service_is_read_back_or_its_name_was_too_long(of in services()) {
        let name = encode(&of);
        match FileName::decode(&name) {
            Some(Decoded::Service(back)) => prop_assert_eq!(back, of),
            Some(Decoded::Digest) => prop_assert!(of.is_empty() || of.len() * 3 > 195),
            None => prop_assert!(false, "{}", name),
        }
    }

    #[test]
    fn no_two_services_share_a_file_also_where_case_does_not_count(
        one in services(), other in services(),
    ) {
        prop_assume!(one != other);
        prop_assert_ne!(encode(&one).to_lowercase(), encode(&other).to_lowercase());
        prop_assert_eq!(encode(&one).to_lowercase(), encode(&one));
    }

    #[test]
    fn a_file_name_is_short_and_plain_and_one_that_prometheus_reads(of in services()) {
        let name = encode(&of);
        prop_assert!(name.len() <= LONGEST);
        prop_assert!(!name.starts_with(['.', '-']), "{}", name);
        prop_assert!(name.ends_with(ENDING) && name != ENDING);
        let plain = |byte: u8| is_plain(byte) || matches!(byte, b'%' | b'~');
        prop_assert!(name.bytes().all(plain), "{}", name);
        let stem = name.split('.').next().unwrap_or_default();
        prop_assert!(!["con", "prn", "aux", "nul", "com1", "lpt1"].contains(&stem));
    }

    #[test]
    fn what_is_read_from_a_file_name_makes_that_file_name(
        stem in "[a-c.%~46-]{0,8}|(%[0-9a-f]{2}){0,4}",
    ) {
        let name = format!("{stem}.json");
        if let Some(of) = service(&name) {
            prop_assert_eq!(encode(&of), name);
        }
    }
}
