//! Where a volume is, and who may touch it.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// What whoever deletes a volume calls it first.
pub(super) const TRASH: &str = ".trash-";

/// The folder of a volume.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    folder: PathBuf,
}

/// A lock that ends with the value, or with the process.
pub(crate) type Held = Flock<File>;

impl Place {
    /// The volume whose folder this is; it may not be there yet.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Makes the folder, where it is missing.
    ///
    /// # Errors
    /// Whatever the kernel says.
    pub(crate) fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)
    }

    /// What containers see. It is complete if it is there.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The image's content on its way to the data.
    pub(super) fn draft(&self) -> PathBuf {
        self.folder.join("draft")
    }

    /// An archive's content on its way to the data.
    pub(super) fn incoming(&self) -> PathBuf {
        self.folder.join("incoming")
    }

    /// Keeps the data from being replaced or deleted while it is used.
    ///
    /// # Errors
    /// `WouldBlock` where it is being replaced, `NotFound` where the volume is deleted.
    pub(crate) fn hold(&self) -> io::Result<Held> {
        self.lock("lock", FlockArg::LockSharedNonblock)
    }

    /// Makes whoever holds it the one who writes to the data; others may read it.
    ///
    /// # Errors
    /// `WouldBlock` where somebody else is.
    pub(crate) fn hold_as_writer(&self) -> io::Result<Held> {
        self.lock("writer.lock", FlockArg::LockExclusiveNonblock)
    }

    /// Keeps everybody else from the data.
    ///
    /// # Errors
    /// `WouldBlock` where somebody uses it.
    pub(super) fn hold_alone(&self) -> io::Result<Held> {
        self.lock("lock", FlockArg::LockExclusiveNonblock)
    }

    /// Makes whoever fills the volume wait for their turn.
    pub(super) fn hold_draft(&self) -> io::Result<Held> {
        self.lock("draft.lock", FlockArg::LockExclusive)
    }

    /// Refuses a second archive while one is being read.
    ///
    /// # Errors
    /// `WouldBlock` where one is.
    pub(super) fn hold_incoming(&self) -> io::Result<Held> {
        self.lock("incoming.lock", FlockArg::LockExclusiveNonblock)
    }

    /// Makes the names in the folder last.
    pub(super) fn settle(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    /// Gives the folder its last name, and answers with it: from then on there is no such volume.
    pub(super) fn throw_away(&self) -> io::Result<PathBuf> {
        self.discard(&self.folder, "")
    }

    /// What the folder is called once it has its last name.
    pub(super) fn trash(&self) -> io::Result<PathBuf> {
        self.trash_of("").map(|(_, trash)| trash)
    }

    /// Gives an archive's content that was left half-way its last name, where there is any.
    pub(super) fn discard_incoming(&self) -> io::Result<Option<PathBuf>> {
        match self.incoming().exists() {
            true => self.discard(&self.incoming(), "-incoming").map(Some),
            false => Ok(None),
        }
    }

    fn discard(&self, what: &Path, mark: &str) -> io::Result<PathBuf> {
        let (above, first) = self.trash_of(mark)?;
        // What was thrown away before may withstand, and must not be in the way for ever.
        let others = (1_u32..).map(|number| first.with_added_extension(number.to_string()));
        let mut names = std::iter::once(first.clone()).chain(others);
        let trash =
            names.find(|name| name.symlink_metadata().is_err()).ok_or(io::ErrorKind::AlreadyExists)?;
        fs::rename(what, &trash)?;
        File::open(above)?.sync_all()?;
        Ok(trash)
    }

    fn trash_of(&self, mark: &str) -> io::Result<(&Path, PathBuf)> {
        let (Some(above), Some(name)) = (self.folder.parent(), self.folder.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let first = above.join(format!("{TRASH}{}{mark}", name.to_string_lossy()));
        Ok((above, first))
    }

    fn lock(&self, name: &str, how: FlockArg) -> io::Result<Held> {
        let path = self.folder.join(name);
        let file = File::options().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        Flock::lock(file, how).map_err(|(_, error)| match error {
            Errno::EWOULDBLOCK => io::ErrorKind::WouldBlock.into(),
            error => error.into(),
        })
    }
}
