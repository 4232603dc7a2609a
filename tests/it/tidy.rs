//! Rules on the source that no compiler knows: what is pure stays pure, and each
//! edge of the program has one file.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn the_core_knows_no_actor_no_network_no_file_and_no_clock() {
    let forbidden = [
        "actix",
        "tokio",
        "etcd_client",
        "rustls",
        "tonic",
        "notify",
        "backoff",
        "tracing",
        "tempfile",
        "std::fs",
        "std::env",
        "std::thread",
        "std::process",
        "std::net::Tcp",
        "std::net::Udp",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "ToSocketAddrs",
        "SystemTime",
        "Instant::now",
        ".elapsed()",
    ];
    let folder = root().join("src/core");
    assert!(folder.is_dir(), "there is no src/core");
    for file in sources(&folder) {
        let code = code(&file);
        for word in forbidden {
            let found = lines_with(&code, word);
            assert!(found.is_empty(), "{word} in {}: {found:?}", file.display());
        }
    }
}

#[test]
fn each_dependency_at_an_edge_is_named_there_alone() {
    let edges = [
        ("etcd_client", &["src/etcd.rs"][..]),
        // As a client, as a server, and for what both read from files.
        ("rustls", &["src/etcd.rs", "src/http.rs", "src/prometheus.rs", "src/secrets.rs"]),
        ("rustls_native_certs", &["src/etcd.rs", "src/prometheus.rs"]),
        ("axum", &["src/http.rs"]),
        ("notify", &["src/actors/drift.rs"]),
        ("backoff", &["src/backoff.rs"]),
        ("std::fs", &["src/file.rs"]),
        ("tempfile", &["src/file.rs"]),
    ];
    for (dependency, only) in edges {
        let naming: Vec<PathBuf> = sources(&root().join("src"))
            .into_iter()
            .filter(|file| is_used_in(dependency, &code(file)))
            .collect();
        // A module and the parts of it in its folder.
        let is_in = |file: &Path, module: &str| {
            let module = root().join(module);
            file == module || file.starts_with(module.with_extension(""))
        };
        let others = naming.iter().filter(|file| !only.iter().any(|module| is_in(file, module)));
        let others: Vec<_> = others.collect();
        assert!(others.is_empty(), "{dependency} belongs in {only:?} alone: {others:?}");
        for module in only {
            let is_used = naming.iter().any(|file| is_in(file, module));
            assert!(is_used, "{module} does not use {dependency} any more: fix this list");
        }
    }
}

#[test]
fn no_file_is_longer_than_it_should_be() {
    const LONGEST: usize = 400;
    for folder in ["src", "tests", "benches", "examples"] {
        for file in sources(&root().join(folder)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            assert!(lines <= LONGEST, "{} has {lines} lines", file.display());
        }
    }
}

/// A path of the crate itself, such as `crate::backoff::Backoff`, is no use of the
/// dependency.
fn is_used_in(dependency: &str, code: &str) -> bool {
    let path = format!("{dependency}::");
    code.match_indices(&path).any(|(at, _)| {
        let before = &code[..at];
        !before.ends_with("::") && !before.ends_with(|c: char| c == '_' || c.is_alphanumeric())
    }) || code.contains(&format!("use {dependency};"))
}

fn lines_with(code: &str, word: &str) -> Vec<String> {
    let lines = code.lines().filter(|line| line.contains(word));
    lines.map(|line| line.trim().to_owned()).collect()
}

/// A file without its comments and its unit tests, which come last.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// All Rust files below a folder, if there is one, without unit tests that have a
/// file or a folder of their own.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
