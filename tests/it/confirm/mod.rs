//! Whoever asks for it is told once the registry is as new as etcd was then, and not before:
//! the watcher and the registry by themselves, on a registry that is embedded or real.

mod actors;
mod acts;

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use actix::Addr;
use etcd_sd::actors::messages::{Confirm, Stop, Unconfirmed};
use etcd_sd::actors::watcher::EtcdWatcher;
use tokio::time::{sleep, timeout};

use crate::support::backend::{Etcd, on_both, on_embedded};
use crate::support::gate::Gate;
use crate::support::wait::{SOON, eventually};
use actors::Actors;
use acts::{Churn, Restore};

/// A confirmation that has not come by then waits for something.
const WAITS: Duration = Duration::from_secs(2);

/// After an outage, reconnecting included.
const RECOVERY: Duration = Duration::from_secs(15);

async fn what_was_acknowledged_before_the_question_is_in_the_registry_after_the_answer(etcd: Etcd) {
    let actors = Actors::start(etcd.endpoint());
    for port in 1..=200 {
        etcd.put("/services/web/1", format!("10.0.0.1:{port}")).await;
        actors.confirmed(SOON).await;
        actors.holds(&format!("10.0.0.1:{port}")).await;
    }
    // On a machine that is busy an event may be late.
    assert!(actors.lists() < 20, "{} lists: the watch tells all of it", actors.lists());
}

async fn a_registry_on_a_quiet_etcd_is_confirmed_without_a_list(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let actors = Actors::start(etcd.endpoint());
    for _ in 0..5 {
        actors.confirmed(SOON).await;
    }
    assert_eq!(actors.lists(), 1);
}

async fn everybody_is_answered_when_many_ask_at_once(etcd: Etcd) {
    let actors = Actors::start(etcd.endpoint());
    for round in 1..=3 {
        etcd.put("/services/web/1", format!("10.0.0.1:{round}")).await;
        let asking: Vec<_> = (0..50).map(|_| actors.asks()).collect();
        for asked in asking {
            assert_eq!(timeout(SOON, asked).await.unwrap().unwrap(), Ok(()));
            actors.holds(&format!("10.0.0.1:{round}")).await;
        }
    }
}

async fn changes_of_other_keys_keep_nobody_waiting(etcd: Etcd) {
    let actors = Actors::start(etcd.endpoint());
    let churn = Churn::start(&etcd);
    for port in 1..=5 {
        etcd.put("/services/web/1", format!("10.0.0.1:{port}")).await;
        churn.goes_on().await;
        actors.confirmed(SOON).await;
        actors.holds(&format!("10.0.0.1:{port}")).await;
    }
    churn.stop().await;
}

async fn while_etcd_is_away_there_is_no_answer_and_one_once_it_is_back(mut etcd: Etcd) {
    let actors = Actors::start(etcd.endpoint());
    actors.confirmed(SOON).await;
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    etcd.kill().await;
    let mut asked = actors.asks();
    assert!(timeout(WAITS, &mut asked).await.is_err(), "nobody can know");
    etcd.restart().await;
    assert_eq!(timeout(RECOVERY, asked).await.unwrap().unwrap(), Ok(()));
    actors.holds("10.0.0.1:80").await;
}

async fn while_the_network_is_cut_there_is_no_answer_and_one_once_it_is_whole(etcd: Etcd) {
    let gate = Gate::before(&etcd).await;
    let actors = Actors::start(gate.endpoint());
    actors.confirmed(SOON).await;
    for port in 1..=3 {
        gate.cut().await;
        etcd.put("/services/web/1", format!("10.0.0.1:{port}")).await;
        let mut asked = actors.asks();
        assert!(timeout(WAITS, &mut asked).await.is_err(), "nobody can know");
        gate.open();
        assert_eq!(timeout(RECOVERY, asked).await.unwrap().unwrap(), Ok(()));
        actors.holds(&format!("10.0.0.1:{port}")).await;
    }
}

