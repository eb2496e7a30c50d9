//! PowerShell and batch files.

mod batch;
mod script;

use super::Document;
use crate::kind::Kind;
use crate::mapped::Mapped;

/// Takes one apart.
pub(super) fn read(text: &str, kind: Kind) -> Document {
    let file = Mapped::whole(text);
    match kind {
        Kind::Batch => batch::read(&file),
        _ => script::read(&file),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reading::check::{pieces, stands_where_it_says};

    #[test]
    fn scripts_are_taken_apart() {
        for (text, wanted) in [
            ("# gcr.io", "comment # gcr.io"),
            ("<# of gcr.io\n more #>\n", "comment <# of gcr.io\n more #>"),
            ("$R = \"gcr.io/p\"", "value gcr.io/p"),
            ("param([string]$R = 'gcr.io/p')", "value gcr.io/p"),
            ("docker push `\r\n  gcr.io/$P/x", "value gcr.io/$P/x"),
            (
                "docker push \"gcr.io/$($a.b)/x:`\"y\"",
                "value gcr.io/$($a.b)/x:\"y",
            ),
            ("Write-Host \"to gcr.io\"", "prose to gcr.io"),
            ("Write-Output gcr.io | docker x", "value gcr.io"),
            ("$m = @\"\ngcr.io/p\n\"@\n", "value \ngcr.io/p"),
            ("x @\"\n$m = @'\ngcr.io/p\n'@\n", "value \ngcr.io/p"),
            ("throw 'no gcr.io'", "prose no gcr.io"),
            (
                "foreach ($h in @('gcr.io', 'eu.gcr.io')) { docker pull $h/x }",
                "value eu.gcr.io",
            ),
            ("if ($x) { docker push gcr.io/p/x }", "value gcr.io/p/x"),
        ] {
            let all = pieces(&read(text, Kind::PowerShell));
            assert!(all.iter().any(|piece| piece == wanted), "{text}: {all:?}");
        }
    }

    #[test]
    fn batch_files_are_taken_apart() {
        for (text, wanted) in [
            ("REM gcr.io", "comment REM gcr.io"),
            ("@echo off\r\n:: gcr.io\r\n", "comment :: gcr.io"),
            ("set R=gcr.io/p\r\n", "value gcr.io/p"),
            ("set \"R=gcr.io/p\"\r\n", "value gcr.io/p"),
            ("echo to gcr.io", "prose echo to gcr.io"),
            ("echo gcr.io > x", "value gcr.io"),
            ("if \"%R%\"==\"\" set R=gcr.io/p", "value gcr.io/p"),
            ("if errorlevel 1 echo no gcr.io", "prose echo no gcr.io"),
            ("docker push ^\r\n  gcr.io/%P%/x", "value gcr.io/%P%/x"),
            ("type k | docker login gcr.io", "value gcr.io"),
        ] {
            let all = pieces(&read(text, Kind::Batch));
            assert!(all.iter().any(|piece| piece == wanted), "{text}: {all:?}");
        }
        let document = read("call type k.json | docker login gcr.io", Kind::Batch);
        let last = document.commands.last().unwrap();
        assert_eq!(last.texts().collect::<Vec<_>>(), ["docker", "login", "gcr.io"]);
        assert_eq!(last.input.len(), 2);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[ -~\r\n\té\"'$(){}<>|;&#`=@^%a]{0,160}") {
            stands_where_it_says(&text, &read(&text, Kind::PowerShell));
            stands_where_it_says(&text, &read(&text, Kind::Batch));
        }
    }
}
