//! Whether a kind that discovery does not name is gone, and its objects with it.
//!
//! What a record names and discovery does not may be defined a moment ago, served in another version,
//! or served by an API server behind the API server that is away. Its objects are there all the same,
//! and a release whose record is deleted without them leaves them behind for ever.

use std::collections::BTreeSet;

use apiclient::{Client, Kind, ObjectKey, ObjectMeta, Selector};
use serde_json::Value;

use super::{Cache, Named, Served, defined_by};

/// It is not known whether objects of a kind are there. Try again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A request failed.
    #[error("find out whether the kind {kind} of {api_version} is gone")]
    Ask {
        api_version: String,
        kind: String,
        source: apiclient::Error,
    },
    /// The server says that it does not know what is served.
    #[error(
        "the API server behind {api_version} does not answer, so objects of kind {kind} cannot be found; see its APIService"
    )]
    Away { api_version: String, kind: String },
    /// It is defined, and not served yet.
    #[error("the kind {kind} of {api_version} is defined by {definition} and not served yet")]
    NotServed {
        api_version: String,
        kind: String,
        definition: String,
    },
}

impl Cache {
    /// Looks again for kinds that were not found. `None`: none of them is there, nor are objects.
    ///
    /// Reads discovery anew and, where that does not help, definitions of the same group.
    ///
    /// # Errors
    /// It cannot be told; nothing must be taken for gone.
    pub(crate) async fn look_again(
        &self,
        client: &Client,
        unknown: &BTreeSet<Named>,
    ) -> Result<Option<std::sync::Arc<Served>>, Error> {
        let Some((api_version, kind)) = unknown.first() else {
            return Ok(None);
        };
        let in_ask = |source| Error::Ask {
            api_version: api_version.clone(),
            kind: kind.clone(),
            source,
        };
        self.expire();
        let served = self.fresh(client).await.map_err(in_ask)?;
        let is_found =
            |(api_version, kind): &Named| served.find_recorded(api_version, kind).is_some();
        if unknown.iter().any(is_found) {
            return Ok(Some(served));
        }
        for (api_version, kind) in unknown {
            if served.discovery.is_away(api_version) {
                return Err(Error::Away {
                    api_version: api_version.clone(),
                    kind: kind.clone(),
                });
            }
            // Groups of definitions have names like domains; others are the server's own.
            if let Some((group, _)) = api_version.split_once('/')
                && let Some(definition) = definition(client, group, kind).await.map_err(in_ask)?
            {
                return Err(Error::NotServed {
                    api_version: api_version.clone(),
                    kind: kind.clone(),
                    definition,
                });
            }
            tracing::warn!(api_version, kind, "the kind of recorded objects is gone");
        }
        Ok(None)
    }
}

/// The name of the definition of a kind in any version.
async fn definition(
    client: &Client,
    group: &str,
    kind: &str,
) -> Result<Option<String>, apiclient::Error> {
    let definitions = Kind::new(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
    );
    let mut names = Vec::new();
    let each = |object: ObjectMeta| {
        let name = object.metadata.name;
        if name.split_once('.').is_some_and(|(_, of)| of == group) {
            names.push(name);
        }
    };
    client
        .list(&definitions, &Selector::default(), each)
        .await?;
    for name in names {
        let key = ObjectKey::new("", name.as_str());
        let found: Option<Value> = client.get(&definitions, &key).await?;
        let mut defined = found.iter().flat_map(defined_by);
        if defined.any(|defined| *defined.kind == *kind) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
