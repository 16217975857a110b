//! Entries of a batch or transaction as requests; everything wrong with them is reported at once.

use crate::access::Intent;
use crate::fhir::id;
use crate::fhir::instant::Instant;
use crate::fhir::resource::{Node, Object, Resource};
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::interaction::bundle::envelope;
use crate::interaction::conditional::{Criteria, criteria_of};
use crate::interaction::entity_tag::{self, Known};
use crate::interaction::update::{Precondition, Target};
use crate::outcome::kind::Kind;
use crate::outcome::{Issue, Outcome};

/// A Bundle of requests.
#[derive(Debug, Clone)]
pub struct BundleRequest {
    /// Whether all entries succeed or fail together.
    pub is_transaction: bool,
    /// The entries in the order of the Bundle; in a batch, what is wrong with one stays with it.
    pub entries: Vec<Result<EntryRequest, Outcome>>,
}

/// One entry.
#[derive(Debug, Clone)]
pub struct EntryRequest {
    /// Its place in the Bundle.
    pub index: usize,
    /// `entry.fullUrl`: what other entries call the resource.
    pub full_url: Option<String>,
    /// What it asks for.
    pub verb: Verb,
}

/// What an entry asks for.
#[derive(Debug, Clone)]
pub enum Verb {
    /// GET or HEAD of a URL relative to the base.
    Get {
        /// Path and query.
        url: String,
        /// What the client has.
        if_none_match: Option<Known>,
        /// The time up to which the client has everything.
        if_modified_since: Option<Instant>,
    },
    /// POST on a type.
    Post {
        /// The resource.
        resource: Resource,
        /// Create only when nothing matches.
        if_none_exist: Option<String>,
    },
    /// PUT by id or criteria.
    Put {
        /// The resource.
        resource: Resource,
        /// Which resource.
        target: Target,
        /// What must hold.
        condition: Precondition,
    },
    /// PATCH by id or criteria; the patch is a `Binary` or `Parameters`.
    Patch {
        /// The type.
        resource_type: ResourceType,
        /// Which resource.
        target: Target,
        /// The patch document.
        document: Resource,
        /// What must hold.
        condition: Precondition,
    },
    /// DELETE by id or criteria.
    Delete {
        /// The type.
        resource_type: ResourceType,
        /// Which resource.
        target: Target,
        /// What must hold.
        condition: Precondition,
    },
}

impl Verb {
    /// What a write needs to be granted; `None` for a read, whose URL tells.
    pub fn intent(&self) -> Option<Intent> {
        Some(match self {
            Self::Get { .. } => return None,
            Self::Post { resource, .. } => Intent::Create(resource.resource_type()),
            Self::Put { resource, .. } => Intent::Update(resource.resource_type()),
            Self::Patch { resource_type, .. } => Intent::Patch(*resource_type),
            Self::Delete { resource_type, .. } => Intent::Delete(*resource_type),
        })
    }

    /// The criteria that decide what a write is about.
    pub fn criteria(&self) -> Option<Criteria<'_>> {
        let (resource_type, query) = match self {
            Self::Post {
                resource,
                if_none_exist: Some(query),
            }
            | Self::Put {
                resource,
                target: Target::Criteria(query),
                ..
            } => (resource.resource_type(), query),
            Self::Patch {
                resource_type,
                target: Target::Criteria(query),
                ..
            }
            | Self::Delete {
                resource_type,
                target: Target::Criteria(query),
                ..
            } => (*resource_type, query),
            _ => return None,
        };
        Some(Criteria {
            resource_type,
            query,
        })
    }
}

/// Reads a Bundle of requests.
///
/// # Errors
/// 400 when it is neither batch nor transaction, says what R4 does not know, or has too many
/// entries; a transaction also fails for what is wrong with any entry, and the outcome lists all
/// of it.
pub fn read_bundle(ctx: &Context, bundle: Resource) -> Result<BundleRequest, Outcome> {
    let mut object = bundle.into_object();
    let entries = object.remove("entry");
    envelope::check_head(ctx, &object)?;
    let is_transaction = match object.get_str("type") {
        Some("transaction") => true,
        Some("batch") => false,
        _ => {
            return Err(Outcome::new(
                Kind::Invalid,
                "A Bundle posted to the base must have the type batch or transaction.",
            )
            .at("Bundle.type"));
        }
    };
    let nodes = match entries {
        Some(Node::Array(entries)) if !entries.is_empty() => entries,
        Some(_) => {
            return Err(
                Outcome::new(Kind::Invalid, "entry must be an array that is not empty.")
                    .at("Bundle.entry"),
            );
        }
        None => Vec::new(),
    };
    let entries_max = ctx.settings.limits.bundle_entries_max;
    if nodes.len() > entries_max {
        return Err(Outcome::new(
            Kind::TooLarge,
            format!(
                "The Bundle has {} entries; {entries_max} are allowed.",
                nodes.len()
            ),
        )
        .at("Bundle.entry"));
    }
    let read = |(index, node)| read_entry(ctx, index, node);
    let entries: Vec<_> = nodes.into_iter().enumerate().map(read).collect();
    if is_transaction {
        refuse_all_problems(&entries, ctx.settings.limits.issues_max)?;
    }
    Ok(BundleRequest {
        is_transaction,
        entries,
    })
}

