//! The specifications that ship with the program.
