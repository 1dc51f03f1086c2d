//! Whole layers: what GNU tar packs, both writers must give back as GNU tar does, and what is hostile
//! must be refused.

mod against_tar;
mod compressed;
mod random;