async fn a_watch_that_has_much_to_catch_up_with_is_waited_for(etcd: Etcd) {
    let gate = Gate::before(&etcd).await;
    let actors = Actors::start(gate.endpoint());
    actors.confirmed(SOON).await;
    gate.cut().await;
    // etcd tells a watch that is behind at most 1,000 revisions each 100 ms.
    let writers = (0..20).map(|writer| {
        let mut client = etcd.client();
        tokio::spawn(async move {
            for port in 1..=150 {
                let key = format!("/services/fleet/{writer}");
                client.put(key, format!("10.0.1.{writer}:{port}"), None).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let asked = actors.asks();
    gate.open();
    assert_eq!(timeout(RECOVERY, asked).await.unwrap().unwrap(), Ok(()));
    actors.holds("10.0.0.1:80").await;
}

async fn who_asks_before_the_first_list_or_in_the_middle_of_it_waits_for_what_is_true(etcd: Etcd) {
    let fleet = (0..2_000).map(|n| (format!("/services/fleet/{n:04}"), "10.0.1.1:80".to_owned()));
    etcd.put_all(&fleet.collect::<Vec<_>>()).await;
    let gate = Gate::before(&etcd).await;
    gate.delay(Duration::from_millis(100));
    let actors = Actors::start(gate.endpoint());
    // From before there is a connection until after the list.
    let mut asking = Vec::new();
    for port in 1..=40 {
        // Of the first page, which is read before the rest.
        etcd.put("/services/a/1", format!("10.0.0.1:{port}")).await;
        asking.push((port, actors.asks()));
        sleep(Duration::from_millis(25)).await;
    }
    for (asked, answer) in asking {
        assert_eq!(timeout(SOON, answer).await.unwrap().unwrap(), Ok(()));
        let known = actors.port().await;
        assert!(known >= asked, "asked at {asked}, the registry has {known}");
    }
}

async fn a_cluster_that_is_restored_to_an_older_state_is_confirmed_in_its_new_epoch(
    mut etcd: Etcd,
) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let restore = Restore::prepare(&etcd);
    etcd.put("/services/web/1", "10.0.0.1:81").await;
    for port in 1..=50 {
        etcd.put("/services/web/2", format!("10.0.0.2:{port}")).await;
    }
    let actors = Actors::start(etcd.endpoint());
    actors.confirmed(SOON).await;
    actors.holds("10.0.0.2:50").await;

    etcd.kill().await;
    let mut asked = actors.asks();
    restore.run(&etcd);
    assert!(timeout(WAITS, &mut asked).await.is_err(), "nobody can know");
    etcd.restart().await;
    assert_eq!(timeout(RECOVERY, asked).await.unwrap().unwrap(), Ok(()));
    let document = actors.document().await;
    assert!(document.contains("10.0.0.1:80"), "not what etcd holds: {document}");
    assert!(!document.contains("10.0.0.2"), "of the old epoch: {document}");
    etcd.put("/services/web/3", "10.0.0.3:80").await;
    actors.confirmed(SOON).await;
    actors.holds("10.0.0.3:80").await;
}

async fn a_watch_that_holds_events_back_is_not_waited_for(etcd: Etcd) {
    let actors = Actors::start(etcd.endpoint());
    actors.confirmed(SOON).await;
    etcd.faulty().faults().hold_events(true);
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    actors.confirmed(SOON).await;
    actors.holds("10.0.0.1:80").await;
    assert_eq!(actors.lists(), 2);
}

async fn a_question_in_the_middle_of_a_list_is_not_answered_by_that_list(etcd: Etcd) {
    let store = etcd.faulty().store();
    store.put_many((0..200).map(|n| (format!("/services/fleet/{n}"), "10.0.1.1:80")));
    let watcher = Arc::<Mutex<Option<Addr<EtcdWatcher>>>>::default();
    let (asked, answer) = mpsc::channel();
    let (known, late) = (Arc::clone(&watcher), Arc::clone(&store));
    // After the first page was read, and before it is answered.
    etcd.faulty().faults().delay_ranges(Duration::from_millis(500));
    etcd.faulty().faults().after_range(1, move || {
        late.put("/services/late/1", "10.0.0.1:80");
        let watcher = known.lock().unwrap().clone().expect("it was started long ago");
        asked.send(Box::pin(watcher.send(Confirm))).unwrap();
    });
    let actors = Actors::start(etcd.endpoint());
    watcher.lock().unwrap().replace(actors.watcher.clone());
    let answer = eventually(SOON, "the first page is read", async || {
        answer.try_recv().map_err(|_| "not yet".to_owned())
    })
    .await;
    assert_eq!(timeout(SOON, answer).await.unwrap().unwrap(), Ok(()));
    actors.holds("10.0.0.1:80").await;
}

async fn a_watcher_that_ends_lets_nobody_wait(mut etcd: Etcd) {
    let actors = Actors::start(etcd.endpoint());
    actors.confirmed(SOON).await;
    etcd.kill().await;
    let asked = actors.asks();
    actors.watcher.send(Stop).await.unwrap();
    // Whether the actor or its task goes first.
    let answer = timeout(SOON, asked).await.unwrap();
    assert!(!matches!(answer, Ok(Ok(()))), "{answer:?}");
    let late = timeout(SOON, actors.asks()).await.unwrap();
    assert!(matches!(late, Err(_) | Ok(Err(Unconfirmed))), "{late:?}");
}

on_both!(
    Sync::Always:
    what_was_acknowledged_before_the_question_is_in_the_registry_after_the_answer,
    a_registry_on_a_quiet_etcd_is_confirmed_without_a_list,
    everybody_is_answered_when_many_ask_at_once,
    changes_of_other_keys_keep_nobody_waiting,
    while_etcd_is_away_there_is_no_answer_and_one_once_it_is_back,
    while_the_network_is_cut_there_is_no_answer_and_one_once_it_is_whole,
    who_asks_before_the_first_list_or_in_the_middle_of_it_waits_for_what_is_true,
    a_cluster_that_is_restored_to_an_older_state_is_confirmed_in_its_new_epoch,
    a_watcher_that_ends_lets_nobody_wait,
);

mod behind {
    use super::*;

    on_both!(a_watch_that_has_much_to_catch_up_with_is_waited_for);
}

mod faulty {
    use super::*;

    on_embedded!(
        a_watch_that_holds_events_back_is_not_waited_for,
        a_question_in_the_middle_of_a_list_is_not_answered_by_that_list,
    );
}
