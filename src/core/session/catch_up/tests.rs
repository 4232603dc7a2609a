use proptest::prelude::*;

use super::*;

const TICK: Duration = Duration::from_millis(100);

/// A registry of so many keys, and what etcd of a machine of two cores takes for them.
fn listed(keys: usize) -> CatchUp {
    let mut catch_up = CatchUp::default();
    catch_up.listed(keys, times(Duration::from_nanos(2_500), keys as u64));
    catch_up
}

/// A member that is ahead by revisions of which each so-manieth is ours, replays them as etcd
/// does: how long it takes until the registry knows all or a list was chosen, and which of
/// both.
fn replay(catch_up: &mut CatchUp, ahead: u64, ours: u64, now: &mut Instant) -> Option<Duration> {
    let begun = *now;
    if catch_up.connected(ahead, *now).is_some() {
        return Some(Duration::ZERO);
    }
    catch_up.asks(*now);
    catch_up.begins(ahead);
    let mut left = ahead;
    while left > 0 {
        *now += times(READ_THROUGH, left) * 3 / 2;
        let told = (left / ours).min(STEP);
        let is_last = told < STEP;
        let through = if is_last { left } else { told * ours };
        left -= through;
        let step = Step { told, through, ahead: left };
        if told > 0 && catch_up.told(step, *now).is_some() {
            return Some(*now - begun);
        }
        *now += TICK;
    }
    None
}

#[test]
fn the_quicker_way_is_taken_whatever_the_others_write() {
    for (keys, ahead, ours, relists) in [
        (0, 0, 1, false),
        // A short outage of any fleet.
        (100, 1_000, 1, false),
        (100_000, 1_000, 1, false),
        (100_000, 3_000, 1, false),
        (1_000_000, 30_000, 1, false),
        // A long one.
        (100, 20_000, 1, true),
        (100_000, 20_000, 1, true),
        (100_000, 200_000, 1, true),
        (1_000_000, 200_000, 1, true),
        // A cluster that is busy elsewhere: with nothing of ours, and with little.
        (100, 90_000, u64::MAX, false),
        (100_000, 90_000, u64::MAX, false),
        (100_000, 90_000, 100, false),
        (1_000_000, 900_000, u64::MAX, false),
        // With much of ours, too.
        (100_000, 90_000, 10, true),
        // So much that a list is hardly more work than reading through it.
        (100, 200_000, u64::MAX, true),
        (100_000, 200_000, u64::MAX, true),
        (1_000_000, 4_000_000, u64::MAX, true),
    ] {
        let mut now = Instant::now();
        let took = replay(&mut listed(keys), ahead, ours, &mut now);
        let case = format!("{keys} keys, {ahead} revisions, one of {ours} ours: {took:?}");
        assert_eq!(took.is_some(), relists, "{case}");
        assert!(took.unwrap_or_default() < Duration::from_secs(1), "{case}");
    }
}

#[test]
fn the_reason_says_the_numbers() {
    let mut catch_up = listed(100_000);
    let now = Instant::now();
    catch_up.asks(now);
    catch_up.begins(200_000);
    let step = Step { told: 1_000, through: 1_000, ahead: 199_000 };
    let reason = catch_up.told(step, now + Duration::from_millis(200)).expect("a list");
    assert_eq!(
        reason.to_string(),
        "199000 revisions behind etcd: the watch may take 39.8 s to catch up, a list of \
         100000 keys about 0.2 s"
    );
}

#[test]
fn a_list_that_was_slow_is_asked_for_less() {
    let mut catch_up = listed(100_000);
    catch_up.listed(100_000, Duration::from_secs(60));
    assert_eq!(replay(&mut catch_up, 200_000, 10, &mut Instant::now()), None);
}

#[test]
fn a_registry_that_has_grown_since_its_list_is_reckoned_with() {
    let mut catch_up = listed(0);
    catch_up.holds(1_000_000);
    assert_eq!(replay(&mut catch_up, 20_000, 1, &mut Instant::now()), None);
}

