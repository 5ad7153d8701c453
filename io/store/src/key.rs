//! The key that passwords are encrypted with: a file beside the database, so that neither says anything alone.

use crate::StoreError;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Its name in the data folder.
pub(crate) const FILE: &str = "secrets.key";

const LOST: &str = "Put back the one that was there before, from a backup, with the mode 0600. If there is none, the passwords are \
                    lost: move tandem.db away and configure anew";

/// An open key. What it seals can be read only with it, and only where it was sealed for.
#[derive(Clone)]
pub(crate) struct SecretsKey {
    /// Names the key, so that a wrong one can be told from a damaged database.
    pub(crate) id: String,
    cipher: XChaCha20Poly1305,
}

/// The text was sealed with another key or for another place, or was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NotOurs;

impl SecretsKey {
    /// The key of a data folder. `wanted` is the id of the key that the database was written with, if it was with any: then
    /// it has to be that one, and is never made anew.
    pub(crate) fn of_folder(folder: &Path, wanted: Option<&str>) -> Result<SecretsKey, StoreError> {
        let path = folder.join(FILE);
        let refused = |why: String, fix| StoreError::Key { path: path.clone(), why, fix };
        match (fs::read_to_string(&path), wanted) {
            (Ok(text), _) => {
                // Copied from a backup, say.
                fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(|error| {
                    refused(error.to_string(), "Let the user that tandem runs as own the file")
                })?;
                let key = SecretsKey::read(&text)
                    .ok_or_else(|| refused("it does not hold a key".to_owned(), LOST))?;
                match wanted {
                    Some(wanted) if wanted != key.id => Err(refused(
                        format!("it is key {}, and they were encrypted with key {wanted}", key.id),
                        LOST,
                    )),
                    _ => Ok(key),
                }
            }
            (Err(error), Some(wanted)) if error.kind() == io::ErrorKind::NotFound => {
                Err(refused(format!("it is missing, and they were encrypted with it (key {wanted})"), LOST))
            }
            (Err(error), None) if error.kind() == io::ErrorKind::NotFound => {
                let (id, key): ([u8; 4], [u8; 32]) = (random()?, random()?);
                let text = format!("tandem-key {} {}\n", hex::encode(id), hex::encode(key));
                write_new(folder, &path, &text).map_err(|error| {
                    refused(error.to_string(), "Let the user that tandem runs as write into the data folder")
                })?;
                Ok(SecretsKey { id: hex::encode(id), cipher: XChaCha20Poly1305::new(&Key::from(key)) })
            }
            (Err(error), _) => Err(refused(
                error.to_string(),
                "Let the user that tandem runs as own the file, or put it back from a backup",
            )),
        }
    }

    fn read(text: &str) -> Option<SecretsKey> {
        let mut words = text.split_ascii_whitespace();
        let (name, id, key) = (words.next()?, words.next()?, words.next()?);
        let mut bytes = [0; 32];
        hex::decode_to_slice(key, &mut bytes).ok()?;
        let fits =
            name == "tandem-key" && hex::decode(id).is_ok_and(|id| id.len() == 4) && words.next().is_none();
        fits.then(|| SecretsKey { id: id.to_owned(), cipher: XChaCha20Poly1305::new(&Key::from(bytes)) })
    }

    /// Encrypts a text for a place, as `trunk <id> password`: elsewhere it does not open.
    pub(crate) fn seal(&self, place: &str, text: &str) -> Result<String, StoreError> {
        let nonce: [u8; 24] = random()?;
        let payload = Payload { msg: text.as_bytes(), aad: place.as_bytes() };
        let sealed =
            self.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| StoreError::Unreadable {
                what: place.to_owned(),
                why: "it is too long to be encrypted".to_owned(),
            })?;
        Ok(hex::encode(nonce) + &hex::encode(sealed))
    }

    /// What was sealed for this place.
    pub(crate) fn open(&self, place: &str, sealed: &str) -> Result<String, NotOurs> {
        let bytes = hex::decode(sealed).map_err(|_| NotOurs)?;
        let (nonce, sealed) = bytes.split_first_chunk::<24>().ok_or(NotOurs)?;
        let payload = Payload { msg: sealed, aad: place.as_bytes() };
        let opened = self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| NotOurs)?;
        String::from_utf8(opened).map_err(|_| NotOurs)
    }
}

impl fmt::Debug for SecretsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretsKey({})", self.id)
    }
}

/// Whole or not at all: a key that was cut off by a crash would be taken for a wrong one.
fn write_new(folder: &Path, path: &PathBuf, text: &str) -> io::Result<()> {
    let draft = folder.join(format!("{FILE}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(folder)?.sync_all()
}

fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Unreadable {
        what: "the system's randomness, for what is to be encrypted".to_owned(),
        why: error.to_string(),
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> (SecretsKey, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (SecretsKey::of_folder(folder.path(), None).unwrap(), folder)
    }

    #[test]
    fn a_text_opens_where_it_was_sealed_for_and_nowhere_else() {
        let (key, folder) = key();
        let sealed = key.seal("trunk 1", "hunter-two").unwrap();
        assert_eq!(key.open("trunk 1", &sealed).unwrap(), "hunter-two");
        assert_eq!(key.open("trunk 2", &sealed), Err(NotOurs));
        assert_ne!(key.seal("trunk 1", "hunter-two").unwrap(), sealed, "equal passwords do not show");
        let (other, _folder) = self::key();
        assert_eq!(other.open("trunk 1", &sealed), Err(NotOurs));
        let again = SecretsKey::of_folder(folder.path(), Some(&key.id)).unwrap();
        assert_eq!(again.open("trunk 1", &sealed).unwrap(), "hunter-two");
    }

    #[test]
    fn a_sealed_text_that_was_changed_anywhere_does_not_open() {
        let (key, _folder) = key();
        let sealed = key.seal("x", "y").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(key.open("x", std::str::from_utf8(&changed).unwrap()), Err(NotOurs), "{at}");
            assert_eq!(key.open("x", &sealed[..at]), Err(NotOurs), "{at}");
        }
    }
}
