//! The task that keeps the certificate in force: made, renewed, read again.
//!
//! A leaf is signed anew when a name or address of the box is missing from it, 30 days before it
//! expires, or when the clock turns out to have been wrong. An address that is *gone* does not renew
//! it: whoever has clicked a browser's warning away would have to do so again for nothing. For the same
//! reason a new leaf carries former names and addresses on: a box that goes to another network and
//! comes back shows what it showed there.
//!
//! Given files are looked at as often as the clock is: whoever renews a certificate only writes them.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use time::OffsetDateTime;
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use super::{
    CertificateFiles, Identity, Reload, TokenKey, TrustError, TrustHandle,
    authority::{Authority, LEAF_LIFE, clock, names_of},
    files::{self, SECRET},
    names::{LeafNames, leaf_names},
};
use crate::{config::Settings, seams::Addresses};

/// A leaf is renewed this long before its end.
const RENEW_BEFORE: time::Duration = time::Duration::days(30);

/// How often the clock and given files are looked at. A box without a clock battery gets the right time
/// within minutes of its start, and its certificate has to follow.
const LOOK_EVERY: Duration =
    if cfg!(test) { Duration::from_millis(20) } else { Duration::from_secs(60) };

/// Keeps the certificate in force; [`Keeper::run`] is its task.
#[derive(Debug)]
pub struct Keeper {
    data_dir: PathBuf,
    given: Option<Given>,
    own: Option<Leaf>,
    identity: watch::Sender<Identity>,
    reloads: mpsc::Receiver<Reload>,
}

/// Files that somebody else writes.
#[derive(Debug)]
struct Given {
    files: CertificateFiles,
    /// As they were when they were read last, or when that was tried.
    seen: [Option<Print>; 2],
}

/// By which it is noticed that another file is there, or other contents: device and number, size, time of
/// the last change.
type Print = (u64, u64, u64, i64, i64);

impl Given {
    /// Looks at the files, which are still to be read: what is written meanwhile is noticed next time.
    fn look_at(files: CertificateFiles) -> Self {
        let seen = Self::prints(&files);
        Self { files, seen }
    }

