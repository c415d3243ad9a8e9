//! From a route to its answer.

use hyper::{
    Method, StatusCode,
    header::{self, HeaderValue},
};

use super::{
    super::{
        House, Readiness, account, api, assets, cameras, doctor, go2rtc, ice, ingest, invites,
        limits::Weight,
        people,
        reply::{self, Reply},
        routes::{NoRoute, Route, resolve, without_key},
        settings, stills, whep, whip,
    },
    Ask, farewell,
    gate::{self, forbidden},
    not_found, upgrade,
};
use crate::{
    access::Need, protocol::ErrorCode, rooms::Watch, store::Health, telemetry::metrics::metrics,
};

/// Answers a request, whatever it is.
pub(super) async fn answer(ask: Ask<'_>) -> Reply {
    let uri = ask.request.uri();
    let route = resolve(uri.path(), uri.query());
    // Before anything else: our own pages, a refusal's too, ask again for what they were opened with.
    if let Some(address) = led_to_join(&ask, &route) {
        return reply::redirect(StatusCode::FOUND, &address);
    }
    if let Some(refused) = gate::refusal(&ask, &route).await {
        return refused;
    }
    match route {
        Ok(route @ (Route::Home | Route::Page)) => file(&ask, &route, "room/index.html").await,
        // Whoever is not the owner becomes it here: by the set-up code, or by signing in.
        Ok(Route::SettingsPage) if ask.visitor.may(&Need::Owner).is_ok() => {
            file(&ask, &Route::SettingsPage, "settings/index.html").await
        }
        Ok(route @ (Route::SignIn | Route::SettingsPage)) => {
            file(&ask, &route, "signin/index.html").await
        }
        Ok(Route::DoctorPage) => file(&ask, &Route::DoctorPage, "doctor/index.html").await,
        Ok(route @ Route::CameraPage(_)) => file(&ask, &route, "camera/index.html").await,
        Ok(Route::Trust) => file(&ask, &Route::Trust, "trust/index.html").await,
        Ok(Route::Asset(path)) => file(&ask, &Route::Asset(path.clone()), &path).await,
        Ok(route) if !route.allows(ask.method().as_str()) => {
            reply::method_not_allowed(route.allow())
        }
        Ok(Route::Metrics) if !ask.settings.metrics.enabled => not_found(),
        Ok(route) => resource(ask, route).await,
        Err(NoRoute::NotFound) => not_found(),
        Err(NoRoute::NearMiss(hint)) => {
            reply::problem(StatusCode::NOT_FOUND, ErrorCode::NotFound, &hint)
        }
        Err(NoRoute::RoomName(fault)) => {
            reply::problem(StatusCode::BAD_REQUEST, ErrorCode::RoomNameInvalid, &fault)
        }
    }
}

/// The room's address without `join`, where another site's link may have it: a device joins by itself only
/// by an address that was typed, kept as a bookmark, or is on a page of ours (product contract, section 7).
/// A browser that does not say where its visitor comes from may come from anywhere.
fn led_to_join(ask: &Ask<'_>, route: &Result<Route, NoRoute>) -> Option<String> {
    if !matches!(route, Ok(Route::Home | Route::Page | Route::Moved(_))) {
        return None;
    }
    let uri = ask.request.uri();
    let query = uri.query().filter(|_| !gate::is_from_here(ask.headers()))?;
    without_key(uri.path(), query, "join")
}

async fn file(ask: &Ask<'_>, route: &Route, path: &str) -> Reply {
    let web_dir = ask.settings.http.web_dir.as_deref();
    match assets::answer(web_dir, path, ask.headers()).await {
        Some(_) if !route.allows(ask.method().as_str()) => reply::method_not_allowed(route.allow()),
        Some(reply) => reply,
        None => not_found(),
    }
}

/// The answer to a source that asks too much. Not counted here: health, which whoever looks after the
/// box asks for; what is posted to a session, and WHIP and WHEP, which count for themselves.
fn asks_too_much(ask: &Ask<'_>, route: &Route) -> Option<Reply> {
    let is_counted = match route {
        Route::Health | Route::Ready => false,
        Route::Signal => ask.method() != Method::POST,
        route => !is_of_streams(route),
    };
    let source = ask.visitor.whence.ip().into();
    let allowed = || ask.visit.house.rates.allow(source, Weight::Light);
    let sentence = is_counted.then(allowed)?.err()?;
    metrics().http_refused.inc();
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut reply = reply::problem(status, ErrorCode::RateLimited, sentence);
    reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(1));
    Some(reply)
}

/// WHIP and WHEP.
fn is_of_streams(route: &Route) -> bool {
    matches!(
        route,
        Route::Whip(_)
            | Route::WhepRoom(_)
            | Route::WhepMember(..)
            | Route::WhepCamera(_)
            | Route::Stream(_)
    )
}

