//! Names for the programs inside `/busybox/busybox`, which the debug variants have.
//!
//! The names are taken from the program's own table, so this works for every architecture without
//! running it: the table is a run of zero-terminated names in ascending order that begins with `[`, `[[`
//! and ends with an empty name (busybox `include/applet_tables.h`).

use super::generated::{Generated, at, read};
use super::{Context, EmulationError};
use crate::tree::Tree;

pub(super) fn apply(tree: &mut Tree, context: &Context<'_>) -> Result<(), EmulationError> {
    let Some(program) = read(tree, context, &at("/busybox/busybox")?, PROGRAM_BYTES_MAX)? else {
        return Ok(());
    };
    let mut busybox = Generated::new(tree, "busybox", context);
    for name in applets(&program) {
        busybox.link(&format!("/busybox/{name}"), "busybox")?;
    }
    Ok(())
}

fn applets(program: &[u8]) -> Vec<&str> {
    let Some(start) = program
        .windows(TABLE_START.len())
        .position(|window| window == TABLE_START)
    else {
        return Vec::new();
    };
    let table = program.get(start..).unwrap_or_default();
    table
        .split(|&byte| byte == 0)
        .take(APPLETS_MAX)
        .take_while(|name| !name.is_empty() && name.len() <= APPLET_BYTES_MAX)
        .map_while(|name| std::str::from_utf8(name).ok())
        .filter(|name| !name.contains('/') && *name != "busybox")
        .collect()
}

const TABLE_START: &[u8] = b"[\0[[\0";
/// The real one has 2 MB.
const PROGRAM_BYTES_MAX: u64 = 64 << 20;
/// The real one has 272.
const APPLETS_MAX: usize = 2_000;
const APPLET_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applets_are_read_from_the_programs_table() {
        assert_eq!(
            applets(b"\x7fELF..\0[\0[[\0ash\0zcat\0\0\x01\x02sh\0"),
            ["[", "[[", "ash", "zcat"]
        );
        assert!(applets(b"\x7fELF without a table").is_empty());
    }

    #[test]
    fn a_table_without_an_end_stops_at_its_limit() {
        let mut program = TABLE_START.to_vec();
        program.extend(b"a\0".repeat(APPLETS_MAX));
        assert_eq!(applets(&program).len(), APPLETS_MAX);
    }
}
