//! What is inside an image, without unpacking it: files, packages, differences, structure tests.
