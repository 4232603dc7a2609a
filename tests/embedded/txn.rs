//! Transactions: compare, then one of two lists of requests, in one revision.
//!
//! As in etcd, all compares (also those of nested transactions) look at the state
//! before the first write, all requests are checked before the first is carried
//! out, and a request sees the writes of those before it.

use std::collections::HashSet;

use etcd_client::CompareOp;
use etcd_client::proto::{
    PbCompare, PbCompareTarget, PbDeleteResponse, PbPutResponse, PbRangeResponse, PbResponseOp,
    PbTargetUnion, PbTxnOpRequest, PbTxnOpResponse, PbTxnRequest, PbTxnRequestOp, PbTxnResponse,
};

use super::api::Api;
use super::errors::Error;
use super::history::KeyVersion;
use super::keys::KeyRange;
use super::kv;
use super::state::State;

/// etcd's default of `--max-txn-ops`.
const MAX_OPS: usize = 128;

/// A transaction whose compares are done: what is left to carry out.
struct Plan {
    succeeded: bool,
    steps: Vec<Step>,
}

enum Step {
    Nested(Plan),
    Request(PbTxnOpRequest),
}

impl Api {
    pub(super) fn store_txn(&self, request: PbTxnRequest) -> Result<PbTxnResponse, Error> {
        check(&request)?;
        if size(&request) > kv::MAX_REQUEST_BYTES {
            return Err(Error::RequestTooLarge);
        }
        check_disjoint(&request.success)?;
        check_disjoint(&request.failure)?;
        self.store.change(|state, revision| {
            let plan = plan(state, request);
            check_against(state, &plan)?;
            let mut response = self.carry_out(state, revision, plan);
            response.header = Some(self.header(state.revision));
            Ok(response)
        })
    }

    fn carry_out(&self, state: &mut State, revision: i64, plan: Plan) -> PbTxnResponse {
        let responses = plan.steps.into_iter().map(|step| {
            let response = match step {
                Step::Nested(plan) => {
                    PbTxnOpResponse::ResponseTxn(self.carry_out(state, revision, plan))
                }
                Step::Request(request) => self.carry_out_one(state, revision, request),
            };
            PbResponseOp { response: Some(response) }
        });
        PbTxnResponse { header: None, succeeded: plan.succeeded, responses: responses.collect() }
    }

    fn carry_out_one(
        &self,
        state: &mut State,
        revision: i64,
        request: PbTxnOpRequest,
    ) -> PbTxnOpResponse {
        match request {
            PbTxnOpRequest::RequestRange(request) => {
                let page = kv::range(state, &request).expect("checked before the first write");
                PbTxnOpResponse::ResponseRange(PbRangeResponse {
                    header: Some(self.header(state.revision)),
                    ..kv::range_response(&request, &page)
                })
            }
            PbTxnOpRequest::RequestPut(request) => {
                let response = kv::put(state, revision, request);
                PbTxnOpResponse::ResponsePut(PbPutResponse {
                    header: Some(self.header(state.revision)),
                    ..response
                })
            }
            PbTxnOpRequest::RequestDeleteRange(request) => {
                let response = kv::delete(state, revision, &request);
                PbTxnOpResponse::ResponseDeleteRange(PbDeleteResponse {
                    header: Some(self.header(state.revision)),
                    ..response
                })
            }
            PbTxnOpRequest::RequestTxn(_) => unreachable!("planned as a nested transaction"),
        }
    }
}

/// What can be said of a transaction without looking at the state.
fn check(request: &PbTxnRequest) -> Result<(), Error> {
    let most = request.compare.len();
    let most = most.max(request.success.len()).max(request.failure.len());
    if most > MAX_OPS {
        return Err(Error::TooManyOps);
    }
    if request.compare.iter().any(|compare| compare.key.is_empty()) {
        return Err(Error::EmptyKey);
    }
    for op in request.success.iter().chain(&request.failure) {
        match &op.request {
            Some(PbTxnOpRequest::RequestRange(request)) => kv::check_range(request)?,
            Some(PbTxnOpRequest::RequestPut(request)) => kv::check_put(request)?,
            Some(PbTxnOpRequest::RequestDeleteRange(request)) => kv::check_delete(request)?,
            Some(PbTxnOpRequest::RequestTxn(request)) => check(request)?,
            None => return Err(Error::KeyNotFound),
        }
    }
    Ok(())
}

/// What the puts of a transaction weigh.
fn size(request: &PbTxnRequest) -> usize {
    let ops = request.success.iter().chain(&request.failure);
    let sizes = ops.map(|op| match &op.request {
        Some(PbTxnOpRequest::RequestPut(put)) => kv::size(put),
        Some(PbTxnOpRequest::RequestTxn(nested)) => size(nested),
        _ => 0,
    });
    sizes.sum()
}

