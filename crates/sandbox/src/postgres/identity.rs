//! As whom the server runs: PostgreSQL refuses to run as root.

use std::{
    fs,
    io::Write as _,
    os::unix::{
        fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::Path,
    process::Command,
};

use twinhouse_core::{Error, ErrorKind, Result};

/// The user that owns the server's files and processes.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// Ourselves, an ordinary user.
    Ourselves,
    /// We are root: `postgres` where that user exists, else `nobody`.
    Other { name: String, uid: u32, gid: u32 },
}

impl Identity {
    pub(crate) fn choose() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Ourselves);
        }
        // initdb fails for a user without an entry here, so a bare number would not do.
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        ["postgres", "nobody"].into_iter().find_map(|name| entry(&users, name)).ok_or_else(|| {
            let wish = "PostgreSQL does not run as root, and neither user `postgres` nor `nobody` exists";
            Error::new(ErrorKind::Config, wish)
        })
    }

    /// The command will run as this user.
    pub(crate) fn apply(&self, command: &mut Command) {
        if let Self::Other { uid, gid, .. } = self {
            command.uid(*uid).gid(*gid);
        }
    }

    /// Makes a folder that only this user can enter; one that exists is given to it.
    pub(crate) fn own_folder(&self, folder: &Path) -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        self.own(folder)
    }

    /// Writes a file that only this user can read.
    pub(crate) fn write_private(&self, path: &Path, text: &str) -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        self.own(path)
    }

    /// Gives it to this user.
    pub(super) fn own(&self, path: &Path) -> std::io::Result<()> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Other { uid, gid, .. } => chown(path, Some(*uid), Some(*gid)),
        }
    }

    /// Checks that this user can reach `folder`; `ours`, a parent we may change, is opened for passing through.
    pub(crate) fn reach(&self, folder: &Path, ours: &Path) -> Result<()> {
        let Self::Other { name, uid, .. } = self else { return Ok(()) };
        for parent in folder.ancestors().skip(1) {
            let Ok(meta) = parent.metadata() else { continue };
            let passable = meta.mode() & 0o001 != 0 || (meta.uid() == *uid && meta.mode() & 0o100 != 0);
            if passable {
                continue;
            }
            let opened = parent.starts_with(ours)
                && fs::set_permissions(parent, fs::Permissions::from_mode(meta.mode() | 0o011)).is_ok();
            if !opened {
                let wish = "the data folder must be reachable for the user PostgreSQL runs as";
                return Err(Error::new(ErrorKind::Config, wish)
                    .with_context("user", name.as_str())
                    .with_context("closed folder", parent.display().to_string()));
            }
        }
        Ok(())
    }
}

/// `name:x:uid:gid:…`
fn entry(users: &str, name: &str) -> Option<Identity> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (found, _, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        (found == name).then_some(())?;
        Some(Identity::Other { name: name.to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_from_the_passwd_file() {
        let users = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\nbroken\n";
        let Some(Identity::Other { uid, gid, .. }) = entry(users, "nobody") else { panic!("not found") };
        assert_eq!((uid, gid), (65534, 65534));
        assert!(entry(users, "postgres").is_none());
    }
}
