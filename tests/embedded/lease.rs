//! The lease service. When a lease ends by itself: [`super::store::Store::expire_leases`].

use etcd_client::proto::{
    PbLeaseGrantRequest, PbLeaseGrantResponse, PbLeaseKeepAliveRequest, PbLeaseKeepAliveResponse,
    PbLeaseLeasesRequest, PbLeaseLeasesResponse, PbLeaseRevokeRequest, PbLeaseRevokeResponse,
    PbLeaseService, PbLeaseStatus, PbLeaseTimeToLiveRequest, PbLeaseTimeToLiveResponse,
};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::api::Api;

#[async_trait]
impl PbLeaseService for Api {
    async fn lease_grant(
        &self,
        request: Request<PbLeaseGrantRequest>,
    ) -> Result<Response<PbLeaseGrantResponse>, Status> {
        self.admit()?;
        let request = request.into_inner();
        let (id, ttl) = self.store.grant_as(request.id, request.ttl)?;
        Ok(Response::new(PbLeaseGrantResponse {
            header: Some(self.header(self.store.revision())),
            id,
            ttl,
            error: String::new(),
        }))
    }

    async fn lease_revoke(
        &self,
        request: Request<PbLeaseRevokeRequest>,
    ) -> Result<Response<PbLeaseRevokeResponse>, Status> {
        self.admit()?;
        let revision = self.store.revoke(request.into_inner().id)?;
        Ok(Response::new(PbLeaseRevokeResponse { header: Some(self.header(revision)) }))
    }

    type LeaseKeepAliveStream = ReceiverStream<Result<PbLeaseKeepAliveResponse, Status>>;

    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<PbLeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        self.admit()?;
        let mut requests = request.into_inner();
        let (out, responses) = mpsc::channel(1);
        let api = self.clone();
        tokio::spawn(async move {
            while let Ok(Some(request)) = requests.message().await {
                // A TTL of 0 says that there is no such lease.
                let ttl = api.store.keep_alive(request.id).unwrap_or(0);
                let response = PbLeaseKeepAliveResponse {
                    header: Some(api.header(api.store.revision())),
                    id: request.id,
                    ttl,
                };
                if out.send(Ok(response)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(responses)))
    }

    async fn lease_time_to_live(
        &self,
        request: Request<PbLeaseTimeToLiveRequest>,
    ) -> Result<Response<PbLeaseTimeToLiveResponse>, Status> {
        self.admit()?;
        let request = request.into_inner();
        let response = self.store.read(|state| {
            let header = Some(self.header(state.revision));
            let Some(lease) = state.leases.get(request.id) else {
                return PbLeaseTimeToLiveResponse {
                    header,
                    id: request.id,
                    ttl: -1,
                    ..PbLeaseTimeToLiveResponse::default()
                };
            };
            let keys = lease.keys.iter().filter(|_| request.keys);
            PbLeaseTimeToLiveResponse {
                header,
                id: request.id,
                ttl: lease.remaining(Instant::now()),
                granted_ttl: lease.ttl,
                keys: keys.map(|key| key.to_vec()).collect(),
            }
        });
        Ok(Response::new(response))
    }

    async fn lease_leases(
        &self,
        _: Request<PbLeaseLeasesRequest>,
    ) -> Result<Response<PbLeaseLeasesResponse>, Status> {
        self.admit()?;
        let response = self.store.read(|state| PbLeaseLeasesResponse {
            header: Some(self.header(state.revision)),
            leases: state.leases.ids().map(|id| PbLeaseStatus { id }).collect(),
        });
        Ok(Response::new(response))
    }
}
