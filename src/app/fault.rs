//! What ends the service or keeps it from starting, what the operator is told, and the exit code.

use std::{
    io,
    net::{Ipv6Addr, SocketAddr},
};

use crate::{
    boot::data_folder::DataFolderError, cli::exit, http, sfu, store::BackupError,
    telemetry::port_holder, trust, turn,
};

/// Why the service ended, or never began; each kind has its exit code.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// 71
    #[error(
        "{protocol} {address} is in use{}; stop that, or choose another address for {key}",
        holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default()
    )]
    AddressInUse {
        /// `tcp` or `udp`.
        protocol: &'static str,
        /// Which address could not be bound.
        address: SocketAddr,
        /// The key it was written at: `http.listen`, `media.ports`.
        key: &'static str,
        /// The process that has it, where the system tells.
        holder: Option<String>,
    },
    /// 65 or 73
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// 65, where a backup is none or a newer one; else 73
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// 78: found only when it was tried, such as a certificate that is none.
    #[error("{0}")]
    Configuration(String),
    /// 70
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

impl AppError {
    /// The process's exit code (product contract, section 2).
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::AddressInUse { .. } => exit::ADDRESS_IN_USE,
            Self::DataFolder(DataFolderError::Newer { .. }) => exit::DATA_NEWER,
            Self::DataFolder(
                DataFolderError::NotWritable { .. } | DataFolderError::InUse { .. },
            ) => exit::DATA_NOT_WRITABLE,
            Self::Backup(BackupError::Newer { .. } | BackupError::Foreign { .. }) => {
                exit::DATA_NEWER
            }
            Self::Backup(_) => exit::DATA_NOT_WRITABLE,
            Self::Configuration(_) => exit::CONFIGURATION,
            Self::Internal(_) => exit::INTERNAL,
        }
    }
}

impl From<io::Error> for AppError {
    fn from(error: io::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// What a fault of the box's keys means for the process.
pub fn trust_error(error: trust::TrustError) -> AppError {
    match error {
        trust::TrustError::Given { .. } => AppError::Configuration(error.to_string()),
        trust::TrustError::File { path, source } => {
            AppError::DataFolder(DataFolderError::NotWritable { path, attempt: "used", source })
        }
        error => AppError::Internal(error.into()),
    }
}

pub(super) fn media_error(error: sfu::StartError) -> AppError {
    match error {
        sfu::StartError::PortInUse { protocol, port } => AppError::AddressInUse {
            protocol,
            address: (Ipv6Addr::UNSPECIFIED, port).into(),
            key: "media.ports",
            holder: port_holder(protocol, port),
        },
        error => AppError::Internal(error.into()),
    }
}

pub(super) fn turn_error(error: turn::StartError) -> AppError {
    match error {
        turn::StartError::InUse { protocol, address, holder } => {
            AppError::AddressInUse { protocol, address, key: "turn.listen", holder }
        }
        error @ turn::StartError::Refused { .. } => {
            AppError::Configuration(format!("turn.listen: {error}"))
        }
        error @ turn::StartError::Failed(_) => AppError::Internal(error.into()),
    }
}

pub(super) fn bind_error(error: http::BindError) -> AppError {
    match error {
        http::BindError::InUse { address, holder } => {
            AppError::AddressInUse { protocol: "tcp", address, key: "http.listen", holder }
        }
        error @ http::BindError::Refused { .. } => {
            AppError::Configuration(format!("http.listen: {error}"))
        }
    }
}
