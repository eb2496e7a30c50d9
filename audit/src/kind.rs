//! What kind a file is, by its name and place; by its beginning where those say nothing.

/// What kind of file it is: which reader takes it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Dockerfile, Containerfile.
    Dockerfile,
    /// YAML, and templates of YAML: what it configures is seen from its keys and its path.
    Yaml,
    /// JSON, with comments too.
    Json,
    /// Terraform and OpenTofu.
    Hcl,
    /// Shell of every sort.
    Shell,
    /// Makefiles; justfiles are read the same way.
    Make,
    /// PowerShell.
    PowerShell,
    /// Batch files.
    Batch,
    /// `KEY=VALUE`: .env, properties, INI, systemd units, squid's and other configurations line by line.
    Settings,
    /// TOML.
    Toml,
    /// XML, such as Maven's.
    Xml,
    /// Starlark of Bazel, Tilt and others.
    Starlark,
    /// Groovy: Jenkinsfiles and Gradle; Kotlin's scripts of Gradle too.
    Groovy,
    /// Languages with `//` and `/* */`.
    CLike,
    /// Languages with `#`: Python, Ruby and others.
    HashComment,
    /// Markdown, reStructuredText, AsciiDoc, HTML, plain text: for people.
    Prose,
    /// Nothing that is known.
    Plain,
}

impl Kind {
    /// What a file is.
    #[must_use]
    pub fn of(path: &str, text: &str) -> Kind {
        let name = path.rsplit('/').next().unwrap_or(path);
        let lower = name.to_ascii_lowercase();
        if lower.ends_with(".txt") && is_list(text) {
            return Kind::Plain;
        }
        // What a script writes to may be named by anything: no file system has longer names than this.
        let named = match name.len() <= NAME_BYTES_MAX {
            true => by_whole_name(&lower),
            false => None,
        };
        named.or_else(|| by_interpreter(text)).unwrap_or(Kind::Plain)
    }
}

/// The longest name of a file, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// By a name, or by what is left of a template's.
fn by_whole_name(name: &str) -> Option<Kind> {
    let mut name = name;
    loop {
        if let Some(kind) = by_name(name) {
            return Some(kind);
        }
        let (stem, extension) = name.rsplit_once('.')?;
        if !is_template(extension) {
            return by_extension(extension);
        }
        // What it is a template of stands before.
        name = stem;
    }
}

fn is_template(extension: &str) -> bool {
    matches!(
        extension,
        "tmpl" | "template" | "j2" | "erb" | "in" | "dist" | "example" | "sample" | "orig" | "bak"
    )
}

fn by_name(name: &str) -> Option<Kind> {
    let stem = name.split('.').next().unwrap_or(name);
    Some(match name {
        _ if matches!(stem, "dockerfile" | "containerfile") && !is_text(name) => Kind::Dockerfile,
        _ if name.ends_with(".dockerfile") || name.ends_with(".containerfile") => Kind::Dockerfile,
        "makefile" | "gnumakefile" | "bsdmakefile" | "justfile" | ".justfile" => Kind::Make,
        _ if stem == "makefile" && !is_text(name) => Kind::Make,
        _ if stem == "jenkinsfile" && !is_text(name) => Kind::Groovy,
        "build" | "build.bazel" | "workspace" | "workspace.bazel" | "module.bazel" | "tiltfile" => {
            Kind::Starlark
        }
        "gemfile" | "rakefile" | "vagrantfile" | "berksfile" | "podfile" | "fastfile" | "snakefile" => {
            Kind::HashComment
        }
        ".bashrc" | ".bash_profile" | ".profile" | ".zshrc" | ".envrc" => Kind::Shell,
        ".dockerconfigjson" | ".dockercfg" => Kind::Json,
        "readme" | "changelog" | "changes" | "license" | "licence" | "notice" | "authors"
        | "contributing" | "todo" => Kind::Prose,
        // What they name are folders, and modules that other files import by that name.
        "codeowners" | ".dockerignore" | ".gitignore" | ".helmignore" | "go.mod" | "go.sum" => Kind::Prose,
        "procfile" | ".npmrc" => Kind::Settings,
        _ if stem.is_empty() && name.starts_with(".env") => Kind::Settings,
        _ if name.ends_with(".env") => Kind::Settings,
        _ => return None,
    })
}

/// Whether a text is a list of images and the like, one on each line, and not for people.
fn is_list(text: &str) -> bool {
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || "./:@_-${}".contains(sign);
    let lines = text.lines().map(str::trim);
    let mut lines = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .peekable();
    lines.peek().is_some() && lines.all(|line| line.contains(['/', ':']) && line.chars().all(is_sign))
}

fn is_text(name: &str) -> bool {
    matches!(
        name.rsplit('.').next(),
        Some("md" | "txt" | "rst" | "adoc" | "html")
    )
}

