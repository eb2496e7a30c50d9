//! What a user writes about an image.

mod plan;

pub use plan::{
    Accounts, Certificate, Directory, Drop, Exclude, Group, LayerPolicy, Link, Move, Plan, Provide, Text, User,
    UserArchive, UserFile, UserRepository, UserTree, VersionOf,
};
