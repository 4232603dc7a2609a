//! The KV service: ranges, puts, deletions, compaction. Transactions: [`super::txn`].

use std::cmp::Ordering;
use std::sync::Arc;

use etcd_client::proto::{
    PbCompactionRequest, PbCompactionResponse, PbDeleteRequest, PbDeleteResponse, PbKeyValue,
    PbKvService, PbPutRequest, PbPutResponse, PbRangeRequest, PbRangeResponse,
    PbRangeStreamResponse, PbTxnRequest, PbTxnResponse,
};
use etcd_client::{SortOrder, SortTarget};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, async_trait};

use super::api::Api;
use super::errors::Error;
use super::history::KeyVersion;
use super::keys::KeyRange;
use super::requests::RangeRequest;
use super::state::{Page, State};

#[async_trait]
impl PbKvService for Api {
    async fn range(
        &self,
        request: Request<PbRangeRequest>,
    ) -> Result<Response<PbRangeResponse>, Status> {
        let request = request.into_inner();
        let response = self.answer_range(&request).await;
        let returned = response.as_ref().ok().map(|response| response.kvs.len());
        self.requests.record(|seen| {
            seen.ranges.push(RangeRequest {
                key: request.key,
                range_end: request.range_end,
                limit: request.limit,
                revision: request.revision,
                returned,
            });
        });
        response.map(Response::new)
    }

    type RangeStreamStream = ReceiverStream<Result<PbRangeStreamResponse, Status>>;

    async fn range_stream(
        &self,
        _: Request<PbRangeRequest>,
    ) -> Result<Response<Self::RangeStreamStream>, Status> {
        Err(Status::unimplemented("unknown method RangeStream for service etcdserverpb.KV"))
    }

    async fn put(&self, request: Request<PbPutRequest>) -> Result<Response<PbPutResponse>, Status> {
        self.admit()?;
        let request = request.into_inner();
        check_put(&request)?;
        let (revision, response) = self.store.change(|state, revision| {
            check_put_against(state, &request)?;
            Ok::<_, Error>((revision, put(state, revision, request)))
        })?;
        Ok(Response::new(PbPutResponse { header: Some(self.header(revision)), ..response }))
    }

    async fn delete_range(
        &self,
        request: Request<PbDeleteRequest>,
    ) -> Result<Response<PbDeleteResponse>, Status> {
        self.admit()?;
        let request = request.into_inner();
        check_delete(&request)?;
        let (revision, response) = self.store.change(|state, revision| {
            let response = delete(state, revision, &request);
            (state.revision, response)
        });
        Ok(Response::new(PbDeleteResponse { header: Some(self.header(revision)), ..response }))
    }

    async fn txn(&self, request: Request<PbTxnRequest>) -> Result<Response<PbTxnResponse>, Status> {
        self.admit()?;
        let response = self.store_txn(request.into_inner())?;
        Ok(Response::new(response))
    }

    async fn compact(
        &self,
        request: Request<PbCompactionRequest>,
    ) -> Result<Response<PbCompactionResponse>, Status> {
        self.admit()?;
        self.store.compact(request.into_inner().revision)?;
        Ok(Response::new(PbCompactionResponse { header: Some(self.header(self.store.revision())) }))
    }
}

impl Api {
    async fn answer_range(&self, request: &PbRangeRequest) -> Result<PbRangeResponse, Status> {
        self.admit()?;
        let number = self.faults.before_range().await?;
        check_range(request)?;
        let (revision, page) =
            self.store.read(|state| range(state, request).map(|page| (state.revision, page)))?;
        self.faults.after_reading_range(number);
        Ok(PbRangeResponse {
            header: Some(self.header(revision)),
            ..range_response(request, &page)
        })
    }
}

/// etcd's default of `--max-request-bytes`.
pub(super) const MAX_REQUEST_BYTES: usize = 1_536 * 1_024;

pub(super) fn check_range(request: &PbRangeRequest) -> Result<(), Error> {
    if request.key.is_empty() {
        return Err(Error::EmptyKey);
    }
    if !SortOrder::is_valid(request.sort_order) || !SortTarget::is_valid(request.sort_target) {
        return Err(Error::InvalidSortOption);
    }
    Ok(())
}

pub(super) fn check_put(request: &PbPutRequest) -> Result<(), Error> {
    if request.key.is_empty() {
        return Err(Error::EmptyKey);
    }
    if size(request) > MAX_REQUEST_BYTES {
        return Err(Error::RequestTooLarge);
    }
    if request.ignore_value && !request.value.is_empty() {
        return Err(Error::ValueProvided);
    }
    if request.ignore_lease && request.lease != 0 {
        return Err(Error::LeaseProvided);
    }
    Ok(())
}

/// What a put weighs, but for a few bytes.
pub(super) fn size(request: &PbPutRequest) -> usize {
    request.key.len() + request.value.len()
}

