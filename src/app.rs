//! Composition root: starts every task in order, wires handles, drains in reverse.
//!
//! Knows everyone, known by nobody but `main`.

use std::{io, net::SocketAddr, sync::Arc};

use tracing::{error, info, warn};

use crate::{
    cli::exit,
    config::{Settings, Sources, data_folder::DataFolderError},
    telemetry::{
        shutdown::{Signal, Signals},
        systemd,
    },
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
            Self::DataFolder(DataFolderError::NotWritable { .. }) => exit::DATA_NOT_WRITABLE,
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

/// Runs until a stop signal. The data folder is there and may be written; logging is on.
///
/// # Errors
/// See [`AppError`].
pub async fn run(settings: Arc<Settings>, sources: Sources) -> Result<(), AppError> {
    let mut settings = settings;
    let mut signals = Signals::listen()?;
    let watchdog = tokio::spawn(systemd::watchdog());
    info!(version = env!("CARGO_PKG_VERSION"), data = %settings.data_dir.display(), "started");
    systemd::ready("running");
    loop {
        match signals.next().await {
            Signal::Stop => break,
            Signal::Reload => {
                systemd::reloading();
                match sources.load() {
                    Ok(loaded) => {
                        settings = Arc::new(loaded.settings);
                        info!(data = %settings.data_dir.display(), "configuration loaded again");
                    }
                    Err(faults) => {
                        for fault in &faults.0 {
                            error!("{fault}");
                        }
                        warn!("the configuration has faults; the one in force stays");
                    }
                }
                systemd::ready("running");
            }
        }
    }
    info!("stopping");
    systemd::stopping();
    watchdog.abort();
    Ok(())
}