    fn prints((chain, key): &CertificateFiles) -> [Option<Print>; 2] {
        // Links are followed: certbot has its newest file behind one.
        [chain, key].map(|path| {
            let file = std::fs::metadata(path).ok()?;
            Some((file.dev(), file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
        })
    }

    /// Whether there is something new to be read since the last time. A file that is gone is not: it is
    /// about to be written anew.
    fn has_changed(&mut self) -> bool {
        let now = Self::prints(&self.files);
        let is_news = now != self.seen && now.iter().all(Option::is_some);
        if is_news {
            self.seen = now;
        }
        is_news
    }
}

/// What is known of the box's own leaf.
#[derive(Debug, Clone)]
struct Leaf {
    names: LeafNames,
    until: OffsetDateTime,
    domains: Vec<String>,
}

impl Leaf {
    /// True if it need not be renewed.
    fn serves(&self, addresses: &Addresses, now: OffsetDateTime) -> bool {
        let wanted = leaf_names(addresses, &self.domains);
        wanted.hosts.iter().all(|host| self.names.hosts.contains(host))
            && wanted.ips.iter().all(|ip| self.names.ips.contains(ip))
            && self.is_in_time(now)
    }

    fn is_in_time(&self, now: OffsetDateTime) -> bool {
        self.until - now > RENEW_BEFORE
            // Made by a clock that was ahead: it is not valid yet for anybody else.
            && self.until - now <= LEAF_LIFE
    }
}

impl Keeper {
    /// Reads or makes all keys and certificates.
    ///
    /// # Errors
    /// The data folder, or a given certificate, cannot be used.
    pub fn open(
        settings: &Settings,
        addresses: &Addresses,
        now: SystemTime,
    ) -> Result<(Self, TrustHandle), TrustError> {
        let data_dir = settings.data_dir.clone();
        let given = settings.http.certificate.clone();
        let tokens = Arc::new(TokenKey::open(&data_dir, now)?);
        let watched = given.clone().map(Given::look_at);
        let (identity, own) = load(&data_dir, given.as_ref(), addresses, now)?;
        let (sender, receiver) = watch::channel(identity);
        let (reloads, reload_receiver) = mpsc::channel(1);
        let handle = TrustHandle { identity: receiver, tokens, reloads };
        let given = watched;
        let keeper = Self { data_dir, given, own, identity: sender, reloads: reload_receiver };
        Ok((keeper, handle))
    }

    /// Runs until the last [`TrustHandle`] is dropped.
    pub async fn run(mut self, mut addresses: watch::Receiver<Arc<Addresses>>) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        let mut addresses_live = true;
        loop {
            tokio::select! {
                reload = self.reloads.recv() => match reload {
                    Some(reload) => self.handle_reload(reload, &mut addresses).await,
                    None => return,
                },
                changed = addresses.changed(), if addresses_live => {
                    addresses_live = changed.is_ok();
                    self.renew(&mut addresses).await;
                }
                _ = look.tick() => {
                    self.renew(&mut addresses).await;
                    self.follow_files(&addresses).await;
                }
            }
        }
    }

    async fn renew(&mut self, addresses: &mut watch::Receiver<Arc<Addresses>>) {
        let current = addresses.borrow_and_update().clone();
        let now = clock(SystemTime::now());
        if self.own.as_ref().is_none_or(|leaf| leaf.serves(&current, now)) {
            return;
        }
        if let Err(fault) = self.put_in_force(None, current).await {
            error!("the certificate could not be renewed: {fault}; the old one stays");
        }
    }

    /// Shows what has been written into the given files, if that is a certificate and its key. They are
    /// written one after the other: what does not fit together yet is tried again when it has changed.
    async fn follow_files(&mut self, addresses: &watch::Receiver<Arc<Addresses>>) {
        let Some(given) = &mut self.given else { return };
        if !given.has_changed() {
            return;
        }
        let files = given.files.clone();
        let current = addresses.borrow().clone();
        match self.put_in_force(Some(files.clone()), current).await {
            Ok(()) => info!(given = ?files, "a new certificate was found"),
            Err(fault) => {
                warn!("the certificate has changed and cannot be used: {fault}; the old one stays")
            }
        }
    }

    async fn handle_reload(
        &mut self,
        reload: Reload,
        addresses: &mut watch::Receiver<Arc<Addresses>>,
    ) {
        let current = addresses.borrow_and_update().clone();
        let given = reload.given.clone().map(Given::look_at);
        let result = self.put_in_force(reload.given, current).await;
        if result.is_ok() {
            self.given = given;
            let files = self.given.as_ref().map(|given| &given.files);
            info!(given = ?files, "certificate loaded again");
        }
        // overflow: none, it is the one answer; whoever asked may have gone.
        let _ = reload.reply.send(result);
    }

    async fn put_in_force(
        &mut self,
        given: Option<CertificateFiles>,
        addresses: Arc<Addresses>,
    ) -> Result<(), TrustError> {
        let data_dir = self.data_dir.clone();
        let work = move || load(&data_dir, given.as_ref(), &addresses, SystemTime::now());
        let loaded = tokio::task::spawn_blocking(work).await;
        let (identity, own) =
            loaded.map_err(|error| TrustError::Making(error.to_string())).flatten()?;
        self.own = own;
        // overflow: none, because the newest is all there is.
        self.identity.send_replace(identity);
        Ok(())
    }
}

fn load(
    data_dir: &Path,
    given: Option<&CertificateFiles>,
    addresses: &Addresses,
    now: SystemTime,
) -> Result<(Identity, Option<Leaf>), TrustError> {
    match given {
        Some(files) => {
            let certificate = Arc::new(read_given(files)?);
            let hosts = certificate.cert.first().map(|leaf| names_of(leaf).hosts);
            let hosts = hosts.unwrap_or_default().into();
            Ok((Identity { certificate, authority: None, hosts }, None))
        }
        None => {
            let (identity, leaf) = load_own(data_dir, addresses, clock(now))?;
            Ok((identity, Some(leaf)))
        }
    }
}

fn load_own(
    data_dir: &Path,
    addresses: &Addresses,
    now: OffsetDateTime,
) -> Result<(Identity, Leaf), TrustError> {
    let authority = Authority::open(data_dir, &addresses.hostname, now)?;
    let path = data_dir.join("leaf.pem");
    let identity = |certificate, leaf: &Leaf| Identity {
        certificate: Arc::new(certificate),
        authority: Some(authority.der.as_ref().into()),
        hosts: leaf.names.hosts.clone().into(),
    };
    let known = |certificate: &CertifiedKey| {
        let (until, names) = authority.judge(certificate.cert.first()?)?;
        Some(Leaf { names, until, domains: authority.domains.clone() })
    };
    let mut former = None;
    if let Some(pem) = files::read(&path)?
        && let Ok(certificate) = certified(&pem, &pem)
        && let Some(leaf) = known(&certificate)
    {
        if leaf.serves(addresses, now) {
            return Ok((identity(certificate, &leaf), leaf));
        }
        // One that has come to its end is forgotten with all that it carried.
        former = leaf.is_in_time(now).then_some(leaf.names);
    }
    let names = leaf_names(addresses, &authority.domains).with_former(former.as_ref());
    let pem = authority.sign(&names, &addresses.hostname, now)?;
    files::write(&path, SECRET, pem.as_bytes())?;
    let certificate = certified(pem.as_bytes(), pem.as_bytes()).map_err(TrustError::Making)?;
    let leaf = known(&certificate)
        .ok_or_else(|| TrustError::Making("the new leaf is not its authority's".into()))?;
    info!(hosts = ?names.hosts, ips = ?names.ips, until = %leaf.until, "the box has a new certificate");
    if !names.left_out.is_empty() {
        warn!(
            left_out = ?names.left_out,
            "not in the box's own certificate, which is for private names and addresses only: \
             browsers will warn there; set http.certificate for them"
        );
    }
    Ok((identity(certificate, &leaf), leaf))
}

fn read_given((chain, key): &CertificateFiles) -> Result<CertifiedKey, TrustError> {
    let read = |path: &PathBuf| {
        let missing = || TrustError::Given {
            path: path.clone(),
            fault: "it is not there; a PEM file was expected".into(),
        };
        files::read(path)?.ok_or_else(missing)
    };
    let (chain_pem, key_pem) = (read(chain)?, read(key)?);
    certified(&chain_pem, &key_pem)
        .map_err(|fault| TrustError::Given { path: chain.clone(), fault })
}

/// A chain and its key from PEM; the fault says what would be right.
fn certified(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, String> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("the chain is not PEM: {error}"))?;
    if chain.is_empty() {
        return Err("it holds no certificate; the chain was expected, leaf first, as PEM".into());
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|error| format!("its key file holds no PEM private key: {error}"))?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
        .map_err(|error| format!("certificate and key do not serve together: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_changed_once_for_each_change_and_not_while_one_is_gone() {
        let folder = crate::trust::tests::folder();
        let [chain, key] = ["chain", "key"].map(|name| folder.path().join(name));
        let put = |path: &Path, text: &str| std::fs::write(path, text).expect("writable");
        put(&chain, "chain");
        put(&key, "key");
        let mut given = Given::look_at((chain.clone(), key.clone()));
        assert!(!given.has_changed());
        put(&chain, "another chain");
        assert!(given.has_changed());
        assert!(!given.has_changed(), "it has been told");
        std::fs::remove_file(&key).expect("there");
        assert!(!given.has_changed(), "it is about to be written");
        std::os::unix::fs::symlink(&chain, &key).expect("writable");
        assert!(given.has_changed());
        put(&chain, "longer than before");
        assert!(given.has_changed());
    }
}
