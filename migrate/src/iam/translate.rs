//! From Google's policies to what each repository's policy here should say.

use std::collections::{BTreeMap, BTreeSet};

use access::{MEMBERS_MAX, Member, Role};
use serde_json::Value;

use super::document::{self, Binding, Document};
use super::gathered::Gathered;
use super::named::Named;
use super::powers::Powers;
use super::refusal::{Refusal, Refusals};
use super::repository::Repository;
use super::roles::{Basic, Meaning, Roles};

/// A file that was read, as JSON.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    /// What it is called in messages; a file of a bucket may be called by the bucket's name.
    pub name: String,
    /// What it is the policy of, where that was said: a bucket, or a project.
    pub scope: Option<String>,
    /// What it says.
    pub document: Value,
}

/// What is to become of `projectViewer:P`, `projectEditor:P` and `projectOwner:P`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convenience {
    /// They are replaced by the members whom the project's policy has in that role; without that policy it is refused.
    Expand,
    /// They are dropped, and listed.
    Drop,
}

/// What is to be carried over.
#[derive(Debug, Clone)]
pub struct Request {
    /// Policies of buckets, or of one repository.
    pub policies: Vec<PolicyFile>,
    /// Policies of projects, with those of what is above them where there are such.
    pub project_policies: Vec<PolicyFile>,
    /// Definitions of roles.
    pub roles: Vec<PolicyFile>,
    /// The repository that the one policy is for, when it is not that of one of Container Registry's buckets.
    pub repository: Option<Repository>,
    /// What is to become of convenience members.
    pub convenience: Convenience,
}

/// Who should have what on one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The repository.
    pub repository: Repository,
    /// What it comes from: buckets and projects.
    pub sources: Vec<String>,
    /// One role for each member, in their order.
    pub grants: Vec<Grant>,
    /// What is not carried as it was.
    pub listed: Vec<Listed>,
}

/// A role for a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Who.
    pub member: Member,
    /// What.
    pub role: Role,
    /// Why: what was given, and on what.
    pub because: Vec<String>,
}

/// Something that people should know before they apply this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What kind of thing.
    pub kind: ListedKind,
    /// The member, as the policy writes it, or a role.
    pub subject: String,
    /// Which powers it is about.
    pub powers: Powers,
    /// Why.
    pub why: String,
}

/// What becomes of something that is not carried as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListedKind {
    /// The member loses these powers.
    Lost,
    /// The member gets these powers, which it had not.
    Gained,
    /// The member is one of an account that is gone.
    Dropped,
    /// The member cannot be named here, and loses these powers.
    Unresolved,
    /// The member is carried, and nobody is in it until somebody says who.
    Group,
    /// The role of the project gave nothing on this bucket.
    NotInherited,
    /// The role is one of another service, of which is not known whether it gives something on images.
    Unexamined,
}

impl ListedKind {
    /// A word for reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Gained => "gained",
            Self::Dropped => "dropped",
            Self::Unresolved => "unresolved",
            Self::Group => "group",
            Self::NotInherited => "notInherited",
            Self::Unexamined => "unexamined",
        }
    }
}

impl Request {
    /// One without any file.
    #[must_use]
    pub fn new(convenience: Convenience) -> Request {
        Request {
            policies: Vec::new(),
            project_policies: Vec::new(),
            roles: Vec::new(),
            repository: None,
            convenience,
        }
    }
}

/// Says who should have what on each repository, in their order.
///
/// # Errors
/// [`Refusals`], all at once, when there is something that cannot be carried and is not merely listed.
pub fn translate(request: &Request) -> Result<Vec<Access>, Refusals> {
    let mut translation = Translation {
        convenience: request.convenience,
        roles: Roles::default(),
        projects: BTreeMap::new(),
        refusals: Vec::new(),
    };
    for file in &request.roles {
        let defined = translation.roles.define(&file.name, &file.document);
        translation.refusals.extend(defined.err());
    }
    let targets = translation.targets(request);
    translation.read_projects(&request.project_policies, &targets);
    let found = targets
        .into_iter()
        .map(|target| translation.access(target))
        .collect();
    match translation.refusals.is_empty() {
        true => Ok(found),
        false => {
            let mut refusals = Vec::new();
            for refusal in translation.refusals {
                if !refusals.contains(&refusal) {
                    refusals.push(refusal);
                }
            }
            Err(Refusals(refusals))
        }
    }
}

/// A repository with the policy that it had.
struct Target {
    repository: Repository,
    /// What the policy is of, for messages; nothing when only the project says something.
    policy: Option<(String, Document)>,
    /// Whether basic roles gave something through convenience members alone, as on buckets.
    is_bucket: bool,
}

/// What is known while it is translated.
struct Translation {
    convenience: Convenience,
    roles: Roles,
    projects: BTreeMap<String, Vec<(String, Document)>>,
    refusals: Vec<Refusal>,
}

