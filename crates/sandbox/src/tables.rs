//! Tables: what `kubectl get` prints.

use apimachinery::tables::{IncludeObject, Printer};
use serde_json::Value;

use crate::registry::Resource;
use crate::rest::Call;

/// How to make a table for one request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    /// What rows carry of their object.
    pub(crate) include: IncludeObject,
    /// Leave out column definitions, as every watch event but the first does.
    pub(crate) without_headers: bool,
}

/// A `meta.k8s.io/v1` Table of objects of the call's kind.
pub(crate) fn table(call: &Call, objects: &[Value], meta: &Value, options: Options) -> Value {
    let printer = printer(&call.resource);
    let headers = !options.without_headers;
    printer.table(objects, meta, options.include, headers, call.cluster.now())
}

fn printer(resource: &Resource) -> Printer {
    let Some(custom) = &resource.custom else {
        return Printer::for_builtin(&resource.group, &resource.kind);
    };
    let columns = Value::Array(custom.columns.clone());
    // A column whose path does not parse is refused when the CRD is written; without columns
    // there are Name and Age.
    Printer::for_custom(&columns)
        .or_else(|_| Printer::for_custom(&Value::Null))
        .unwrap_or_else(|_| Printer::for_builtin(&resource.group, &resource.kind))
}
