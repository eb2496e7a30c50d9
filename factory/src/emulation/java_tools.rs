//! `update-alternatives` as the maintainer scripts of OpenJDK's packages call it.

use super::generated::{Generated, at};
use super::{Context, EmulationError, alternatives};
use crate::tree::Tree;

/// Gives the newest OpenJDK's tools their names in `/usr/bin`.
pub(super) fn apply(tree: &mut Tree, context: &Context<'_>) -> Result<(), EmulationError> {
    let suffix = format!("-openjdk-{}", context.architecture.debian_name());
    let mut homes: Vec<(u32, String)> = tree
        .children(&at("/usr/lib/jvm")?)
        .filter_map(|(path, _)| {
            let home = path.to_string();
            let version = home
                .rsplit('/')
                .next()?
                .strip_prefix("java-")?
                .strip_suffix(&suffix)?
                .parse()
                .ok()?;
            Some((version, home))
        })
        .collect();
    // The priority in the scripts is the version times 100 and 11, so the newest wins.
    homes.sort_unstable_by(|one, other| other.cmp(one));
    // Most images drop manuals; then the links to them would bring the directory back.
    let manuals = tree.is_directory(&at("/usr/share/man/man1")?);
    let mut generated = Generated::new(tree, alternatives::PIECE, context);
    for (_, home) in homes {
        for tool in TOOLS {
            let program = format!("{home}/bin/{tool}");
            if generated.has(&program)?
                && generated.alternative(&format!("/usr/bin/{tool}"), tool, &program)?
            {
                let manual = format!("{home}/man/man1/{tool}.1.gz");
                if manuals && generated.has(&manual)? {
                    let name = format!("{tool}.1.gz");
                    generated.alternative(&format!("/usr/share/man/man1/{name}"), &name, &manual)?;
                }
            }
        }
        let jexec = format!("{home}/lib/jexec");
        if generated.has(&jexec)? && generated.alternative("/usr/bin/jexec", "jexec", &jexec)? {
            let format = format!("{home}/lib/jar.binfmt");
            if generated.has(&format)? {
                generated.alternative("/usr/share/binfmts/jar", "jexec-binfmt", &format)?;
            }
        }
    }
    Ok(())
}

/// The tools of the packages `-jre-headless`, `-jdk-headless` and `-jdk` of versions 17, 21 and 25;
/// a version has a name only when it has the tool.
const TOOLS: [&str; 31] = [
    "java",
    "jpackage",
    "keytool",
    "rmiregistry",
    "jar",
    "jarsigner",
    "javac",
    "javadoc",
    "javap",
    "jcmd",
    "jdb",
    "jdeprscan",
    "jdeps",
    "jfr",
    "jimage",
    "jinfo",
    "jlink",
    "jmap",
    "jmod",
    "jnativescan",
    "jps",
    "jrunscript",
    "jshell",
    "jstack",
    "jstat",
    "jstatd",
    "jwebserver",
    "serialver",
    "jhsdb",
    "jconsole",
    "rmid",
];