impl Translation {
    fn read(&mut self, file: &PolicyFile) -> Vec<Document> {
        match document::read(&file.name, &file.document) {
            Ok(documents) => documents,
            Err(refusals) => {
                self.refusals.extend(refusals);
                Vec::new()
            }
        }
    }

    fn targets(&mut self, request: &Request) -> Vec<Target> {
        let mut targets: BTreeMap<Repository, Target> = BTreeMap::new();
        for file in &request.policies {
            for document in self.read(file) {
                let bucket = bucket_of(file, &document);
                let of_bucket = || Repository::of_bucket(bucket.as_deref()?);
                let Some(repository) = request.repository.clone().or_else(of_bucket) else {
                    self.refusals.push(Refusal::Place {
                        file: file.name.clone(),
                    });
                    continue;
                };
                let is_bucket = bucket.is_some() || document.bindings.iter().any(is_of_bucket);
                let name = bucket.unwrap_or_else(|| file.name.clone());
                let target = Target {
                    repository: repository.clone(),
                    policy: Some((name, document)),
                    is_bucket,
                };
                if targets.insert(repository.clone(), target).is_some() {
                    self.refusals.push(Refusal::Twice {
                        file: file.name.clone(),
                        repository: repository.to_string(),
                    });
                }
            }
        }
        if let (true, Some(repository)) = (request.policies.is_empty(), &request.repository) {
            let target = Target {
                repository: repository.clone(),
                policy: None,
                is_bucket: false,
            };
            targets.insert(repository.clone(), target);
        }
        targets.into_values().collect()
    }

    fn read_projects(&mut self, files: &[PolicyFile], targets: &[Target]) {
        let concerned: BTreeSet<&str> = targets.iter().map(|target| target.repository.project()).collect();
        let only = concerned.first().filter(|_| concerned.len() == 1).copied();
        for file in files {
            let documents = self.read(file);
            let said = documents.iter().find_map(|document| document.project.clone());
            let project = file.scope.clone().or(said).or_else(|| only.map(str::to_owned));
            let Some(project) = project else {
                self.refusals.push(Refusal::Project {
                    file: file.name.clone(),
                });
                continue;
            };
            let named = documents
                .into_iter()
                .map(|document| (file.name.clone(), document));
            self.projects.entry(project).or_default().extend(named);
        }
    }

    fn access(&mut self, target: Target) -> Access {
        let mut gathered = Gathered::default();
        let mut expanded = BTreeSet::new();
        if let Some((place, document)) = &target.policy {
            for binding in &document.bindings {
                if let Some(powers) = self.powers_on_place(place, binding) {
                    self.bind(&mut gathered, &mut expanded, (place, binding, powers));
                }
            }
        }
        let project = target.repository.project();
        let inherited = self.projects.get(project).cloned().unwrap_or_default();
        for (file, document) in &inherited {
            for binding in &document.bindings {
                let basic_counts = |basic: Basic| match (
                    target.is_bucket,
                    expanded.contains(&(basic, project.to_owned())),
                ) {
                    (true, true) => BasicGives::Already,
                    (true, false) => BasicGives::Nothing,
                    (false, _) => BasicGives::Itself,
                };
                self.inherit(&mut gathered, (file, project, binding), basic_counts);
            }
        }
        let (grants, listed) = gathered.into_grants();
        if grants.len() > MEMBERS_MAX {
            self.refusals.push(Refusal::Members {
                repository: target.repository.to_string(),
                members: grants.len(),
                most: MEMBERS_MAX,
            });
        }
        let of_project = (!inherited.is_empty()).then(|| format!("projects/{project}"));
        Access {
            sources: target
                .policy
                .into_iter()
                .map(|(place, _)| place)
                .chain(of_project)
                .collect(),
            repository: target.repository,
            grants,
            listed,
        }
    }

    /// What a binding on a bucket or repository gives; nothing when that is nothing, or was refused.
    fn powers_on_place(&mut self, place: &str, binding: &Binding) -> Option<Powers> {
        let (file, role) = (place.to_owned(), binding.role.clone());
        match self.roles.meaning(&binding.role) {
            Meaning::Gives(powers) => self.unconditional(place, binding, powers),
            Meaning::Custom => {
                self.refusals.push(Refusal::CustomRole { file, role });
                None
            }
            Meaning::Basic(_) | Meaning::Unknown | Meaning::Elsewhere => {
                self.refusals.push(Refusal::UnknownRole { file, role });
                None
            }
        }
    }

    /// A condition counts only on what gives something.
    fn unconditional(&mut self, file: &str, binding: &Binding, powers: Powers) -> Option<Powers> {
        if powers.is_empty() {
            return None;
        }
        if let Some(condition) = binding.condition() {
            self.refusals.push(Refusal::Condition {
                file: file.to_owned(),
                role: binding.role.clone(),
                condition: condition.to_owned(),
            });
            return None;
        }
        Some(powers)
    }

