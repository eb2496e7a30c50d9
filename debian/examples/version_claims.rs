//! Reads versions, one on a line, and writes claims such as `1.0 lt 1.1`: one for each two neighbours in our order, and
//! as many for versions far apart. bench/compare-versions.sh has dpkg judge them.

use std::cmp::Ordering;
use std::error::Error;
use std::io::{self, BufRead, BufWriter, Write};

use debian::Version;

fn main() -> Result<(), Box<dyn Error>> {
    let mut versions = Vec::new();
    for line in io::stdin().lock().lines() {
        versions.push(line?.parse::<Version>()?);
    }
    versions.sort();
    let mut output = BufWriter::new(io::stdout().lock());
    for pair in versions.windows(2) {
        if let [left, right] = pair {
            claim(&mut output, left, right)?;
        }
    }
    for (at, left) in versions.iter().enumerate() {
        // A fixed walk that is as good as random.
        if let Some(right) = versions.get((at * 104_729 + 7_919) % versions.len()) {
            claim(&mut output, left, right)?;
        }
    }
    Ok(output.flush()?)
}

fn claim(output: &mut impl Write, left: &Version, right: &Version) -> io::Result<()> {
    let operator = match left.cmp(right) {
        Ordering::Less => "lt",
        Ordering::Equal => "eq",
        Ordering::Greater => "gt",
    };
    writeln!(output, "{left} {operator} {right}")
}
