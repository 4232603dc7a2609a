//! The watch service: one task for each stream, which may carry several watches.
//!
//! A watch is a position in the log and nothing more. The task reads the next
//! batch from there when the client has room for it: a slow reader only makes
//! its watches fall behind, without a queue that grows and without holding up
//! writers.

use std::collections::BTreeMap;

use etcd_client::proto::{PbWatchRequest, PbWatchRequestUnion, PbWatchResponse, PbWatchService};
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::api::Api;
use super::faults::{Order, Progress};
use super::keys::KeyRange;
use super::requests::WatchRequest;
use super::state::Batch;
use super::watcher::Watcher;

/// Responses on their way to the client. Few, for each may be megabytes.
const QUEUE: usize = 4;

type Outgoing = mpsc::Sender<Result<PbWatchResponse, Status>>;

#[async_trait]
impl PbWatchService for Api {
    type WatchStream = ReceiverStream<Result<PbWatchResponse, Status>>;

    async fn watch(
        &self,
        request: Request<Streaming<PbWatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.admit()?;
        let (out, responses) = mpsc::channel(QUEUE);
        let session = Session {
            api: self.clone(),
            watchers: BTreeMap::new(),
            progress_due: None,
            out,
            next_id: 0,
        };
        // Subscribed here, not in the task: an order given after the client has
        // its stream must reach it.
        let orders = self.faults.orders();
        self.requests.record(|seen| seen.open_streams += 1);
        tokio::spawn(session.run(request.into_inner(), orders));
        Ok(Response::new(ReceiverStream::new(responses)))
    }
}

/// One watch stream. How it tells progress: [`super::progress`].
pub(super) struct Session {
    pub(super) api: Api,
    pub(super) watchers: BTreeMap<i64, Watcher>,
    /// Progress was asked for at this revision, and will be told.
    pub(super) progress_due: Option<i64>,
    out: Outgoing,
    next_id: i64,
}

/// The client has gone.
pub(super) struct Gone;

impl Drop for Session {
    fn drop(&mut self) {
        self.api.requests.record(|seen| seen.open_streams -= 1);
    }
}

impl Session {
    async fn run(
        mut self,
        requests: Streaming<PbWatchRequest>,
        mut orders: broadcast::Receiver<Order>,
    ) {
        let out = self.out.clone();
        let inner_orders = orders.resubscribe();
        let last_word = tokio::select! {
            biased;
            status = told_to_end(&mut orders) => status,
            () = out.closed() => None,
            _ = self.serve(requests, inner_orders) => None,
        };
        if let Some(status) = last_word {
            // An error means that the client has gone.
            let _ = out.send(Err(status)).await;
        }
    }

    async fn serve(
        &mut self,
        mut requests: Streaming<PbWatchRequest>,
        mut orders: broadcast::Receiver<Order>,
    ) -> Result<(), Gone> {
        let mut changed = self.api.store.subscribe();
        let mut settings = self.api.faults.subscribe();
        let mut progress = tokio::time::interval(self.api.limits.progress_interval);
        progress.reset();
        loop {
            changed.mark_unchanged();
            settings.mark_unchanged();
            let behind = self.deliver().await?;
            self.answer_progress().await?;
            let notify = self.watchers.values().any(Watcher::notifies);
            tokio::select! {
                biased;
                Ok(order) = orders.recv() => self.obey(order).await?,
                request = requests.message() => match request {
                    Ok(Some(request)) => self.handle(request).await?,
                    _ => return Ok(()),
                },
                _ = progress.tick(), if notify => self.notify_progress().await?,
                () = std::future::ready(()), if behind => {}
                _ = changed.changed() => {}
                _ = settings.changed() => {}
            }
        }
    }