pub(super) fn check_delete(request: &PbDeleteRequest) -> Result<(), Error> {
    if request.key.is_empty() {
        return Err(Error::EmptyKey);
    }
    Ok(())
}

/// What only the state can say of a put.
pub(super) fn check_put_against(state: &State, request: &PbPutRequest) -> Result<(), Error> {
    if (request.ignore_value || request.ignore_lease) && state.get(&request.key).is_none() {
        return Err(Error::KeyNotFound);
    }
    if request.lease != 0 && state.leases.get(request.lease).is_none() {
        return Err(Error::LeaseNotFound);
    }
    Ok(())
}

pub(super) fn range(state: &State, request: &PbRangeRequest) -> Result<Page, Error> {
    let range = KeyRange::new(&request.key, &request.range_end);
    let limit = usize::try_from(request.limit).unwrap_or(0);
    if !is_sorted(request) && !is_filtered(request) {
        return state.range(&range, request.revision, limit, request.count_only);
    }
    // What comes first is known only when all are seen.
    let mut page = state.range(&range, request.revision, 0, request.count_only)?;
    page.versions.retain(|version| passes(request, version));
    sort(request, &mut page.versions);
    if limit > 0 && page.versions.len() > limit {
        page.versions.truncate(limit);
        page.more = true;
    }
    Ok(page)
}

fn is_sorted(request: &PbRangeRequest) -> bool {
    request.sort_order == SortOrder::Descend as i32 || request.sort_target != SortTarget::Key as i32
}

fn is_filtered(request: &PbRangeRequest) -> bool {
    request.min_mod_revision != 0
        || request.max_mod_revision != 0
        || request.min_create_revision != 0
        || request.max_create_revision != 0
}

fn passes(request: &PbRangeRequest, version: &KeyVersion) -> bool {
    let within = |revision, min, max| min <= revision && (max == 0 || revision <= max);
    within(version.mod_revision, request.min_mod_revision, request.max_mod_revision)
        && within(version.create_revision, request.min_create_revision, request.max_create_revision)
}

fn sort(request: &PbRangeRequest, versions: &mut [Arc<KeyVersion>]) {
    let compare = |a: &Arc<KeyVersion>, b: &Arc<KeyVersion>| -> Ordering {
        match SortTarget::try_from(request.sort_target) {
            Ok(SortTarget::Version) => a.version.cmp(&b.version),
            Ok(SortTarget::Create) => a.create_revision.cmp(&b.create_revision),
            Ok(SortTarget::Mod) => a.mod_revision.cmp(&b.mod_revision),
            Ok(SortTarget::Value) => a.value.cmp(&b.value),
            Ok(SortTarget::Key) | Err(_) => a.key.cmp(&b.key),
        }
    };
    if request.sort_order == SortOrder::Descend as i32 {
        versions.sort_by(|a, b| compare(b, a));
    } else {
        versions.sort_by(compare);
    }
}

/// The response without its header, which only the outermost request has.
pub(super) fn range_response(request: &PbRangeRequest, page: &Page) -> PbRangeResponse {
    let kvs = page.versions.iter().map(|version| {
        let mut kv = key_value(version);
        if request.keys_only {
            kv.value = Vec::new();
        }
        kv
    });
    PbRangeResponse {
        header: None,
        kvs: kvs.collect(),
        more: page.more,
        count: i64::try_from(page.count).unwrap_or(i64::MAX),
    }
}

pub(super) fn put(state: &mut State, revision: i64, request: PbPutRequest) -> PbPutResponse {
    let kept = state.get(&request.key);
    let value = match kept {
        Some(kept) if request.ignore_value => kept.value.clone(),
        _ => request.value.into(),
    };
    let lease = match kept {
        Some(kept) if request.ignore_lease => kept.lease,
        _ => request.lease,
    };
    let before = state.put(revision, &request.key, value, lease);
    let before = before.filter(|_| request.prev_kv);
    PbPutResponse { header: None, prev_kv: before.as_deref().map(key_value) }
}

pub(super) fn delete(
    state: &mut State,
    revision: i64,
    request: &PbDeleteRequest,
) -> PbDeleteResponse {
    let range = KeyRange::new(&request.key, &request.range_end);
    let before = state.delete(revision, &range);
    let shown = if request.prev_kv { &before[..] } else { &[] };
    PbDeleteResponse {
        header: None,
        deleted: i64::try_from(before.len()).unwrap_or(i64::MAX),
        prev_kvs: shown.iter().map(|version| key_value(version)).collect(),
    }
}

pub(super) fn key_value(version: &KeyVersion) -> PbKeyValue {
    PbKeyValue {
        key: version.key.to_vec(),
        create_revision: version.create_revision,
        mod_revision: version.mod_revision,
        version: version.version,
        value: version.value.to_vec(),
        lease: version.lease,
    }
}
