//! A data directory whose process is killed, again and again.

mod child;
mod killed;
