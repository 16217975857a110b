//! Bundles that the server answers with, spliced together from stored bytes.
//!
//! A stored resource goes into the Bundle as it is: nothing is parsed or written again.
//! Spec: <https://hl7.org/fhir/R4/bundle.html>.

use crate::fhir::json::write_string;

/// Writes a Bundle from front to back.
#[derive(Debug)]
pub struct BundleWriter {
    out: Vec<u8>,
    has_entries: bool,
}

/// What stands in `entry.request`.
#[derive(Debug, Clone, Copy)]
pub struct EntryRequest<'a> {
    /// The HTTP verb.
    pub method: &'a str,
    /// The URL, relative to the base.
    pub url: &'a str,
}

/// What stands in `entry.response`.
#[derive(Debug, Clone, Copy, Default)]
pub struct EntryResponse<'a> {
    /// The HTTP status with its phrase: `201 Created`.
    pub status: &'a str,
    /// Where the version is.
    pub location: Option<&'a str>,
    /// The version as an entity tag.
    pub etag: Option<&'a str>,
    /// When it was written.
    pub last_modified: Option<&'a str>,
    /// An `OperationOutcome`, as JSON.
    pub outcome: Option<&'a [u8]>,
}

/// One entry.
#[derive(Debug, Clone, Copy, Default)]
pub struct Entry<'a> {
    /// The absolute URL of the resource.
    pub full_url: Option<&'a str>,
    /// The resource, as JSON.
    pub resource: Option<&'a [u8]>,
    /// `match`, `include` or `outcome`.
    pub search_mode: Option<&'a str>,
    /// The request that made the version.
    pub request: Option<EntryRequest<'a>>,
    /// The answer to the entry's request.
    pub response: Option<EntryResponse<'a>>,
}

impl BundleWriter {
    /// A Bundle of a type, with its time (an instant), total and links (relation, URL).
    pub fn new(
        bundle_type: &str,
        timestamp: &str,
        total: Option<u64>,
        links: &[(&str, String)],
    ) -> Self {
        let mut out = Vec::with_capacity(4096);
        out.extend_from_slice(b"{\"resourceType\":\"Bundle\"");
        member(&mut out, "type", bundle_type);
        member(&mut out, "timestamp", timestamp);
        if let Some(total) = total {
            out.extend_from_slice(format!(",\"total\":{total}").as_bytes());
        }
        for (index, (relation, url)) in links.iter().enumerate() {
            let open: &[u8] = if index == 0 { b",\"link\":[{" } else { b",{" };
            out.extend_from_slice(open);
            first_member(&mut out, "relation", relation);
            member(&mut out, "url", url);
            out.push(b'}');
        }
        if !links.is_empty() {
            out.push(b']');
        }
        Self {
            out,
            has_entries: false,
        }
    }

    /// Makes room for so many bytes of entries.
    pub fn reserve(&mut self, bytes: usize) {
        self.out.reserve(bytes);
    }

    /// Appends an entry.
    pub fn entry(&mut self, entry: &Entry<'_>) {
        let open: &[u8] = if self.has_entries {
            b","
        } else {
            b",\"entry\":["
        };
        self.out.extend_from_slice(open);
        self.has_entries = true;
        let out = &mut self.out;
        let start = out.len();
        if let Some(url) = entry.full_url {
            member(out, "fullUrl", url);
        }
        if let Some(json) = entry.resource {
            raw_member(out, "resource", json);
        }
        if let Some(mode) = entry.search_mode {
            out.extend_from_slice(b",\"search\":{");
            first_member(out, "mode", mode);
            out.push(b'}');
        }
        if let Some(request) = &entry.request {
            out.extend_from_slice(b",\"request\":{");
            first_member(out, "method", request.method);
            member(out, "url", request.url);
            out.push(b'}');
        }
        if let Some(response) = &entry.response {
            write_response(out, response);
        }
        match out.get_mut(start) {
            Some(comma) => *comma = b'{',
            None => out.push(b'{'),
        }
        out.push(b'}');
    }

    /// The finished Bundle.
    pub fn finish(mut self) -> Vec<u8> {
        if self.has_entries {
            self.out.push(b']');
        }
        self.out.push(b'}');
        self.out
    }
}

fn write_response(out: &mut Vec<u8>, response: &EntryResponse<'_>) {
    out.extend_from_slice(b",\"response\":{");
    first_member(out, "status", response.status);
    let members = [
        ("location", response.location),
        ("etag", response.etag),
        ("lastModified", response.last_modified),
    ];
    for (name, value) in members {
        if let Some(value) = value {
            member(out, name, value);
        }
    }
    if let Some(outcome) = response.outcome {
        raw_member(out, "outcome", outcome);
    }
    out.push(b'}');
}

fn first_member(out: &mut Vec<u8>, name: &str, value: &str) {
    write_string(out, name);
    out.push(b':');
    write_string(out, value);
}

fn member(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(b',');
    first_member(out, name, value);
}

fn raw_member(out: &mut Vec<u8>, name: &str, json: &[u8]) {
    out.push(b',');
    write_string(out, name);
    out.push(b':');
    out.extend_from_slice(json);
}

#[cfg(test)]
mod tests {
    use super::{BundleWriter, Entry, EntryResponse};

    #[test]
    fn entries_are_spliced_in() {
        let links = [("self", "http://x/fhir/Patient".to_owned())];
        let mut bundle = BundleWriter::new("searchset", "2026-01-01T00:00:00Z", Some(2), &links);
        let resource: &[u8] = br#"{"resourceType":"Patient"}"#;
        bundle.entry(&Entry {
            resource: Some(resource),
            ..Entry::default()
        });
        bundle.entry(&Entry {
            full_url: Some("urn:x"),
            response: Some(EntryResponse {
                status: "200 OK",
                ..EntryResponse::default()
            }),
            ..Entry::default()
        });
        let text = String::from_utf8(bundle.finish()).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["entry"][0]["resource"]["resourceType"], "Patient");
        assert_eq!(json["entry"][1]["response"]["status"], "200 OK");
        assert_eq!(json["link"][0]["relation"], "self");
    }

    #[test]
    fn a_bundle_without_entries_has_no_empty_array() {
        let bytes = BundleWriter::new("searchset", "2026-01-01T00:00:00Z", Some(0), &[]).finish();
        assert!(!String::from_utf8(bytes).unwrap().contains("entry"));
    }
}
