//! Connections by themselves: tokens that etcd takes no longer, and what a refusal
//! says.

use std::time::Duration;

use etcd_client::{Client, ConnectOptions};
use etcd_sd::core::event::{Lookup, Revision};
use etcd_sd::core::key::Prefix;
use etcd_sd::core::paging::key_after;
use etcd_sd::core::session::WatchMessage;
use etcd_sd::etcd::{
    Connection, Connector, Credentials, Error, PasswordSource, Patience, Secret, Server,
    WatchStream,
};
use tokio::task::JoinSet;

use crate::support::backend::{Etcd, with_own_etcd};
use crate::support::http;
use crate::support::secure::{PASSWORD, Tokens, USER};
use crate::support::wait::{SOON, ensure, eventually};

/// Longer than any of these tests, but for those that wait for the end. A JWT ends with a
/// full second, so it may live for one less.
const LONG: u32 = 300;
const SHORT: u32 = 3;

fn connector() -> Connector {
    let password = PasswordSource::Variable(Secret::new(PASSWORD.to_owned()));
    let user = Some((USER.to_owned(), password));
    Connector::new(Patience::default(), Credentials { user, ..Credentials::default() })
}

async fn open(etcd: &Etcd) -> Connection {
    connector().open(&Server::parse(etcd.endpoint()).unwrap(), &prefix()).await.unwrap()
}

fn prefix() -> Prefix {
    Prefix::parse("/services").unwrap()
}

/// The keys of all pages of one entry each; after each but the last, `meanwhile` happens.
async fn list(connection: &Connection, mut meanwhile: impl AsyncFnMut()) -> Vec<String> {
    let (mut from, mut pinned) = (prefix().as_str().as_bytes().to_vec(), None);
    let mut keys = Vec::new();
    loop {
        let end = prefix().range_end();
        let page = connection.page(&prefix(), (&from, &end), 1, pinned).await.unwrap();
        pinned = Some(page.header.revision);
        let last = page.entries.last().unwrap().key.clone();
        keys.push(String::from_utf8(last.clone()).unwrap());
        if !page.more {
            return keys;
        }
        from = key_after(last);
        meanwhile().await;
    }
}

async fn register_three(etcd: &Etcd) -> Vec<String> {
    let keys: Vec<String> = (1..=3).map(|id| format!("/services/web/{id}")).collect();
    for key in &keys {
        etcd.put(key, "10.0.0.1:80").await;
    }
    keys
}

/// Waits for the end of every token that has been given out so far.
async fn outlive_tokens(etcd: &Etcd) {
    outlive_tokens_of(PASSWORD, etcd).await;
}

async fn outlive_tokens_of(password: &str, etcd: &Etcd) {
    let options = ConnectOptions::new().with_user(USER, password);
    let mut youngest = Client::connect([etcd.endpoint()], Some(options)).await.unwrap();
    eventually(SOON, "a token expires", async || {
        // As often as it is used, a simple token is good for its time again.
        tokio::time::sleep(Duration::from_secs(u64::from(SHORT) + 1)).await;
        match youngest.get("/services/", None).await {
            Err(error) => ensure(error.to_string().contains("invalid auth token"), || {
                format!("another error: {error}")
            }),
            Ok(_) => Err("it is still taken".to_owned()),
        }
    })
    .await;
}