fn refuse_all_problems(
    entries: &[Result<EntryRequest, Outcome>],
    issues_max: usize,
) -> Result<(), Outcome> {
    let problems: Vec<Issue> = entries
        .iter()
        .filter_map(|entry| entry.as_ref().err())
        .flat_map(|outcome| outcome.issues.iter().cloned())
        .take(issues_max)
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Outcome::with_issues(Kind::Invalid, problems))
    }
}

fn read_entry(ctx: &Context, index: usize, node: Node) -> Result<EntryRequest, Outcome> {
    let refuse = |reason: &str, member: &str| {
        Outcome::new(Kind::Invalid, reason).at(format!("Bundle.entry[{index}]{member}"))
    };
    let Node::Object(mut entry) = node else {
        return Err(refuse("An entry must be an object.", ""));
    };
    let resource = entry.remove("resource");
    envelope::check_entry(ctx, &entry, index)?;
    let full_url = entry.get_str("fullUrl").map(str::to_owned);
    let Some(Node::Object(request)) = entry.remove("request") else {
        return Err(refuse(
            "An entry of a batch or transaction needs a request.",
            ".request",
        ));
    };
    let resource = match resource {
        None => None,
        Some(Node::Object(object)) => Some(Resource::from_object(object).map_err(|_object| {
            refuse(
                "resourceType must be the name of an R4 resource type.",
                ".resource",
            )
        })?),
        Some(_) => return Err(refuse("A resource must be an object.", ".resource")),
    };
    let parts = Parts {
        index,
        request: &request,
        resource,
        base_url: &ctx.settings.base_url,
    };
    let verb = match request.get_str("method") {
        Some("GET" | "HEAD") => parts.get()?,
        Some("POST") => parts.post()?,
        Some("PUT") => parts.put()?,
        Some("PATCH") => parts.patch()?,
        Some("DELETE") => parts.delete()?,
        _ => {
            return Err(refuse(
                "method must be GET, HEAD, POST, PUT, PATCH or DELETE.",
                ".request.method",
            ));
        }
    };
    Ok(EntryRequest {
        index,
        full_url,
        verb,
    })
}

/// What an entry is read from.
struct Parts<'a> {
    index: usize,
    request: &'a Object,
    resource: Option<Resource>,
    base_url: &'a str,
}

