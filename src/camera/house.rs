//! The seam between a camera and the rooms: what a supervisor needs of them, and no more.
//!
//! [`RoomsHandle`] is the house; a test brings one of its own with a peer behind it. Cameras are not
//! special to the rooms (invariant 3): all of this is what any member may do.

use std::future::Future;

use crate::{
    protocol::Request,
    rooms::{JoinError, JoinRequest, RoomsHandle, Seat, SeatClosed, Trouble},
};

/// Where members are taken in.
pub trait House: Clone + Send + Sync + 'static {
    /// What a member gets.
    type Place: Place;
    /// Enters a room.
    fn join(
        &self,
        request: JoinRequest,
    ) -> impl Future<Output = Result<Self::Place, JoinError>> + Send;
}

/// A member's place in a room.
pub trait Place: Send + 'static {
    /// Passes a request on; its answer comes by the outbox.
    fn request(&self, request: Request) -> impl Future<Output = Result<(), SeatClosed>> + Send;
    /// Tells viewers why there is no picture, or that there is one again.
    fn fault(
        &self,
        trouble: Option<Trouble>,
    ) -> impl Future<Output = Result<(), SeatClosed>> + Send;
    /// Goes at once.
    fn leave(self) -> impl Future<Output = ()> + Send;
}

impl House for RoomsHandle {
    type Place = Seat;
    async fn join(&self, request: JoinRequest) -> Result<Seat, JoinError> {
        Self::join(self, request).await
    }
}

impl Place for Seat {
    async fn request(&self, request: Request) -> Result<(), SeatClosed> {
        Self::request(self, request).await
    }
    async fn fault(&self, trouble: Option<Trouble>) -> Result<(), SeatClosed> {
        Self::fault(self, trouble).await
    }
    async fn leave(self) {
        Self::leave(self).await;
    }
}
