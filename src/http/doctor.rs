//! What the doctor tells: the box's report, and the answer to an offer that tries whether media comes in.

use std::sync::Arc;

use hyper::{HeaderMap, StatusCode};

use super::{
    handler::{Ask, foreign, not_found, read_body},
    ingest::{refused, takes_sdp},
    limits::Weight,
    reply::{self, Reply},
};
use crate::{
    doctor::{DoctorHandle, NoMedia},
    protocol::ErrorCode,
};

/// `GET /api/v1/doctor`
pub(super) async fn report(ask: Ask<'_>) -> Reply {
    match prepared(&ask, Weight::Heard) {
        Ok(doctor) => reply::json(&*doctor.report().await),
        Err(refused) => *refused,
    }
}

/// `POST /api/v1/doctor/media`: an offer (SDP) in, its answer out.
pub(super) async fn media(ask: Ask<'_>) -> Reply {
    let headers: &HeaderMap = ask.headers();
    if let Some(refused) = foreign(ask.settings, ask.host, headers) {
        return refused;
    }
    if let Err(denied) = takes_sdp(headers) {
        return refused(denied);
    }
    let doctor = match prepared(&ask, Weight::Media) {
        Ok(doctor) => doctor,
        Err(refused) => return *refused,
    };
    let limit = (ask.settings.http.max_sdp, "http.max_sdp");
    let settings = Arc::clone(&ask.visit.house.settings());
    let offer = match read_body(&settings, limit, ask.request.into_body()).await {
        Ok(body) => String::from_utf8_lossy(&body).into_owned(),
        Err(refused) => return refused,
    };
    match doctor.try_media(&offer).await {
        Ok(answer) => reply::body(StatusCode::CREATED, "application/sdp", answer.to_string()),
        Err(NoMedia::Busy) => reply::problem(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::LimitReached,
            &NoMedia::Busy.to_string(),
        ),
        Err(NoMedia::Silent) => refused((ErrorCode::Internal, NoMedia::Silent.to_string())),
        Err(NoMedia::Refused(error)) => refused((error.code(), error.to_string())),
    }
}

/// The doctor, if the box has one and this source may ask it now.
fn prepared(ask: &Ask<'_>, weight: Weight) -> Result<DoctorHandle, Box<Reply>> {
    let house = &ask.visit.house;
    let doctor = house.doctor.clone().ok_or_else(|| Box::new(not_found()))?;
    let allowed = house.rates.allow(ask.visitor.whence.ip().into(), weight);
    allowed.map_err(|detail| Box::new(refused((ErrorCode::RateLimited, detail.into()))))?;
    Ok(doctor)
}
