//! The template function `lookup`: objects of the cluster, read while a chart renders.

use std::sync::Arc;

use apiclient::{Client, Error, ObjectKey, Selector};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::kinds::Served;

/// Reads for one render. To be used on a thread that may block.
pub(crate) struct Lookup {
    pub(crate) cluster: Client,
    pub(crate) served: Arc<Served>,
    pub(crate) runtime: Handle,
}

impl helm::Lookup for Lookup {
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, String> {
        let Ok(kind) = self.served.discovery.find(api_version, kind) else {
            return Ok(None);
        };
        let found = self.runtime.block_on(async {
            if !name.is_empty() {
                return self.cluster.get(kind, &ObjectKey::new(namespace, name)).await;
            }
            let mut items: Vec<Value> = Vec::new();
            let selector = Selector {
                namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
                ..Selector::default()
            };
            self.cluster.list(kind, &selector, |item| items.push(item)).await?;
            let list = json!({ "apiVersion": api_version, "kind": format!("{}List", kind.kind), "items": items });
            Ok::<_, Error>(Some(list))
        });
        found.map_err(|error| error.to_string())
    }
}