/// How many tokens etcd has given out.
async fn logins(etcd: &Etcd) -> u64 {
    let metrics =
        http::get(etcd.endpoint().trim_start_matches("http://"), "/metrics").await.unwrap();
    let is_it = |line: &&str| {
        line.starts_with("grpc_server_started_total") && line.contains("\"Authenticate\"")
    };
    let line = metrics.lines().find(is_it).expect("a counter of logins");
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

async fn a_page_is_asked_for_again_when_users_have_changed_since_the_last() {
    let etcd = Etcd::with_users(Tokens::Jwt(LONG)).await;
    let keys = register_three(&etcd).await;
    let connection = open(&etcd).await;
    let mut users = 0;
    let listed = list(&connection, async || {
        users += 1;
        etcd.add_user(&format!("user-{users}")).await;
    });
    assert_eq!(listed.await, keys);
    assert_eq!(users, 2);
}

async fn a_page_is_asked_for_again_when_the_token_has_expired_since_the_last() {
    for tokens in [Tokens::Simple(SHORT), Tokens::Jwt(SHORT)] {
        let etcd = Etcd::with_users(tokens).await;
        let keys = register_three(&etcd).await;
        let connection = open(&etcd).await;
        let listed = list(&connection, async || outlive_tokens(&etcd).await).await;
        assert_eq!(listed, keys);
    }
}

async fn lookups_that_are_refused_together_share_one_new_token() {
    let etcd = Etcd::with_users(Tokens::Jwt(LONG)).await;
    let first = etcd.put("/services/web/1", "10.0.0.1:80").await;
    etcd.put("/services/web/1", "oops").await;
    let connection = open(&etcd).await;
    etcd.add_user("somebody").await;
    let before = logins(&etcd).await;
    let mut asking = JoinSet::new();
    for _ in 0..32 {
        let key = b"/services/web/1".to_vec();
        asking.spawn(connection.value_before(&Lookup { key, mod_revision: Revision(first + 1) }));
    }
    while let Some(value) = asking.join_next().await {
        assert_eq!(value.unwrap(), Ok(Some(b"10.0.0.1:80".to_vec())));
    }
    assert_eq!(logins(&etcd).await, before + 1);
}

async fn a_watch_is_asked_for_again_when_the_token_has_expired() {
    for tokens in [Tokens::Simple(SHORT), Tokens::Jwt(SHORT)] {
        let etcd = Etcd::with_users(tokens).await;
        let revision = etcd.put("/services/web/1", "10.0.0.1:80").await;
        let connection = open(&etcd).await;
        outlive_tokens(&etcd).await;
        let mut watch = connection.watch(&prefix(), Revision(revision), false).await.unwrap();
        let created = watch.next().await.unwrap();
        assert!(created.created && !created.canceled, "{created:?}");
        assert_eq!(watch.next().await.unwrap().changes.len(), 1);
    }
}

async fn ping(watch: &mut WatchStream) -> WatchMessage {
    watch.ping(&prefix()).await.unwrap();
    let pong = watch.next().await.unwrap();
    assert!(pong.created && pong.watch_id != 0, "{pong:?}");
    watch.end_ping().await.unwrap();
    pong
}

async fn a_watch_that_outlives_its_token_answers_and_is_refused_no_more_than_once() {
    let etcd = Etcd::with_users(Tokens::Jwt(SHORT)).await;
    let revision = etcd.put("/services/web/1", "10.0.0.1:80").await;
    let connection = open(&etcd).await;
    let mut watch = connection.watch(&prefix(), Revision(revision + 1), false).await.unwrap();
    assert!(!watch.next().await.unwrap().canceled);
    outlive_tokens(&etcd).await;
    // Whatever the answer is, it tells where the store is.
    let refused = ping(&mut watch).await;
    assert!(refused.canceled, "{refused:?}");
    assert_eq!(refused.header.revision, Revision(revision));
    for port in 81..84 {
        let taken = ping(&mut watch).await;
        assert!(!taken.canceled, "{taken:?}");
        etcd.put("/services/web/1", format!("10.0.0.1:{port}")).await;
        assert_eq!(watch.next().await.unwrap().changes.len(), 1);
    }
    assert_eq!(ping(&mut watch).await.header.revision, Revision(revision + 3));

    // With nobody to log in as, a refusal has to do.
    etcd.set_password("another").await;
    outlive_tokens_of("another", &etcd).await;
    for port in 91..94 {
        assert!(ping(&mut watch).await.canceled);
        etcd.put("/services/web/1", format!("10.0.0.1:{port}")).await;
        assert_eq!(watch.next().await.unwrap().changes.len(), 1);
    }
}

async fn what_may_not_be_read_is_an_error_with_user_and_range() {
    let etcd = Etcd::with_users(Tokens::Simple(LONG)).await;
    let connection = open(&etcd).await;
    etcd.revoke_reading().await;
    let range = (&b"/services/web/"[..], &prefix().range_end()[..]);
    let page = connection.page(&prefix(), range, 1, None).await.map(drop);
    let mut watch = connection.watch(&prefix(), Revision(1), false).await.unwrap();
    let watched = watch.next().await.map(drop);
    for refused in [page, watched] {
        let Err(Error::Forbidden { who, keys, grant }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(who, format!("user {USER}"));
        assert_eq!(keys, "/services/ up to /services0");
        assert_eq!(grant, "--prefix /services/");
    }
    let lookup = Lookup { key: b"/services/web/1".to_vec(), mod_revision: Revision(3) };
    let refused = connection.value_before(&lookup).await.unwrap_err().to_string();
    assert!(refused.contains("/services/web/1;"), "{refused}");
}

with_own_etcd!(
    a_page_is_asked_for_again_when_users_have_changed_since_the_last,
    a_page_is_asked_for_again_when_the_token_has_expired_since_the_last,
    lookups_that_are_refused_together_share_one_new_token,
    a_watch_is_asked_for_again_when_the_token_has_expired,
    a_watch_that_outlives_its_token_answers_and_is_refused_no_more_than_once,
    what_may_not_be_read_is_an_error_with_user_and_range,
);
