//! What is inside an image, without unpacking it: files, packages, differences, structure tests.
//!
//! Everything starts from an [`ImageView`]: the merged file system of one platform's image, made by
//! reading each layer once, with whiteouts applied and every digest checked on the way.

pub mod view;

pub mod difference;
pub mod packages;
pub mod summary;

pub mod sandbox;
pub mod structure_test;

mod visible;

pub use view::ImageView;
pub use visible::visible;