    fn bind(
        &mut self,
        gathered: &mut Gathered,
        expanded: &mut BTreeSet<(Basic, String)>,
        (place, binding, powers): (&str, &Binding, Powers),
    ) {
        let because = format!("{} on {place}", binding.role);
        for member in &binding.members {
            match Named::read(member) {
                Named::Convenience(basic, project) => {
                    expanded.insert((basic, project.clone()));
                    if self.convenience == Convenience::Drop {
                        let why = format!("convenience members are dropped, as was asked; it had {because}");
                        gathered.list(ListedKind::Lost, member, powers, why);
                    } else if self.projects.contains_key(&project) {
                        self.expand(gathered, (basic, &project), (member, powers, &because));
                    } else {
                        self.refusals.push(Refusal::Convenience {
                            file: place.to_owned(),
                            member: member.clone(),
                            role: binding.role.clone(),
                        });
                    }
                }
                _ => gathered.add(member, powers, &because),
            }
        }
    }

    /// Whoever has the basic role in the project gets what the convenience member had, as far as the role's name goes.
    fn expand(
        &mut self,
        gathered: &mut Gathered,
        (basic, project): (Basic, &str),
        (member, powers, because): (&str, Powers, &str),
    ) {
        let beyond = powers.without(basic.powers());
        if !beyond.is_empty() {
            let why = format!(
                "{} becomes no more than its name says; it had {because}",
                basic.role()
            );
            gathered.list(ListedKind::Lost, member, beyond, why);
        }
        let carried = powers.within(basic.powers());
        let because = format!("{} of {project}, which had {because}", basic.role());
        for (file, document) in self.projects.get(project).cloned().unwrap_or_default() {
            for binding in document
                .bindings
                .iter()
                .filter(|binding| binding.role == basic.role())
            {
                if let Some(carried) = self.unconditional(&file, binding, carried) {
                    for member in &binding.members {
                        gathered.add(member, carried, &because);
                    }
                }
            }
        }
    }

    fn inherit(
        &mut self,
        gathered: &mut Gathered,
        (file, project, binding): (&str, &str, &Binding),
        basic_gives: impl Fn(Basic) -> BasicGives,
    ) {
        let role = binding.role.clone();
        let powers = match self.roles.meaning(&role) {
            Meaning::Gives(powers) => powers,
            Meaning::Basic(basic) => match basic_gives(basic) {
                BasicGives::Itself => basic.powers(),
                BasicGives::Already => return,
                BasicGives::Nothing => {
                    let why = format!("the bucket gives nothing to members of {project} by this role");
                    gathered.list(ListedKind::NotInherited, &role, Powers::NONE, why);
                    return;
                }
            },
            Meaning::Custom => {
                let file = file.to_owned();
                self.refusals.push(Refusal::CustomRole { file, role });
                return;
            }
            Meaning::Unknown => {
                let file = file.to_owned();
                self.refusals.push(Refusal::UnknownRole { file, role });
                return;
            }
            Meaning::Elsewhere => {
                let why = format!("{file} gives it; if it gives something on images, its definition says so");
                gathered.list(ListedKind::Unexamined, &role, Powers::NONE, why);
                return;
            }
        };
        if let Some(powers) = self.unconditional(file, binding, powers) {
            let because = format!("{role} on projects/{project}");
            for member in &binding.members {
                gathered.add(member, powers, &because);
            }
        }
    }
}

/// What a basic role of a project gives on the place at hand.
enum BasicGives {
    /// What its name says.
    Itself,
    /// What it gives is gathered already, through its convenience member.
    Already,
    Nothing,
}

/// The bucket that a policy is of: as was said, as it says itself, as its file is called.
fn bucket_of(file: &PolicyFile, document: &Document) -> Option<String> {
    let of_name = || {
        let name = file.name.rsplit('/').next().unwrap_or_default();
        let stem = ENDINGS
            .iter()
            .find_map(|ending| name.strip_suffix(ending))
            .unwrap_or(name);
        Repository::of_bucket(stem).map(|_| stem.to_owned())
    };
    let said = file
        .scope
        .as_deref()
        .map(|scope| scope.trim_start_matches("gs://").trim_end_matches('/'));
    said.map(str::to_owned)
        .or_else(|| document.bucket.clone())
        .or_else(of_name)
}

const ENDINGS: [&str; 3] = [".json", ".yaml", ".yml"];

/// Whether a binding is one that only buckets have.
fn is_of_bucket(binding: &Binding) -> bool {
    let has_convenience = || {
        binding
            .members
            .iter()
            .any(|member| matches!(Named::read(member), Named::Convenience(..)))
    };
    binding.role.starts_with("roles/storage.") || has_convenience()
}
