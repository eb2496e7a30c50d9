//! `lightship catalogue`: what can be built.

use clap::Args;
use factory::catalogue;
use factory::specification::Specification;
use serde::Serialize;

use crate::arguments::{Format, FormatOption};
use crate::failure::{Failure, Outcome};
use crate::output;

/// List the images that can be built by name
///
/// With a NAME, print its specification, to learn from or to begin an own one with.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Print the specification of this image
    #[arg(conflicts_with = "format")]
    name: Option<String>,
    #[command(flatten)]
    format: FormatOption,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    images: Vec<Image>,
}

#[derive(Serialize)]
struct Image {
    name: String,
    release: &'static str,
    description: Option<String>,
    variants: Vec<String>,
    architectures: Vec<&'static str>,
    supported_until: String,
    supported_until_long_term: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    if let Some(name) = &arguments.name {
        return print(name);
    }
    let images = catalogue::names()
        .map(read)
        .collect::<Result<Vec<_>, Failure>>()?;
    match arguments.format.format {
        Format::Json => output::json(&Report {
            schema: "lightship/catalogue/v1",
            images,
        })?,
        Format::Text => output::data(table(&images).as_bytes())?,
    }
    Ok(Outcome::Done)
}

fn print(name: &str) -> Result<Outcome, Failure> {
    let text = catalogue::text(name).ok_or_else(|| {
        Failure::usage(format!("there is no image {name} in the catalogue"))
            .hint("`lightship catalogue` lists the names")
    })?;
    output::data(text.as_bytes())?;
    Ok(Outcome::Done)
}

fn read(name: &str) -> Result<Image, Failure> {
    let specification = catalogue::specification(name)
        .map_err(|error| Failure::bug(format!("the specification of {name} does not read"), error))?;
    let latest = first_plan(&specification)?;
    Ok(Image {
        release: latest.release.name(),
        description: specification.description.clone(),
        variants: specification
            .plans
            .iter()
            .map(|plan| plan.variant.clone())
            .collect(),
        architectures: latest
            .architectures
            .iter()
            .map(|architecture| architecture.name())
            .collect(),
        supported_until: latest.support.full.to_string(),
        supported_until_long_term: latest.support.long_term.map(|date| date.to_string()),
        name: specification.name,
    })
}

fn first_plan(specification: &Specification) -> Result<&factory::specification::Plan, Failure> {
    specification
        .plans
        .first()
        .ok_or_else(|| Failure::usage(format!("{} has no variant", specification.name)))
}

/// Name, end of support, variants and architectures; what is the same for all is said once.
fn table(images: &[Image]) -> String {
    let mut text = format!(
        "{:<22} {:<10} {:<10} {}\n",
        "NAME", "SUPPORT", "LTS", "ARCHITECTURES"
    );
    for image in images {
        let long_term = image.supported_until_long_term.as_deref().unwrap_or("-");
        let architectures = image.architectures.join(" ");
        text.push_str(&format!(
            "{:<22} {:<10} {long_term:<10} {architectures}\n",
            image.name, image.supported_until
        ));
    }
    let first = images
        .first()
        .map(|image| image.variants.join(", "))
        .unwrap_or_default();
    let same = images.iter().all(|image| image.variants.join(", ") == first);
    if same {
        text.push_str(&format!("\nEach has the variants {first}.\n"));
    }
    text
}
