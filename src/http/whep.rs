//! WHEP (draft-ietf-wish-whep), the mode in which the client offers: whoever POSTs an offer watches a
//! member, a room or a camera, and is a member of nothing.

use super::{
    handler::Ask,
    ingest::{created, refused},
    reply::Reply,
    streams::{Place, Refusal},
};
use crate::rooms::{RoomsHandle, Watch};

/// `POST /whep/ROOM`, `/whep/ROOM/MEMBER`, `/c/ID/whep`
pub(super) async fn post(ask: Ask<'_>, watch: Watch) -> Reply {
    let visit = ask.visit;
    let offer = match ask.offer().await {
        Ok(offer) => offer,
        Err(refused) => return refused,
    };
    match view(&visit.house.rooms, watch, &offer).await {
        Ok((place, answer)) => created(visit, place, offer, answer),
        Err(refusal) => refused(refusal),
    }
}

async fn view(rooms: &RoomsHandle, watch: Watch, offer: &str) -> Result<(Place, String), Refusal> {
    let seat =
        rooms.watch(watch, offer.into()).await.map_err(|error| (error.code, error.message))?;
    let mut place = Place::Viewer { seat, revision: 0 };
    match place.negotiate(offer).await {
        Ok(answer) => Ok((place, answer)),
        Err(refusal) => {
            place.leave().await;
            Err(refusal)
        }
    }
}
