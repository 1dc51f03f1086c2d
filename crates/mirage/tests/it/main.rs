//! The product's stories, told with the real binary, Debian's registry, and skopeo.
//!
//! Each module is one group of promises. The test bed is `xtask::bed`; what it starts it ends, and
//! a platform that leaves anything behind fails the test that started it.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "all of this crate is tests, its helpers too")]

mod adoption;
mod archives;
mod backup;
mod bad_input;
mod browser;
mod canary;
mod chaos;
mod credential_table;
mod demo;
mod domains;
mod fail_points;
mod first_deploy;
mod fuzz_minute;
mod health;
mod isolation;
mod layers;
mod life;
mod neighbours;
mod ordinary_user;
mod power;
mod preflight;
mod private_images;
mod pushes;
mod reliability;
mod sample;
mod stage;
mod stuck;
mod systemd;
mod terminal;
mod traces;
mod upgrade;
mod vault;
mod volumes;
