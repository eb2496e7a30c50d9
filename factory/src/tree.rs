//! One truth about every path of an image.
