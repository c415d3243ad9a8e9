//! Stable codes of errors.

use serde::{Deserialize, Serialize};

/// Stable codes of errors, the same in signaling and in `application/problem+json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// Not JSON, not an object, or a field is missing or of the wrong type.
    MessageMalformed,
    /// The `type` is not one of [`super::CLIENT_TYPES`].
    MessageUnknown,
    /// Larger than `http.max_message`.
    MessageTooLarge,
    /// `hello` asked for another version.
    VersionUnsupported,
    /// `hello` has to come first.
    HelloMissing,
    /// The request needs a `join` before it.
    NotJoined,
    /// This socket has joined already.
    AlreadyJoined,
    /// See [`crate::ids::RoomName::parse`].
    RoomNameInvalid,
    /// See [`crate::ids::Nickname::parse`].
    NameInvalid,
    /// `rooms.max_participants` are there.
    RoomFull,
    /// Nobody new is let in.
    RoomLocked,
    /// The room has a password, and none came.
    PasswordRequired,
    /// The password is wrong: of the room, or of an account (or its name is).
    PasswordWrong,
    /// A moderator removed this client from the room.
    Removed,
    /// A moderator has to let this client in before it may ask for that.
    NotAdmitted,
    /// No line of this number is kept.
    LineUnknown,
    /// The room is not there and this client may not make it.
    RoomCreateRefused,
    /// The resume token is forged, expired or for another room.
    ResumeInvalid,
    /// The SDP was not understood.
    SdpInvalid,
    /// No codec, no ICE, no fingerprint: understood, but nothing parlor can answer.
    SdpUnacceptable,
    /// An answer without its offer, or of another generation.
    OfferUnknown,
    /// Empty or over [`super::MAX_CHAT_CHARS`].
    ChatInvalid,
    /// Nobody of that id is in the room.
    MemberUnknown,
    /// The word belongs to no direct connection that is being made or stands.
    DirectUnknown,
    /// Two people talk directly and could not be reached by way of the box yet.
    DirectKept,
    /// Nobody publishes what is to be watched.
    NothingPublished,
    /// A camera gives no picture now.
    NoPicture,
    /// `rooms.max_viewers` are watching.
    ViewersFull,
    /// The body is of another type than this resource takes.
    MediaTypeUnsupported,
    /// The request accepts no answer of the type there is.
    NotAcceptable,
    /// `If-Match` names another state than the present one.
    PreconditionFailed,
    /// `If-Match` is missing.
    PreconditionRequired,
    /// Too many requests, joins or connections from this source or by this session.
    RateLimited,
    /// Not from the LAN, or no right to do this.
    Forbidden,
    /// The page comes from elsewhere (Origin).
    OriginForbidden,
    /// This is for people with an account.
    SignInNeeded,
    /// Not the set-up code.
    SetupCodeWrong,
    /// The box has an owner.
    AlreadySetUp,
    /// Not an invite of this box.
    InviteInvalid,
    /// It has been withdrawn.
    InviteVoid,
    /// It is not good yet.
    InviteEarly,
    /// It is no longer good.
    InviteExpired,
    /// It has been used as often as it may be.
    InviteUsedUp,
    /// Not the token of the URL that the box printed.
    LocalTokenWrong,
    /// A name, a password or another value that cannot be used; the sentence says why.
    InputInvalid,
    /// The last owner stays.
    LastOwner,
    /// There are as many as may be.
    LimitReached,
    /// What is kept cannot be read or written now.
    StoreUnavailable,
    /// The request names no host, several, or one that is none.
    HostInvalid,
    /// The host that the request names is not this box.
    HostUnknown,
    /// No such resource.
    NotFound,
    /// The resource is there, the method is not.
    MethodNotAllowed,
    /// Body, header or SDP over its limit.
    TooLarge,
    /// The box is stopping.
    Stopping,
    /// A fault of ours, already logged.
    Internal,
}