/// What is no file, by a method that it has, for somebody who may have it.
async fn resource(ask: Ask<'_>, route: Route) -> Reply {
    if let Some(refused) = asks_too_much(&ask, &route) {
        return refused;
    }
    let house = &ask.visit.house;
    match route {
        Route::Moved(path) => reply::redirect(StatusCode::FOUND, &path),
        Route::Health => reply::text(StatusCode::OK, "ok"),
        Route::Ready => ready(house),
        Route::Metrics => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            reply::body(StatusCode::OK, content_type, metrics().encode())
        }
        Route::Authority => api::authority(house),
        Route::Profile => api::profile(house),
        Route::TrustCheck => api::trust_check(),
        Route::About => api::about(ask.settings),
        Route::Rooms => api::rooms(&ask).await,
        Route::Room(name) => api::room(house, &name).await.unwrap_or_else(not_found),
        Route::Addresses => api::addresses(house),
        Route::IceServers => ice::servers(&ask),
        Route::Turn => ice::turn(&ask),
        Route::Doctor => doctor::report(ask).await,
        Route::DoctorMedia => doctor::media(ask).await,
        Route::SetUp => account::set_up(ask).await,
        Route::Session if ask.method() == Method::POST => account::sign_in(ask).await,
        Route::Session if ask.method() == Method::DELETE => account::sign_out(ask).await,
        Route::Session => account::who(&ask).await,
        Route::Sessions => account::sign_out_everywhere(ask).await,
        Route::Invites | Route::Invite(_) => invites::answer(ask, &route).await,
        Route::People | Route::Person(_) => people::answer(ask, &route).await,
        Route::Settings => settings::answer(ask).await,
        Route::Audit => settings::audit(house).await,
        Route::Certificate => reply::json(&house.trust.facts()),
        Route::Leave => farewell::leave(ask).await,
        Route::Signal if ask.method() == Method::POST => upgrade::post(ask).await,
        Route::Signal => upgrade::signal(ask),
        route if is_of_streams(&route) => stream(ask, route).await,
        Route::Cameras => cameras::list(ask).await,
        Route::Camera(id) if ask.method() == Method::PATCH => cameras::change(ask, &id).await,
        Route::Camera(id) => cameras::one(house, &id).await,
        Route::CameraEvents(id) => cameras::events(&ask, id),
        Route::Snapshot(id) => stills::snapshot(ask, &id).await,
        Route::CameraStream(id) => stills::stream(ask, &id).await,
        Route::CameraSocket(id) => go2rtc::socket(ask, id),
        Route::Home
        | Route::Page
        | Route::SignIn
        | Route::SettingsPage
        | Route::DoctorPage
        | Route::CameraPage(_)
        | Route::Trust
        | Route::Asset(_)
        | Route::Whip(_)
        | Route::WhepRoom(_)
        | Route::WhepMember(..)
        | Route::WhepCamera(_)
        | Route::Stream(_) => not_found(),
    }
}

/// WHIP and WHEP. A page of another origin that is allowed may read what comes back.
async fn stream(ask: Ask<'_>, route: Route) -> Reply {
    let origin = ask.headers().get(header::ORIGIN).cloned();
    let shared = !gate::is_foreign(ask.settings, ask.host, ask.headers());
    let mut reply = match route {
        _ if ask.method() == Method::OPTIONS && !shared => {
            forbidden(ErrorCode::OriginForbidden, "http.origins lists who may use this box")
        }
        _ if ask.method() == Method::OPTIONS => {
            ingest::options(route.allow(), !matches!(route, Route::Stream(_)))
        }
        Route::Whip(room) => whip::post(ask, room).await,
        Route::WhepRoom(room) => whep::post(ask, Watch::Room(room)).await,
        Route::WhepMember(room, member) => whep::post(ask, Watch::Member(room, member)).await,
        Route::WhepCamera(id) => whep::post(ask, Watch::Label(id)).await,
        Route::Stream(id) => ingest::session(ask, &id).await,
        _ => not_found(),
    };
    if shared {
        ingest::share(&mut reply, origin.as_ref());
    }
    reply
}

fn ready(house: &House) -> Reply {
    let store = house.access.store().health().borrow().clone();
    let readiness = match (house.readiness.borrow().clone(), store) {
        (Readiness::Ready, Health::Failing(fault)) => Readiness::NotReady(fault),
        (readiness, _) => readiness,
    };
    match readiness {
        _ if *house.stopping.borrow() => {
            reply::text(StatusCode::SERVICE_UNAVAILABLE, "the box is stopping")
        }
        Readiness::Ready => reply::text(StatusCode::OK, "ready"),
        Readiness::NotReady(reason) => reply::text(StatusCode::SERVICE_UNAVAILABLE, &reason),
    }
}