impl Parts<'_> {
    fn get(self) -> Result<Verb, Outcome> {
        let if_modified_since = match self.request.get_str("ifModifiedSince") {
            None => None,
            Some(text) => Some(Instant::parse(text).ok_or_else(|| {
                self.refuse(
                    "ifModifiedSince must be an instant.",
                    ".request.ifModifiedSince",
                )
            })?),
        };
        Ok(Verb::Get {
            url: self.url()?.to_owned(),
            if_none_match: self.request.get_str("ifNoneMatch").map(Known::read),
            if_modified_since,
        })
    }

    fn post(mut self) -> Result<Verb, Outcome> {
        if let Some(url) = self.search_url()? {
            return Ok(Verb::Get {
                url,
                if_none_match: None,
                if_modified_since: None,
            });
        }
        let resource = self.take_resource()?;
        let name = resource.resource_type().name();
        if self.url()? != name {
            return Err(self.refuse(
                &format!("The url of a POST must be the type of its resource, {name}."),
                ".request.url",
            ));
        }
        let criteria = self.request.get_str("ifNoneExist");
        let if_none_exist = criteria.map(|text| criteria_of(text).to_owned());
        Ok(Verb::Post {
            resource,
            if_none_exist,
        })
    }

    /// The search that a POST on `_search` asks for; its parameters stand in the url.
    fn search_url(&self) -> Result<Option<String>, Outcome> {
        let url = self.url()?;
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        if path.contains('$') {
            return Err(self.refuse(
                "Inside a Bundle, operations are called by GET: call the others on their own.",
                ".request.url",
            ));
        }
        let Some(name) = path.strip_suffix("/_search") else {
            return Ok(None);
        };
        if self.resource.is_some() || self.request.contains("ifNoneExist") {
            return Err(self.refuse(
                "A search has its parameters in the url, and neither resource nor condition.",
                ".request.url",
            ));
        }
        Ok(Some(format!("{name}?{query}")))
    }

    fn put(mut self) -> Result<Verb, Outcome> {
        let resource = self.take_resource()?;
        let (resource_type, target) = self.target()?;
        if resource.resource_type() != resource_type {
            return Err(self.refuse(
                &format!("The url names {resource_type}, the resource is something else."),
                ".request.url",
            ));
        }
        if let Target::Id(id) = &target
            && resource.id() != Some(id)
        {
            return Err(self.refuse(
                "The id in the resource must be the id in the url.",
                ".resource.id",
            ));
        }
        Ok(Verb::Put {
            resource,
            target,
            condition: self.condition()?,
        })
    }

    fn patch(mut self) -> Result<Verb, Outcome> {
        let document = self.take_resource()?;
        let (resource_type, target) = self.target()?;
        Ok(Verb::Patch {
            resource_type,
            target,
            document,
            condition: self.condition()?,
        })
    }

    fn delete(self) -> Result<Verb, Outcome> {
        let (resource_type, target) = self.target()?;
        Ok(Verb::Delete {
            resource_type,
            target,
            condition: self.condition()?,
        })
    }

    fn condition(&self) -> Result<Precondition, Outcome> {
        let if_none_match = self.request.get_str("ifNoneMatch");
        if if_none_match.is_some_and(|value| value != "*") {
            return Err(self.refuse(
                "On a write, ifNoneMatch can only be *: write unless it exists.",
                ".request.ifNoneMatch",
            ));
        }
        let if_match_any = self.request.get_str("ifMatch") == Some("*");
        Ok(Precondition {
            if_match: if if_match_any {
                Vec::new()
            } else {
                self.versions("ifMatch")?
            },
            if_match_any,
            if_none_match_any: if_none_match.is_some(),
        })
    }

    fn versions(&self, member: &str) -> Result<Vec<i64>, Outcome> {
        let Some(text) = self.request.get_str(member) else {
            return Ok(Vec::new());
        };
        entity_tag::versions(text).ok_or_else(|| {
            self.refuse(
                &format!("{member} must be a version's entity tag, as in W/\"3\"."),
                &format!(".request.{member}"),
            )
        })
    }

    fn take_resource(&mut self) -> Result<Resource, Outcome> {
        self.resource.take().ok_or_else(|| {
            Outcome::new(Kind::Invalid, "This method needs a resource.")
                .at(format!("Bundle.entry[{}].resource", self.index))
        })
    }

    /// The URL relative to the base, without a slash in front.
    fn url(&self) -> Result<&str, Outcome> {
        let url = self.request.get_str("url").ok_or_else(|| {
            self.refuse(
                "url must be given, relative to the FHIR base.",
                ".request.url",
            )
        })?;
        Ok(url
            .strip_prefix(self.base_url)
            .unwrap_or(url)
            .trim_start_matches('/'))
    }

    fn target(&self) -> Result<(ResourceType, Target), Outcome> {
        let wrong = || {
            self.refuse(
                "url must be Type/id, or Type?criteria, relative to the FHIR base.",
                ".request.url",
            )
        };
        let url = self.url()?;
        if let Some((name, query)) = url.split_once('?') {
            let resource_type = name.parse().map_err(|_unknown| wrong())?;
            return Ok((resource_type, Target::Criteria(query.to_owned())));
        }
        let (name, wanted) = url.split_once('/').ok_or_else(wrong)?;
        let resource_type = name.parse().map_err(|_unknown| wrong())?;
        if !id::is_valid(wanted) {
            return Err(wrong());
        }
        Ok((resource_type, Target::Id(wanted.to_owned())))
    }

    fn refuse(&self, reason: &str, member: &str) -> Outcome {
        Outcome::new(Kind::Invalid, reason).at(format!("Bundle.entry[{}]{member}", self.index))
    }
}