fn by_extension(extension: &str) -> Option<Kind> {
    Some(match extension {
        "yaml" | "yml" | "tpl" | "gotmpl" | "yamlet" | "cwl" => Kind::Yaml,
        "json" | "jsonc" | "json5" | "tfstate" | "ipynb" | "har" | "libsonnet" | "jsonnet" => Kind::Json,
        "tf" | "tfvars" | "hcl" | "tofu" | "nomad" | "pkrvars" => Kind::Hcl,
        "sh" | "bash" | "zsh" | "ksh" | "fish" | "bats" | "command" => Kind::Shell,
        "mk" | "mak" | "make" | "just" => Kind::Make,
        "ps1" | "psm1" | "psd1" => Kind::PowerShell,
        "bat" | "cmd" => Kind::Batch,
        "properties" | "ini" | "cfg" | "conf" | "config" | "service" | "timer" | "socket" | "env" | "rc"
        | "list" => Kind::Settings,
        "toml" => Kind::Toml,
        "xml" | "pom" | "csproj" | "props" | "targets" | "plist" => Kind::Xml,
        "bzl" | "bazel" | "star" | "sky" => Kind::Starlark,
        "groovy" | "gradle" | "gvy" | "jenkinsfile" | "jenkins" | "nf" => Kind::Groovy,
        "kts" => Kind::Groovy,
        "go" | "java" | "js" | "jsx" | "ts" | "tsx" | "mjs" | "cjs" | "rs" | "c" | "h" | "cc" | "cpp"
        | "hpp" | "cs" | "kt" | "swift" | "scala" | "php" | "dart" | "proto" | "rego" | "cue" | "bicep"
        | "sbt" | "sc" | "mts" | "cts" | "m" | "mm" | "fs" | "zig" | "thrift" | "vue" | "svelte" => {
            Kind::CLike
        }
        "py" | "pyi" | "pyx" | "rb" | "rake" | "gemspec" | "ru" | "cr" | "pl" | "pm" | "r" | "ex" | "exs"
        | "jl" | "nix" | "tcl" | "awk" | "wdl" | "smk" | "pp" => Kind::HashComment,
        "md" | "markdown" | "mdx" | "rst" | "adoc" | "asciidoc" | "txt" | "html" | "htm" | "org" | "tex"
        | "textile" | "pod" | "1" | "5" | "8" | "svg" => Kind::Prose,
        _ => return None,
    })
}

fn by_interpreter(text: &str) -> Option<Kind> {
    let first = text.lines().next()?.strip_prefix("#!")?;
    let words = first.split(['/', ' ', '\t']);
    words
        .filter_map(
            |word| match word.trim_end_matches(|last: char| last.is_ascii_digit() || last == '.') {
                "sh" | "bash" | "zsh" | "ksh" | "dash" | "ash" | "fish" => Some(Kind::Shell),
                "python" | "ruby" | "perl" => Some(Kind::HashComment),
                "node" | "deno" => Some(Kind::CLike),
                "make" => Some(Kind::Make),
                "pwsh" => Some(Kind::PowerShell),
                _ => None,
            },
        )
        .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_what_their_names_say() {
        for (path, kind) in [
            ("a/Dockerfile", Kind::Dockerfile),
            ("Dockerfile.dev", Kind::Dockerfile),
            ("images/web.dockerfile", Kind::Dockerfile),
            ("Dockerfile.md", Kind::Prose),
            (".github/workflows/ci.yml", Kind::Yaml),
            ("chart/templates/_helpers.tpl", Kind::Yaml),
            ("main.tf", Kind::Hcl),
            ("Jenkinsfile", Kind::Groovy),
            ("Makefile.common", Kind::Make),
            (".env.production", Kind::Settings),
            ("BUILD.bazel", Kind::Starlark),
            ("values.yaml.example", Kind::Yaml),
            ("Dockerfile.in.bak", Kind::Dockerfile),
            ("a.sh.in.in", Kind::Shell),
            ("in", Kind::Plain),
            ("x", Kind::Plain),
        ] {
            assert_eq!(Kind::of(path, ""), kind, "{path}");
        }
        assert_eq!(
            Kind::of("mirror.txt", "# all\ngcr.io/p/i:1\n\nnginx:1.2\n"),
            Kind::Plain
        );
        assert_eq!(Kind::of("notes.txt", "see gcr.io/p/i\ngcr.io/p/i\n"), Kind::Prose);
        for name in [".github/CODEOWNERS", "a/.dockerignore", "go.mod"] {
            assert_eq!(Kind::of(name, ""), Kind::Prose, "{name}");
        }
        // A name that a script makes up may be of any length.
        for count in [10, 100, 100_000] {
            let name = format!("a.sh{}", ".in".repeat(count));
            let is_name = name.len() <= NAME_BYTES_MAX;
            assert_eq!(Kind::of(&name, "") == Kind::Shell, is_name, "{count}");
        }
        assert_eq!(Kind::of("bin/run", "#!/usr/bin/env python3\n"), Kind::HashComment);
    }
}
