//! Content negotiation: which form of an answer a client accepts, which form its body has.

use apimachinery::tables::IncludeObject;
use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING};

use crate::status::Status;

/// Form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The objects.
    Object,
    /// Only their metadata.
    Partial,
    /// Rows for printing, which carry as much of their object as this says.
    Table(IncludeObject),
}

/// Media types with a decoder, as error texts list them.
pub(super) const JSON: &str = "application/json";
const SUPPORTED: [&str; 1] = [JSON];

struct MediaType<'a> {
    essence: &'a str,
    params: Vec<(&'a str, &'a str)>,
}

impl MediaType<'_> {
    fn param(&self, name: &str) -> &str {
        self.params
            .iter()
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| value)
    }

    fn is_json(&self) -> bool {
        matches!(self.essence, JSON | "*/*" | "application/*")
    }
}

fn accepted(headers: &HeaderMap) -> Vec<MediaType<'_>> {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|text| {
            let mut parts = text.split(';').map(str::trim);
            let essence = parts.next().unwrap_or_default();
            let params = parts.filter_map(|part| part.split_once('=')).collect();
            MediaType { essence, params }
        })
        .filter(|media| !media.essence.is_empty())
        .collect()
}

/// The first form on the client's list that can be served; without a list, objects. `include` is
/// the parameter `includeObject`.
///
/// # Errors
/// `NotAcceptable` if only other media types are accepted, such as protobuf.
pub(super) fn form(headers: &HeaderMap, include: &str) -> Result<Form, Status> {
    let accepted = accepted(headers);
    if accepted.is_empty() {
        return Ok(Form::Object);
    }
    for media in accepted.iter().filter(|media| media.is_json()) {
        let kind = media.param("as");
        if kind.is_empty() {
            return Ok(Form::Object);
        }
        if media.param("g") != "meta.k8s.io" || media.param("v") != "v1" {
            continue;
        }
        match kind {
            "Table" => {
                let refused = || {
                    let value = apimachinery::names::quote(include);
                    Status::bad_request(format!(
                        "Unable to convert to Table as requested: includeObject: Invalid value: \
                         {value}: must be 'Metadata', 'Object', 'None', or empty"
                    ))
                };
                return IncludeObject::parse(include)
                    .map(Form::Table)
                    .ok_or_else(refused);
            }
            "PartialObjectMetadata" | "PartialObjectMetadataList" => return Ok(Form::Partial),
            _ => {}
        }
    }
    Err(Status::not_acceptable(&SUPPORTED))
}

/// Whether the client asks for aggregated discovery; the version it accepts first.
pub(super) fn aggregated_discovery(headers: &HeaderMap) -> bool {
    accepted(headers)
        .iter()
        .find(|media| media.is_json())
        .is_some_and(|media| {
            media.param("as") == "APIGroupDiscoveryList"
                && media.param("g") == "apidiscovery.k8s.io"
                && media.param("v") == "v2"
        })
}

/// Whether the client takes gzip.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            coding
                .split(';')
                .next()
                .is_some_and(|name| name.trim() == "gzip")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(text: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, http::HeaderValue::from_static(text));
        headers
    }

    #[test]
    fn the_first_servable_form_wins() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;\
                       v=v1beta1;g=meta.k8s.io,application/json";
        let partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
        let cases = [
            (kubectl, Form::Table(IncludeObject::Metadata)),
            (partial, Form::Partial),
            (
                "application/vnd.kubernetes.protobuf, application/json",
                Form::Object,
            ),
            (
                "application/json;as=Table;v=v1beta1;g=meta.k8s.io, */*",
                Form::Object,
            ),
            ("*/*", Form::Object),
            ("application/json; charset=utf-8", Form::Object),
        ];
        for (text, want) in cases {
            assert_eq!(form(&accept(text), ""), Ok(want), "{text}");
        }
        assert_eq!(form(&HeaderMap::new(), ""), Ok(Form::Object));
    }

    #[test]
    fn unknown_media_types_are_not_acceptable() {
        for text in [
            "application/vnd.kubernetes.protobuf",
            "text/html",
            "application/json;as=Tree",
        ] {
            let status = form(&accept(text), "").unwrap_err();
            assert_eq!(status.code.as_u16(), 406, "{text}");
        }
    }
}
