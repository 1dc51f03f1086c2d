//! The product's stories, told with the real binary, Debian's registry, and skopeo.
//!
//! Each module is one group of promises. The test bed is `xtask::bed`; what it starts it ends, and
//! a platform that leaves anything behind fails the test that started it.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "all of this crate is tests, its helpers too")]

mod adoption;
mod archives;
mod bad_input;
mod canary;
mod credential_table;
mod demo;
mod domains;
mod first_deploy;
mod fuzz_minute;
mod isolation;
mod layers;
mod life;
mod neighbours;
mod ordinary_user;
mod preflight;
mod private_images;
mod pushes;
mod sample;
mod stage;
mod vault;
