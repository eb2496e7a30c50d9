//! The factory as a whole: packages in, layouts out.

mod build;
mod child;
mod shop;