/// Refuses lists that write a key twice. Gives back the keys that the list puts
/// and the ranges that it deletes, for the list around it.
fn check_disjoint(ops: &[PbTxnRequestOp]) -> Result<(HashSet<&[u8]>, Vec<KeyRange>), Error> {
    let mut puts = HashSet::new();
    let mut deletes = Vec::new();
    for op in ops {
        if let Some(PbTxnOpRequest::RequestDeleteRange(delete)) = &op.request {
            deletes.push(KeyRange::new(&delete.key, &delete.range_end));
        }
    }
    for op in ops {
        let Some(PbTxnOpRequest::RequestTxn(nested)) = &op.request else {
            continue;
        };
        // Only one of the two is carried out: they may name the same keys.
        let (then_puts, then_deletes) = check_disjoint(&nested.success)?;
        let (else_puts, else_deletes) = check_disjoint(&nested.failure)?;
        deletes.extend(then_deletes);
        deletes.extend(else_deletes);
        let nested_puts: HashSet<_> = then_puts.union(&else_puts).copied().collect();
        add_puts(&mut puts, &deletes, nested_puts)?;
    }
    let own_puts = ops.iter().filter_map(|op| match &op.request {
        Some(PbTxnOpRequest::RequestPut(put)) => Some(&put.key[..]),
        _ => None,
    });
    add_puts(&mut puts, &deletes, own_puts)?;
    Ok((puts, deletes))
}

fn add_puts<'a>(
    puts: &mut HashSet<&'a [u8]>,
    deletes: &[KeyRange],
    more: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(), Error> {
    for key in more {
        if deletes.iter().any(|range| range.contains(key)) || !puts.insert(key) {
            return Err(Error::DuplicateKey);
        }
    }
    Ok(())
}

fn plan(state: &State, request: PbTxnRequest) -> Plan {
    let succeeded = request.compare.iter().all(|compare| holds(state, compare));
    let ops = if succeeded { request.success } else { request.failure };
    let steps = ops.into_iter().filter_map(|op| op.request);
    let steps = steps.map(|request| match request {
        PbTxnOpRequest::RequestTxn(nested) => Step::Nested(plan(state, nested)),
        request => Step::Request(request),
    });
    Plan { succeeded, steps: steps.collect() }
}

fn check_against(state: &State, plan: &Plan) -> Result<(), Error> {
    for step in &plan.steps {
        match step {
            Step::Nested(plan) => check_against(state, plan)?,
            Step::Request(PbTxnOpRequest::RequestPut(put)) => kv::check_put_against(state, put)?,
            Step::Request(PbTxnOpRequest::RequestRange(range)) => {
                state.readable(range.revision)?;
            }
            Step::Request(_) => {}
        }
    }
    Ok(())
}

fn holds(state: &State, compare: &PbCompare) -> bool {
    let range = KeyRange::new(&compare.key, &compare.range_end);
    let found = state.range(&range, 0, 0, false).map(|page| page.versions);
    match found.unwrap_or_default().as_slice() {
        // A missing key has no value, and zeros for all the rest.
        [] if compare.target == PbCompareTarget::Value as i32 => false,
        [] => holds_for(None, compare),
        found => found.iter().all(|version| holds_for(Some(version), compare)),
    }
}

fn holds_for(version: Option<&KeyVersion>, compare: &PbCompare) -> bool {
    let ordering = match PbCompareTarget::try_from(compare.target) {
        Ok(PbCompareTarget::Value) => {
            let wanted = match &compare.target_union {
                Some(PbTargetUnion::Value(value)) => value.as_slice(),
                _ => &[],
            };
            version.map_or(&[][..], |v| &v.value).cmp(wanted)
        }
        Ok(target) => number(version, target).cmp(&wanted_number(compare)),
        Err(_) => return false,
    };
    match CompareOp::try_from(compare.result) {
        Ok(CompareOp::Equal) => ordering.is_eq(),
        Ok(CompareOp::Greater) => ordering.is_gt(),
        Ok(CompareOp::Less) => ordering.is_lt(),
        Ok(CompareOp::NotEqual) => ordering.is_ne(),
        Err(_) => false,
    }
}

fn number(version: Option<&KeyVersion>, target: PbCompareTarget) -> i64 {
    version.map_or(0, |version| match target {
        PbCompareTarget::Version => version.version,
        PbCompareTarget::Create => version.create_revision,
        PbCompareTarget::Mod => version.mod_revision,
        PbCompareTarget::Lease => version.lease,
        PbCompareTarget::Value => 0,
    })
}

fn wanted_number(compare: &PbCompare) -> i64 {
    match compare.target_union {
        Some(
            PbTargetUnion::Version(n)
            | PbTargetUnion::CreateRevision(n)
            | PbTargetUnion::ModRevision(n)
            | PbTargetUnion::Lease(n),
        ) => n,
        Some(PbTargetUnion::Value(_)) | None => 0,
    }
}
