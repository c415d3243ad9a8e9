//! WHEP (draft-ietf-wish-whep), the mode in which the client offers: whoever POSTs an offer watches a
//! member, a room or a camera, and is a member of nothing.

use super::{
    handler::Ask,
    ice::Reach,
    ingest::{created, refused},
    reply::Reply,
    streams::{Denied, Stay},
    whip::name,
};
use crate::rooms::{RoomsHandle, Watch, WatchRequest};

/// `POST /whep/ROOM`, `/whep/ROOM/MEMBER`, `/c/ID/whep`
pub(super) async fn post(ask: Ask<'_>, watch: Watch) -> Reply {
    let (visit, visitor, reach) = (ask.visit, ask.visitor.clone(), Reach::of(&ask));
    let name = match name(ask.request.uri().query(), ask.headers(), "WHEP") {
        Ok(name) => name,
        Err(refusal) => return refused(refusal),
    };
    let offer = match ask.offer().await {
        Ok(offer) => offer,
        Err(refused) => return refused,
    };
    if let Err(refused) = Ask::spend_invite(visit, &visitor).await {
        return refused;
    }
    let source = visitor.whence.ip().into();
    let request = WatchRequest { watch, name, source, offer: Some(offer.as_str().into()) };
    match view(&visit.house.rooms, request, &offer).await {
        Ok((stay, answer)) => created(visit, (&visitor, &reach), stay, (offer, answer)),
        Err(refusal) => refused(refusal),
    }
}

/// Lets somebody watch by an offer; their stay and the answer.
pub(super) async fn view(
    rooms: &RoomsHandle,
    request: WatchRequest,
    offer: &str,
) -> Result<(Stay, String), Denied> {
    let seat = rooms.watch(request).await.map_err(|error| (error.code, error.message))?;
    let mut stay = Stay::Viewer { seat, revision: 0 };
    match stay.negotiate(offer).await {
        Ok(answer) => Ok((stay, answer)),
        Err(refusal) => {
            stay.leave().await;
            Err(refusal)
        }
    }
}
