//! What the double answers to each request.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::database::{Database, Refusal};
use super::http::Request;
use super::{Fault, State};

pub enum Reply {
    Answer(u16, Value),
    Reset,
}

use Reply::Answer;

fn error(status: u16, error: &str, reason: &str) -> Reply {
    Answer(status, json!({"error": error, "reason": reason}))
}

/// Who asks.
enum Who {
    Admin,
    User(String),
    Stranger,
}

pub async fn answer(request: &Request, state: &Arc<Mutex<State>>) -> Reply {
    if request
        .query
        .get("feed")
        .is_some_and(|feed| feed == "longpoll")
    {
        wait_for_news(request, state).await;
    }
    while state.lock().unwrap().hangs {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut state = state.lock().unwrap();
    let who = match &request.user {
        None => Who::Stranger,
        Some(login) if *login == state.admin => Who::Admin,
        Some((name, password)) if state.users.get(name) == Some(password) => {
            Who::User(name.clone())
        }
        Some(_) => return error(401, "unauthorized", "Name or password is incorrect."),
    };
    let (first, rest) = request.path.split_once('/').unwrap_or((&request.path, ""));
    match (request.method.as_str(), first, rest) {
        ("GET", "", "") => Answer(
            200,
            json!({"couchdb": "Welcome", "version": "3.5.0", "vendor": {"name": "double"}}),
        ),
        ("GET", "_all_dbs", "") => match who {
            Who::Admin => Answer(200, json!(state.databases.keys().collect::<Vec<_>>())),
            _ => error(401, "unauthorized", "You are not a server admin."),
        },
        ("GET", "_up", "") => Answer(200, json!({"status": "ok", "seeds": {}})),
        ("GET", "_session", "") => {
            let (name, roles) = match &who {
                Who::Admin => (json!(state.admin.0), json!(["_admin"])),
                Who::User(name) => (json!(name), json!([])),
                Who::Stranger => (Value::Null, json!([])),
            };
            Answer(
                200,
                json!({"ok": true, "userCtx": {"name": name, "roles": roles}, "info": {}}),
            )
        }
        (method, "_users", rest) if !rest.is_empty() => {
            user_document(method, rest, request, &who, &mut state)
        }
        ("PUT", name, "") => make(name, &who, &mut state),
        (method, name, rest) => in_database(method, name, rest, request, &who, &mut state),
    }
}

fn make(name: &str, who: &Who, state: &mut State) -> Reply {
    if !matches!(who, Who::Admin) {
        return error(401, "unauthorized", "You are not a server admin.");
    }
    if state.databases.contains_key(name) {
        return error(
            412,
            "file_exists",
            "The database could not be created, the file already exists.",
        );
    }
    state.databases.insert(name.to_owned(), Database::default());
    Answer(201, json!({"ok": true}))
}

fn user_document(method: &str, id: &str, request: &Request, who: &Who, state: &mut State) -> Reply {
    if !matches!(who, Who::Admin) {
        return error(403, "forbidden", "You are not allowed to access this db.");
    }
    let Some(users) = state.databases.get_mut("_users") else {
        return error(404, "not_found", "Database does not exist.");
    };
    if id == "_all_docs" {
        return all_documents(users, request);
    }
    let present = users.get(id);
    if method == "GET" {
        return present.map_or_else(
            || error(404, "not_found", "missing"),
            |document| Answer(200, document),
        );
    }
    let body = request.json().unwrap();
    if body.get("_rev") != present.as_ref().and_then(|document| document.get("_rev")) {
        return error(409, "conflict", "Document update conflict.");
    }
    if body["_deleted"] == true {
        users.delete(id);
        return Answer(200, json!({"ok": true, "id": id}));
    }
    users.overwrite(id, json!({"name": body["name"], "roles": body["roles"]}));
    state.users.insert(
        body["name"].as_str().unwrap().into(),
        body["password"].as_str().unwrap().into(),
    );
    Answer(201, json!({"ok": true, "id": id}))
}

fn in_database(
    method: &str,
    name: &str,
    rest: &str,
    request: &Request,
    who: &Who,
    state: &mut State,
) -> Reply {
    let (max_document, shuffled) = (state.max_document, state.shuffled);
    let is_write = rest == "_bulk_docs";
    let fault = if is_write {
        state.faults.pop_front().or(state.lasting)
    } else {
        None
    };
    let Some(database) = state.databases.get_mut(name) else {
        return error(404, "not_found", "Database does not exist.");
    };
    match who {
        Who::Admin => {}
        Who::User(user) if database.members.contains(user) => {}
        Who::User(_) => return error(403, "forbidden", "You are not allowed to access this db."),
        Who::Stranger => {
            return error(
                401,
                "unauthorized",
                "You are not authorized to access this db.",
            );
        }
    }
    match (method, rest) {
        ("GET", "") => Answer(200, json!({"db_name": name, "doc_count": database.count()})),
        ("GET", "_security") => {
            let default =
                json!({"members": {"roles": ["_admin"]}, "admins": {"roles": ["_admin"]}});
            Answer(200, database.security.clone().unwrap_or(default))
        }
        ("PUT", "_security") if matches!(who, Who::Admin) => {
            let security = request.json().unwrap();
            let names = security
                .pointer("/members/names")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            database.members = names
                .iter()
                .map(|name| name.as_str().unwrap().to_owned())
                .collect();
            database.security = Some(security);
            Answer(200, json!({"ok": true}))
        }
        ("PUT", "_security") => error(500, "error", "no_majority"),
        ("POST", "_bulk_docs") => write(database, request, fault, max_document, shuffled),
        ("POST" | "GET", "_all_docs") => all_documents(database, request),
        ("GET", "_changes") => changes(database, request),
        ("GET", id) if id.starts_with("_design/") => database.get(id).map_or_else(
            || error(404, "not_found", "missing"),
            |document| Answer(200, document),
        ),
        ("PUT", id) if id.starts_with("_design/") && matches!(who, Who::Admin) => {
            design(database, id, request.json().unwrap())
        }
        ("DELETE", id) => match database.get(id) {
            None => error(404, "not_found", "missing"),
            Some(document) if document["_rev"] != request.query["rev"].as_str() => {
                error(409, "conflict", "Document update conflict.")
            }
            Some(_) => {
                database.delete(id);
                Answer(200, json!({"ok": true, "id": id}))
            }
        },
        _ => error(405, "method_not_allowed", "Only some."),
    }
}

fn design(database: &mut Database, id: &str, mut body: Value) -> Reply {
    let present = database.get(id);
    if body.get("_rev") != present.as_ref().and_then(|document| document.get("_rev")) {
        return error(409, "conflict", "Document update conflict.");
    }
    let fields = body.as_object_mut().unwrap();
    fields.remove("_rev");
    if fields.contains_key("_deleted") {
        database.delete(id);
    } else {
        database.overwrite(id, body);
    }
    Answer(201, json!({"ok": true, "id": id}))
}

fn write(
    database: &mut Database,
    request: &Request,
    fault: Option<Fault>,
    max_document: usize,
    shuffled: bool,
) -> Reply {
    match fault {
        Some(Fault::Status(status)) => return error(status, "fault", "wanted by a test"),
        Some(Fault::ResetBefore) => return Reply::Reset,
        _ => {}
    }
    if !request.is_json {
        return error(
            415,
            "bad_content_type",
            "Content-Type must be application/json",
        );
    }
    let Some(body) = request.json() else {
        return error(400, "bad_request", "invalid UTF-8 JSON");
    };
    let Some(documents) = body.get("docs").and_then(Value::as_array).cloned() else {
        return error(
            400,
            "bad_request",
            "POST body must include `docs` parameter.",
        );
    };
    if let Some(Refusal(status, name, reason)) = Database::refusal(&documents, max_document) {
        return error(status, name, &reason);
    }
    let half = documents.len().div_ceil(2);
    let stored = if matches!(fault, Some(Fault::HalfThen500 | Fault::HalfRowsFail)) {
        half
    } else {
        documents.len()
    };
    let mut rows: Vec<Value> = documents[..stored]
        .iter()
        .map(|document| database.put(document.clone()))
        .collect();
    let failed = |document: &Value| json!({"id": document["_id"], "error": "internal_server_error", "reason": "half"});
    rows.extend(documents[stored..].iter().map(failed));
    match fault {
        Some(Fault::HalfThen500) => {
            return error(
                500,
                "internal_server_error",
                "No DB shards could be opened.",
            );
        }
        Some(Fault::ResetAfter) => return Reply::Reset,
        Some(Fault::RowMissing) => drop(rows.remove(0)),
        _ => {}
    }
    if shuffled {
        rows.reverse();
    }
    Answer(
        if fault == Some(Fault::BelowQuorum) {
            202
        } else {
            201
        },
        Value::Array(rows),
    )
}

fn all_documents(database: &Database, request: &Request) -> Reply {
    let row = |id: &str| match database.get(id) {
        Some(document) => {
            let document = if request.flag("include_docs") {
                document
            } else {
                Value::Null
            };
            json!({"id": id, "key": id, "value": {"rev": document["_rev"]}, "doc": document})
        }
        None if database.is_deleted(id) => {
            json!({"id": id, "key": id, "value": {"deleted": true}, "doc": null})
        }
        None => json!({"key": id, "error": "not_found"}),
    };
    let key = |name: &str| {
        request
            .query
            .get(name)
            .map(|text| serde_json::from_str::<String>(text).unwrap())
    };
    let rows: Vec<Value> = if let Some(body) = request.json().filter(|_| request.method == "POST") {
        body["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| row(id.as_str().unwrap()))
            .collect()
    } else {
        let (start, end) = (
            key("startkey").unwrap_or_default(),
            key("endkey").unwrap_or("\u{ffff}".into()),
        );
        let live = database.live();
        live.keys()
            .filter(|id| **id >= start && **id <= end)
            .take(
                request
                    .query
                    .get("limit")
                    .map_or(usize::MAX, |limit| limit.parse().unwrap()),
            )
            .map(|id| row(id))
            .collect()
    };
    Answer(
        200,
        json!({"total_rows": database.live().len(), "offset": 0, "rows": rows}),
    )
}

/// Renders a sequence as 3.x does: an opaque text.
fn opaque(sequence: u64) -> String {
    format!("{sequence}-g1AAAA")
}

fn since(database: &Database, request: &Request) -> u64 {
    match request.query.get("since").map(String::as_str) {
        None => 0,
        Some("now") => database.last_sequence(),
        Some(text) => text.split('-').next().unwrap().parse().unwrap(),
    }
}

fn changes(database: &Database, request: &Request) -> Reply {
    let mut changes = database.changes(since(database, request));
    if request.flag("descending") {
        changes.reverse();
    }
    changes.truncate(
        request
            .query
            .get("limit")
            .map_or(usize::MAX, |limit| limit.parse().unwrap()),
    );
    let row = |(sequence, id, deleted): &(u64, String, bool)| {
        let mut row = json!({"seq": opaque(*sequence), "id": id, "changes": []});
        if *deleted {
            row["deleted"] = json!(true);
        }
        if request.flag("include_docs") {
            row["doc"] = database.get(id).unwrap_or(Value::Null);
        }
        row
    };
    let rows: Vec<Value> = changes.iter().map(row).collect();
    Answer(
        200,
        json!({"results": rows, "last_seq": opaque(database.last_sequence()), "pending": 0}),
    )
}

async fn wait_for_news(request: &Request, state: &Arc<Mutex<State>>) {
    let timeout = request
        .query
        .get("timeout")
        .map_or(60_000, |timeout| timeout.parse().unwrap());
    let deadline = Instant::now() + Duration::from_millis(timeout);
    let name = request.path.split('/').next().unwrap();
    let has_news = || {
        let state = state.lock().unwrap();
        state
            .databases
            .get(name)
            .is_none_or(|database| database.last_sequence() > since(database, request))
    };
    let deaf = || state.lock().unwrap().deaf;
    while deaf() || !has_news() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
