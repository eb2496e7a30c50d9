//! From a tree to layers.
//!
//! [`cut`] divides the tree's pieces by a policy. Every [`Layer`] lists its entries in one order
//! (bytewise by component, so that parents come first) and holds the parents of everything in it, with
//! the tree's one truth about them: engines that refuse a layer with missing parents take these, and
//! no directory changes between layers.
//!
//! A layer's *recipe* is the digest of all that decides its bytes before compression. Equal recipes
//! give equal layers, so a layer is compressed once for all images of a run, and for all runs until
//! the [`LayerStore`]'s cache is cleaned.

mod compress;
mod cut;
mod recipe;
mod store;

pub use cut::{CutError, LAYERS_MAX, Layer, LayerEntry, cut};
pub use recipe::{Recipe, recipe};
pub(crate) use store::is_there;
pub use store::{ContentOpener, LayerError, LayerStore, StoredLayer, discard_damaged_layer, open_layer};
