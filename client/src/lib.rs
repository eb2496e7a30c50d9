//! Every medium an image can sit in, as a Source or a Sink, and the copy between them.
