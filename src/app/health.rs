//! Pings the actors, so that those who look on know whether they answer.

use std::sync::Arc;
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler};
use tokio::time::sleep;

use crate::actors::ping::{Named, Ping};
use crate::board::Board;

/// From an answer to the next ping.
const PERIOD: Duration = Duration::from_millis(500);

/// From now on the board says when this actor last answered. Ends with the actor.
pub(super) fn watch<A>(actor: &Addr<A>, board: &Arc<Board>)
where
    A: Actor + Named + Handler<Ping>,
    A::Context: ToEnvelope<A, Ping>,
{
    let (actor, pulse) = (actor.clone().recipient(), board.add_actor(A::NAME));
    actix::spawn(async move {
        while actor.send(Ping).await.is_ok() {
            pulse.beat();
            sleep(PERIOD).await;
        }
    });
}
