//! The cluster and maintenance services, as far as clients ask before they start.

use etcd_client::proto::{
    PbAlarmRequest, PbAlarmResponse, PbClusterService, PbDefragmentRequest, PbDefragmentResponse,
    PbDowngradeRequest, PbDowngradeResponse, PbHashKvRequest, PbHashKvResponse, PbHashRequest,
    PbHashResponse, PbMaintenanceService, PbMember, PbMemberAddRequest, PbMemberAddResponse,
    PbMemberListRequest, PbMemberListResponse, PbMemberPromoteRequest, PbMemberPromoteResponse,
    PbMemberRemoveRequest, PbMemberRemoveResponse, PbMemberUpdateRequest, PbMemberUpdateResponse,
    PbMoveLeaderRequest, PbMoveLeaderResponse, PbSnapshotRequest, PbSnapshotResponse,
    PbStatusRequest, PbStatusResponse,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, async_trait};

use super::api::Api;

type Answer<T> = Result<Response<T>, Status>;

fn no_such_thing<T>() -> Answer<T> {
    Err(Status::unimplemented("the embedded registry has one fixed member"))
}

#[async_trait]
impl PbClusterService for Api {
    async fn member_list(&self, _: Request<PbMemberListRequest>) -> Answer<PbMemberListResponse> {
        self.admit()?;
        let member =
            PbMember { id: self.member_id, name: "embedded".into(), ..PbMember::default() };
        Ok(Response::new(PbMemberListResponse {
            header: Some(self.header(0)),
            members: vec![member],
        }))
    }

    async fn member_add(&self, _: Request<PbMemberAddRequest>) -> Answer<PbMemberAddResponse> {
        no_such_thing()
    }

    async fn member_remove(
        &self,
        _: Request<PbMemberRemoveRequest>,
    ) -> Answer<PbMemberRemoveResponse> {
        no_such_thing()
    }

    async fn member_update(
        &self,
        _: Request<PbMemberUpdateRequest>,
    ) -> Answer<PbMemberUpdateResponse> {
        no_such_thing()
    }

    async fn member_promote(
        &self,
        _: Request<PbMemberPromoteRequest>,
    ) -> Answer<PbMemberPromoteResponse> {
        no_such_thing()
    }
}

#[async_trait]
impl PbMaintenanceService for Api {
    async fn status(&self, _: Request<PbStatusRequest>) -> Answer<PbStatusResponse> {
        self.admit()?;
        if self.faults.settings().status_refused {
            return Err(Status::permission_denied("etcdserver: permission denied"));
        }
        Ok(Response::new(PbStatusResponse {
            header: Some(self.header(self.store.revision())),
            // The release whose behaviour it follows.
            version: "3.5.0".into(),
            leader: self.member_id,
            raft_term: 2,
            ..PbStatusResponse::default()
        }))
    }

    async fn alarm(&self, _: Request<PbAlarmRequest>) -> Answer<PbAlarmResponse> {
        self.admit()?;
        Ok(Response::new(PbAlarmResponse {
            header: Some(self.header(self.store.revision())),
            alarms: Vec::new(),
        }))
    }

    async fn defragment(&self, _: Request<PbDefragmentRequest>) -> Answer<PbDefragmentResponse> {
        no_such_thing()
    }

    async fn hash(&self, _: Request<PbHashRequest>) -> Answer<PbHashResponse> {
        no_such_thing()
    }

    async fn hash_kv(&self, _: Request<PbHashKvRequest>) -> Answer<PbHashKvResponse> {
        no_such_thing()
    }

    type SnapshotStream = ReceiverStream<Result<PbSnapshotResponse, Status>>;

    async fn snapshot(&self, _: Request<PbSnapshotRequest>) -> Answer<Self::SnapshotStream> {
        no_such_thing()
    }

    async fn move_leader(&self, _: Request<PbMoveLeaderRequest>) -> Answer<PbMoveLeaderResponse> {
        no_such_thing()
    }

    async fn downgrade(&self, _: Request<PbDowngradeRequest>) -> Answer<PbDowngradeResponse> {
        no_such_thing()
    }
}
