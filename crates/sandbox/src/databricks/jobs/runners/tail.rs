//! The end of a log: the newest bytes of a stream, in two files that take turns.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

/// The service keeps this much of a log.
pub(crate) const KEPT: u64 = 5 << 20;

/// A log that is written.
#[derive(Debug)]
pub(crate) struct Tail {
    folder: PathBuf,
    file: File,
    written: u64,
}

impl Tail {
    pub(crate) fn create(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(folder.join("log"))?;
        Ok(Self { folder: folder.to_owned(), file, written: 0 })
    }

    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.written == KEPT {
                fs::rename(self.folder.join("log"), self.folder.join("log.before"))?;
                self.file = File::create(self.folder.join("log"))?;
                self.written = 0;
            }
            let fits = bytes.len().min(usize::try_from(KEPT - self.written).unwrap_or(usize::MAX));
            self.file.write_all(&bytes[..fits])?;
            self.written += fits as u64;
            bytes = &bytes[fits..];
        }
        Ok(())
    }
}

/// The last bytes of a log, and whether there were more. `None` without a log.
pub(crate) fn read(folder: &Path) -> io::Result<Option<(String, bool)>> {
    let newest = match fs::read(folder.join("log")) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let (mut text, mut truncated) = (Vec::new(), false);
    if let Ok(mut before) = File::open(folder.join("log.before")) {
        let length = before.metadata()?.len();
        let wanted = KEPT.saturating_sub(newest.len() as u64).min(length);
        before.seek(SeekFrom::Start(length - wanted))?;
        before.read_to_end(&mut text)?;
        truncated = true;
    }
    text.extend_from_slice(&newest);
    Ok(Some((String::from_utf8_lossy(&text).into_owned(), truncated)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_bytes_are_kept_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), None);
        let mut tail = Tail::create(folder.path()).unwrap();
        tail.write(b"first").unwrap();
        assert_eq!(read(folder.path()).unwrap(), Some(("first".to_owned(), false)));
        for _ in 0..30 {
            tail.write(&vec![b'x'; 1 << 20]).unwrap();
        }
        tail.write(b"last").unwrap();
        let (text, truncated) = read(folder.path()).unwrap().unwrap();
        assert!(truncated && text.len() as u64 == KEPT && text.ends_with("xlast"));
        let used: u64 = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(used <= 2 * KEPT);
    }
}
