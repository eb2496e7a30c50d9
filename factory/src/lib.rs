//! Specification, lock, file tree, layers, image: how an image is made.
//!
//! The modules are listed in the order in which a build passes through them. A [`specification`]
//! (the user's, or one of the [`catalogue`]'s) becomes a flat plan for a Debian [`release`];
//! [`locking`] resolves its packages into a [`lock`]; the packages are read once ([`contents`]) and
//! laid into one [`tree`], which [`emulation`] completes with what maintainer scripts would have
//! made; the tree is cut into [`layers`], an [`image`] is put around them, and [`build`] runs all of
//! it and writes to a `client` sink.
//!
//! Everything up to the sink is synchronous and a function of its inputs: no clock, no randomness,
//! no environment. The same lock gives the same bytes on every machine.

pub mod specification;

pub mod catalogue;

pub mod release;

pub mod lock;

pub mod locking;

pub mod contents;

pub mod tree;

pub mod emulation;

pub mod ld_so_cache;

pub mod certificates;

pub mod keystore;

pub mod layers;

pub mod image;

pub mod sbom;

pub mod build;

mod cache_key;

mod sealed;
