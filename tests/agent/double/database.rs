//! A database of the double: documents, revisions, the order of changes, and what a write is refused for.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A database.
#[derive(Default)]
pub struct Database {
    /// Bodies by id, without revision; none where the document is deleted.
    documents: BTreeMap<String, Stored>,
    pub members: Vec<String>,
    pub security: Option<Value>,
    /// Whether documents with the field `forbidden` are taken.
    pub lenient: bool,
    last: u64,
}

struct Stored {
    body: Option<Value>,
    revision: u64,
    sequence: u64,
}

/// Why a whole batch is refused.
pub struct Refusal(pub u16, pub &'static str, pub String);

impl Database {
    pub fn last_sequence(&self) -> u64 {
        self.last
    }

    /// Returns the documents that are not deleted.
    pub fn live(&self) -> BTreeMap<String, Value> {
        self.documents
            .iter()
            .filter_map(|(id, stored)| Some((id.clone(), stored.body.clone()?)))
            .collect()
    }

    /// Returns how many documents are not deleted.
    pub fn count(&self) -> usize {
        let live = self
            .documents
            .values()
            .filter(|stored| stored.body.is_some());
        live.count()
    }

    /// Returns a document with its id and revision.
    pub fn get(&self, id: &str) -> Option<Value> {
        let stored = self.documents.get(id)?;
        let mut body = stored.body.clone()?;
        body["_id"] = json!(id);
        body["_rev"] = json!(format!("{}-abc", stored.revision));
        Some(body)
    }

    pub fn is_deleted(&self, id: &str) -> bool {
        self.documents
            .get(id)
            .is_some_and(|stored| stored.body.is_none())
    }

    /// Deletes a document, as another client would.
    pub fn delete(&mut self, id: &str) {
        self.last += 1;
        if let Some(stored) = self.documents.get_mut(id) {
            (stored.body, stored.revision, stored.sequence) =
                (None, stored.revision + 1, self.last);
        }
    }

    /// Stores a body whatever was there.
    pub fn overwrite(&mut self, id: &str, body: Value) {
        self.last += 1;
        let revision = self
            .documents
            .get(id)
            .map_or(1, |stored| stored.revision + 1);
        self.documents.insert(
            id.into(),
            Stored {
                body: Some(body),
                revision,
                sequence: self.last,
            },
        );
    }

    /// Returns changes after a sequence: sequence, id, whether deleted.
    pub fn changes(&self, since: u64) -> Vec<(u64, String, bool)> {
        let after = self
            .documents
            .iter()
            .filter(|(_, stored)| stored.sequence > since);
        let mut changes: Vec<_> = after
            .map(|(id, stored)| (stored.sequence, id.clone(), stored.body.is_none()))
            .collect();
        changes.sort_unstable();
        changes
    }

    /// Says why 3.5 would refuse a batch as a whole, if it would.
    pub fn refusal(documents: &[Value], max_document: usize) -> Option<Refusal> {
        for document in documents {
            let Some(fields) = document.as_object() else {
                return Some(Refusal(
                    400,
                    "bad_request",
                    "Document must be a JSON object".into(),
                ));
            };
            match fields.get("_id") {
                None => {}
                Some(Value::String(id)) if !id.is_empty() && !id.starts_with('_') => {}
                Some(_) => {
                    return Some(Refusal(
                        400,
                        "illegal_docid",
                        "Only reserved document ids may start with underscore.".into(),
                    ));
                }
            }
            if let Some(name) = fields
                .keys()
                .find(|name| name.starts_with('_') && !matches!(name.as_str(), "_id" | "_rev"))
            {
                return Some(Refusal(
                    400,
                    "doc_validation",
                    format!("Bad special document member: {name}"),
                ));
            }
            if document.to_string().len() > max_document {
                let id = fields
                    .get("_id")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                return Some(Refusal(413, "document_too_large", id.into()));
            }
        }
        None
    }

    /// Stores a document and returns its row: a conflict where there is one with this id, even an equal one, of another
    /// revision than the document names.
    pub fn put(&mut self, mut document: Value) -> Value {
        let id = document["_id"].as_str().unwrap_or("made-up").to_owned();
        if !self.lenient && document.get("forbidden").is_some() {
            return json!({"id": id, "error": "forbidden", "reason": "not here"});
        }
        let named = document.as_object_mut().unwrap().remove("_rev");
        if self.get(&id).map(|stored| stored["_rev"].clone()) != named {
            return json!({"id": id, "error": "conflict", "reason": "Document update conflict."});
        }
        document.as_object_mut().unwrap().remove("_id");
        self.overwrite(&id, document);
        let revision = self.documents[&id].revision;
        json!({"ok": true, "id": id, "rev": format!("{revision}-abc")})
    }
}
