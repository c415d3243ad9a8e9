//! What is kept in the data folder: the store, opened, and what a command does to it.

use std::path::Path;

use super::AppError;
use crate::{
    access::{Access, Keys},
    boot::data_folder::{self, DataFolderError},
    store::{self, OpenError, StoreHandle},
};

/// What is kept in the data folder.
pub(super) fn open_store(data_dir: &Path) -> Result<StoreHandle, AppError> {
    StoreHandle::open(data_dir).map_err(|error| match error {
        OpenError::Newer { found, .. } => {
            // The tables' version is the folder's, and one less.
            let (path, found) = (data_dir.to_owned(), (found + 1).to_string());
            AppError::DataFolder(DataFolderError::Newer { path, found })
        }
        error => AppError::Internal(error.into()),
    })
}

/// `parlor owner reset`: the new set-up code.
///
/// # Errors
/// The store cannot be opened or written.
pub async fn reset_owner(data_dir: &Path) -> Result<String, AppError> {
    let store = open_store(data_dir)?;
    // It makes no tokens, so any key will do.
    let access = Access::new(store, Keys::new([0; 32]));
    let code = access.reset_owner().await.map_err(|fault| {
        AppError::Internal(anyhow::anyhow!("the store {} {fault}", data_dir.display()))
    })?;
    Ok(code.as_str().to_owned())
}

/// `parlor backup FILE`.
///
/// # Errors
/// The folder cannot be read or the file not written.
pub fn back_up(data_dir: &Path, file: &Path) -> Result<(), AppError> {
    Ok(store::back_up(data_dir, file)?)
}

/// `parlor restore FILE`, while no box uses the folder.
///
/// # Errors
/// A box uses it, or the file is no backup that this parlor understands.
pub fn restore(file: &Path, data_dir: &Path) -> Result<(), AppError> {
    data_folder::prepare(data_dir)?;
    let _held = data_folder::hold(data_dir)?;
    Ok(store::restore(file, data_dir)?)
}

#[cfg(test)]
mod tests {
    use crate::{boot::data_folder::DATA_VERSION, store::SCHEMA_VERSION};

    #[test]
    fn a_step_of_the_tables_is_a_step_of_the_folder() {
        // Else an older parlor would take a folder whose tables it does not know.
        assert_eq!(DATA_VERSION, SCHEMA_VERSION + 1);
    }
}