#[test]
fn a_server_that_tells_quickly_is_listened_to() {
    let mut catch_up = listed(10_000);
    let mut now = Instant::now();
    for left in (0..1_000).rev() {
        now += Duration::from_micros(400);
        let step = Step { told: STEP, through: STEP, ahead: left * STEP };
        assert_eq!(catch_up.told(step, now), None, "{left}");
    }
}

#[test]
fn a_watch_that_falls_behind_while_it_runs_is_judged_by_its_pace() {
    let mut catch_up = listed(100_000);
    let mut now = Instant::now();
    // Nothing happened for an hour.
    catch_up.asks(now);
    catch_up.begins(0);
    now += Duration::from_secs(3600);
    let step = Step { told: STEP, through: STEP, ahead: 30_000 };
    assert_eq!(catch_up.told(step, now), None, "one step has no pace");
    assert!(catch_up.told(step, now + 2 * TICK).is_some());
}

#[test]
fn events_that_come_as_they_happen_are_no_reason() {
    let mut catch_up = listed(10);
    let mut now = Instant::now();
    // All that there was of ours, and all that there was.
    for (told, ahead) in [(1, 0), (1, 1_000_000), (999, 1_000_000), (5_000, 0)].repeat(5) {
        now += TICK;
        let step = Step { told, through: told, ahead };
        assert_eq!(catch_up.told(step, now), None, "{step:?}");
    }
}

#[test]
fn under_more_writes_than_any_watch_is_told_lists_take_a_tenth_of_the_time() {
    const LIST: Duration = Duration::from_millis(250);
    let mut catch_up = CatchUp::default();
    catch_up.listed(100_000, LIST);
    let begun = Instant::now();
    let (mut now, mut lists) = (begun, 0);
    while now - begun < Duration::from_secs(600) {
        catch_up.asks(now);
        catch_up.begins(25_000);
        let mut ahead = 25_000;
        loop {
            now += TICK;
            ahead += 1_500;
            if catch_up.told(Step { told: STEP, through: STEP, ahead }, now).is_some() {
                break;
            }
        }
        lists += 1;
        now += LIST;
        catch_up.listed(100_000, LIST);
    }
    assert!(lists * LIST <= (now - begun) / 10 + LIST, "{lists} lists");
    assert!(lists > 200, "they are what keeps it near: {lists} lists");
}

proptest! {
    #[test]
    fn few_revisions_never_make_a_list(
        keys in 0usize..2_000_000,
        ahead in 0u64..4_000,
        ours in 1u64..1_000,
    ) {
        prop_assert_eq!(replay(&mut listed(keys), ahead, ours, &mut Instant::now()), None);
    }

    #[test]
    fn whoever_goes_on_with_the_watch_waits_hardly_longer_than_for_a_list(
        keys in 0usize..2_000_000,
        ahead in 0u64..1_000_000,
        ours in 1u64..1_000,
    ) {
        let mut catch_up = listed(keys);
        let mut now = Instant::now();
        let begun = now;
        if replay(&mut catch_up, ahead, ours, &mut now).is_none() {
            let list = catch_up.list_took;
            // As the reading gets quicker on the way, no more than foreseen; to that comes what
            // was read before there was a pace.
            let most = (list * 2).max(NOTICEABLE) + 4 * TICK + times(READ_THROUGH, ahead) * 3;
            prop_assert!(now - begun <= most, "{:?} instead of {:?}", now - begun, list);
        }
    }

    #[test]
    fn no_list_follows_another_before_ten_times_its_own_time(
        keys in 0usize..2_000_000,
        steps in prop::collection::vec((0u64..5_000, 0u64..1_000_000, 0u64..2_000_000, 0u64..3_000), 1..100),
    ) {
        let mut catch_up = listed(keys);
        let pause = catch_up.list_took * PAUSE;
        let mut now = Instant::now();
        let mut last = None;
        for (told, others, ahead, after) in steps {
            now += Duration::from_millis(after);
            let step = Step { told, through: told + others, ahead };
            let chosen = catch_up.told(step, now).or_else(|| catch_up.connected(ahead, now));
            if chosen.is_some() {
                prop_assert!(last.is_none_or(|last| now - last >= pause));
                last = Some(now);
            }
        }
    }
}
