//! Census: the servers of the list should be members of one cluster; if they are not, which
//! cluster is meant?
//!
//! A wrong address in the list, or a member that was wiped and came back as a cluster of its
//! own, must not make the daemon follow a stranger, not even if it is the only one that
//! answers. A cluster that was created anew must be followed, also while some of its members
//! are still away.

use std::cmp::Reverse;

/// Says which cluster to follow. `answers` has the cluster id of each server of the list, in
/// its order, or `None` where it gave none; `known` is the cluster that was followed so far.
///
/// The known cluster, as long as any server belongs to it. Else the one of most servers: if
/// there was none before, of those that answer, a tie decided by the order of the list; if
/// there was one, only if it has more than half of the whole list or everyone answered.
#[must_use]
pub fn elect(known: Option<u64>, answers: &[Option<u64>]) -> Option<u64> {
    let votes = |id| answers.iter().flatten().filter(|&&answer| answer == id).count();
    if let Some(known) = known.filter(|&known| votes(known) > 0) {
        return Some(known);
    }
    let candidates = answers.iter().flatten().copied().enumerate();
    let (_, most) = candidates.max_by_key(|&(place, id)| (votes(id), Reverse(place)))?;
    let is_settled = votes(most) * 2 > answers.len() || answers.iter().all(Option::is_some);
    (known.is_none() || is_settled).then_some(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: u64 = 7;
    const NEW: u64 = 8;
    const ODD: u64 = 9;

    #[test]
    fn the_known_cluster_is_followed_as_long_as_one_server_belongs_to_it() {
        for answers in [&[Some(OLD)][..], &[Some(ODD), Some(ODD), Some(OLD)], &[None, Some(OLD)]] {
            assert_eq!(elect(Some(OLD), answers), Some(OLD), "{answers:?}");
        }
    }

    #[test]
    fn a_stranger_is_not_followed_while_the_others_are_away() {
        for answers in [&[Some(ODD), None, None][..], &[None, Some(ODD)], &[None], &[]] {
            assert_eq!(elect(Some(OLD), answers), None, "{answers:?}");
        }
    }

    #[test]
    fn a_cluster_that_was_created_anew_is_followed_once_most_of_it_answers() {
        for answers in [
            &[Some(NEW)][..],
            &[Some(NEW), Some(NEW), None],
            &[Some(ODD), Some(NEW), Some(NEW)],
            &[Some(NEW), Some(NEW)],
        ] {
            assert_eq!(elect(Some(OLD), answers), Some(NEW), "{answers:?}");
        }
    }

    #[test]
    fn at_first_the_cluster_of_most_servers_that_answer_is_meant() {
        for (answers, meant) in [
            (&[Some(ODD), Some(NEW), Some(NEW)][..], Some(NEW)),
            (&[Some(NEW), None, None], Some(NEW)),
            (&[Some(NEW), Some(ODD)], Some(NEW)),
            (&[None, None], None),
        ] {
            assert_eq!(elect(None, answers), meant, "{answers:?}");
        }
    }
}