    async fn handle(&mut self, request: PbWatchRequest) -> Result<(), Gone> {
        match request.request_union {
            Some(PbWatchRequestUnion::CreateRequest(request)) => {
                self.create(WatchRequest {
                    key: request.key,
                    range_end: request.range_end,
                    start_revision: request.start_revision,
                    watch_id: request.watch_id,
                    filters: request
                        .filters
                        .into_iter()
                        .filter_map(|filter| filter.try_into().ok())
                        .collect(),
                    prev_kv: request.prev_kv,
                    progress_notify: request.progress_notify,
                    fragment: request.fragment,
                })
                .await
            }
            Some(PbWatchRequestUnion::CancelRequest(request)) => {
                if self.watchers.remove(&request.watch_id).is_none() {
                    return Ok(());
                }
                self.send(PbWatchResponse {
                    watch_id: request.watch_id,
                    canceled: true,
                    ..self.about(self.api.store.revision())
                })
                .await
            }
            Some(PbWatchRequestUnion::ProgressRequest(_)) => {
                self.progress_asked_for();
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn create(&mut self, request: WatchRequest) -> Result<(), Gone> {
        self.api.requests.record(|seen| seen.watches.push(request.clone()));
        let range = KeyRange::watched(&request.key, &request.range_end);
        if let Some(reason) = self.reason_to_refuse(&request, &range) {
            return self.refuse(reason).await;
        }
        let revision = self.api.store.revision();
        let from = match request.start_revision {
            ..=0 => revision + 1,
            from => from,
        };
        let id = self.choose_id(request.watch_id);
        let watcher = Watcher::new(request, range, from, revision);
        self.watchers.insert(id, watcher);
        self.send(PbWatchResponse { watch_id: id, created: true, ..self.about(revision) }).await
    }

    fn reason_to_refuse(&self, request: &WatchRequest, range: &KeyRange) -> Option<String> {
        if let Some(reason) = &self.api.faults.settings().watch_refusal {
            return Some(reason.clone());
        }
        if range.is_empty() {
            return Some("mvcc: watcher range is empty".into());
        }
        if request.watch_id != 0 && self.watchers.contains_key(&request.watch_id) {
            return Some("mvcc: duplicate watch ID provided on the WatchStream".into());
        }
        None
    }

    async fn refuse(&self, reason: String) -> Result<(), Gone> {
        self.send(PbWatchResponse {
            watch_id: -1,
            created: true,
            canceled: true,
            cancel_reason: reason,
            ..self.about(self.api.store.revision())
        })
        .await
    }

    fn choose_id(&mut self, wanted: i64) -> i64 {
        if wanted != 0 && self.api.faults.settings().progress != Progress::Proxied {
            return wanted;
        }
        while self.watchers.contains_key(&self.next_id) {
            self.next_id += 1;
        }
        self.next_id += 1;
        self.next_id - 1
    }

    async fn obey(&mut self, order: Order) -> Result<(), Gone> {
        match order {
            // Told to the task around this.
            Order::End(_) => {}
            Order::Cancel(reason) => {
                for id in std::mem::take(&mut self.watchers).into_keys() {
                    self.send(PbWatchResponse {
                        watch_id: id,
                        canceled: true,
                        cancel_reason: reason.clone(),
                        ..self.about(self.api.store.revision())
                    })
                    .await?;
                }
            }
            Order::Resend(from) => {
                for watcher in self.watchers.values_mut() {
                    watcher.go_back(from);
                }
            }
        }
        Ok(())
    }

    /// Sends each watch its next batch. Says whether there is more to send.
    async fn deliver(&mut self) -> Result<bool, Gone> {
        if self.api.faults.settings().events_held {
            return Ok(false);
        }
        let mut behind = false;
        let mut compacted_watches = Vec::new();
        for (&id, watcher) in &mut self.watchers {
            let Some(batch) = watcher.next_batch(&self.api) else {
                continue;
            };
            match batch {
                Batch::Compacted { compacted } => compacted_watches.push((id, compacted)),
                Batch::Changes { changes, next, revision } => {
                    behind |= next <= revision;
                    let header = Some(self.api.header(revision));
                    for (events, fragment) in watcher.fragments(&self.api, changes) {
                        let response = PbWatchResponse {
                            header,
                            watch_id: id,
                            fragment,
                            events,
                            ..PbWatchResponse::default()
                        };
                        self.out.send(Ok(response)).await.map_err(|_| Gone)?;
                    }
                }
            }
        }
        for (id, compact_revision) in compacted_watches {
            self.watchers.remove(&id);
            // A header without a revision, as etcd sends it.
            self.send(PbWatchResponse {
                watch_id: id,
                canceled: true,
                compact_revision,
                ..self.about(0)
            })
            .await?;
        }
        Ok(behind)
    }

    /// A response that says nothing but `revision`.
    pub(super) fn about(&self, revision: i64) -> PbWatchResponse {
        PbWatchResponse { header: Some(self.api.header(revision)), ..PbWatchResponse::default() }
    }

    pub(super) async fn send(&self, response: PbWatchResponse) -> Result<(), Gone> {
        self.out.send(Ok(response)).await.map_err(|_| Gone)
    }
}

/// Waits for the order to end the stream.
async fn told_to_end(orders: &mut broadcast::Receiver<Order>) -> Option<Status> {
    loop {
        match orders.recv().await {
            Ok(Order::End(status)) => return status,
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            // The server is gone, and its connections with it.
            Err(broadcast::error::RecvError::Closed) => return None,
        }
    }
}
