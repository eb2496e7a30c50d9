//! What is known of the ELF files of a tree: from the packages' entry lists, else by reading the file.

use std::collections::HashMap;

use archive::EntryPath;
use object::elf::{DT_SONAME, DT_STRTAB, DynamicTag, FileHeader32, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _};
use object::{Endianness, FileKind};

use super::{Context, EmulationError};
use crate::contents::{Class, ElfFacts};
use crate::ld_so_cache::library_flags;
use crate::tree::{Content, ContentReader, ContentSource};

/// Largest library of a user that is read, in bytes; a larger one is not in the cache, so the loader finds
/// it only in its built-in directories.
const LIBRARY_BYTES_MAX: u64 = 512 << 20;

/// What a loader asks of a library.
pub(super) struct SharedLibrary {
    /// As [`library_flags`] gives them.
    pub(super) flags: u32,
    pub(super) soname: Option<Vec<u8>>,
}

/// The ELF files of an image.
pub(super) struct Facts<'f> {
    /// By package and offset.
    packaged: HashMap<(usize, u64), &'f ElfFacts>,
    reader: &'f dyn ContentReader,
}

impl<'f> Facts<'f> {
    pub(super) fn new(context: &Context<'f>) -> Self {
        let mut packaged = HashMap::new();
        for (index, package) in context.packages.iter().enumerate() {
            for entry in &package.entries {
                if let Some(elf) = &entry.elf {
                    packaged.insert((index, entry.offset), elf);
                }
            }
        }
        Self {
            packaged,
            reader: context.reader,
        }
    }

    /// Flags and soname of a shared library; `None` for what is none.
    pub(super) fn library(
        &self,
        content: &Content,
        path: &EntryPath,
    ) -> Result<Option<SharedLibrary>, EmulationError> {
        let read;
        let facts = match &content.source {
            ContentSource::Package { package, offset } => {
                // Empty files share an offset with what follows them.
                if content.size == 0 {
                    return Ok(None);
                }
                self.packaged.get(&(*package, *offset)).copied()
            }
            _ if content.size > LIBRARY_BYTES_MAX => None,
            _ => {
                let bytes =
                    self.reader
                        .read(content, LIBRARY_BYTES_MAX)
                        .map_err(|source| EmulationError::Read {
                            path: path.clone(),
                            source,
                        })?;
                read = facts_of(&bytes);
                read.as_ref()
            }
        };
        let Some(facts) = facts.filter(|facts| facts.object_type == SHARED_OBJECT) else {
            return Ok(None);
        };
        let soname = facts.soname.as_ref().map(|soname| soname.to_vec());
        // A soname with a slash would name a file elsewhere.
        let usable = soname.as_ref().is_none_or(|soname| !soname.contains(&b'/'));
        Ok(library_flags(facts)
            .filter(|_| usable)
            .map(|flags| SharedLibrary { flags, soname }))
    }
}

fn facts_of(bytes: &[u8]) -> Option<ElfFacts> {
    match FileKind::parse(bytes).ok()? {
        FileKind::Elf32 => facts_of_class::<FileHeader32<Endianness>>(bytes, Class::Elf32),
        FileKind::Elf64 => facts_of_class::<FileHeader64<Endianness>>(bytes, Class::Elf64),
        _ => None,
    }
}

fn facts_of_class<H: FileHeader<Endian = Endianness>>(bytes: &[u8], class: Class) -> Option<ElfFacts> {
    let header = H::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    Some(ElfFacts {
        class,
        little_endian: endian == Endianness::Little,
        object_type: header.e_type(endian).0,
        machine: header.e_machine(endian).0,
        flags: header.e_flags(endian).0,
        soname: soname::<H>(header, endian, bytes),
    })
}

fn soname<H: FileHeader<Endian = Endianness>>(
    header: &H,
    endian: Endianness,
    bytes: &[u8],
) -> Option<Box<[u8]>> {
    let segments = header.program_headers(endian, bytes).ok()?;
    let dynamic = segments
        .iter()
        .find_map(|segment| segment.dynamic(endian, bytes).ok().flatten())?;
    let value = |tag: DynamicTag| {
        dynamic
            .iter()
            .find(|entry| entry.d_tag(endian) == tag)
            .map(|entry| entry.d_val(endian).into())
    };
    let (strings, name): (u64, u64) = (value(DT_STRTAB)?, value(DT_SONAME)?);
    let address = strings.checked_add(name)?;
    let text = segments.iter().find_map(|segment| {
        let start: u64 = segment.p_vaddr(endian).into();
        let inside = usize::try_from(address.checked_sub(start)?).ok()?;
        segment
            .data(endian, bytes)
            .ok()?
            .get(inside..)
            .filter(|_| segment.p_type(endian) == object::elf::PT_LOAD)
    })?;
    let end = text
        .iter()
        .take(SONAME_BYTES_MAX + 1)
        .position(|&byte| byte == 0)?;
    text.get(..end).filter(|name| !name.is_empty()).map(Into::into)
}

/// `ET_DYN`
const SHARED_OBJECT: u16 = 3;
const SONAME_BYTES_MAX: usize = 255;
