//! The root file system of a container: its layers put together, and safe ways to look inside.

mod elf;
mod inside;
mod overlay;
mod program;
mod users;

pub(crate) use inside::{Inside, clean};
pub(crate) use overlay::{Layers, mount};
pub(crate) use program::check as check_program;
pub(crate) use users::{ContainerUser, resolve as resolve_user};
