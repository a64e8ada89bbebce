//! The shape of an object: names and types of its fields, held against the schema of its kind.
//!
//! What has the wrong shape is told and replaced by a stand-in, so that the rest can be read and judged in the same
//! pass. What is said of a stand-in is left out again.

mod limits;
mod path;
mod schema;
mod suggest;

use std::{borrow::Cow, collections::BTreeSet};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kymaros_crds::domain::FieldError;
use serde_json::{Map, Value};

use self::path::Path;
use super::Kind;

/// What a look at the shape has found.
pub(super) struct Shape<'a> {
    /// The object with stand-ins where the shape is wrong, and without what the API server drops; mostly the very object.
    pub readable: Cow<'a, Value>,
    errors: Vec<FieldError>,
    /// Sizes and patterns of the schema. The domain types say most of them better.
    limits: Vec<FieldError>,
    /// Fields that hold a stand-in.
    told: Vec<String>,
}

/// Holds an object against the schema of its kind.
pub(super) fn check(kind: Kind, object: &Value) -> Shape<'_> {
    let schema = schema::of(kind);
    let mut walk = Walk {
        root: schema,
        errors: Vec::new(),
        limits: Vec::new(),
        told: Vec::new(),
    };
    let readable = walk.value(schema, object, Path::Root);
    Shape {
        readable,
        errors: walk.errors,
        limits: walk.limits,
        told: walk.told,
    }
}

impl Shape<'_> {
    /// All errors: those of the shape, and of those that were found in the readable object the true ones.
    pub(super) fn with(self, judged: Vec<FieldError>) -> Vec<FieldError> {
        let is_true = |error: &FieldError| !self.told.iter().any(|told| covers(told, &error.path));
        let judged: Vec<FieldError> = judged.into_iter().filter(is_true).collect();
        let said: BTreeSet<String> = judged.iter().map(|error| error.path.clone()).collect();
        let limits = self
            .limits
            .into_iter()
            .filter(|limit| !said.contains(&limit.path));
        self.errors.into_iter().chain(judged).chain(limits).collect()
    }
}

/// Whether a path is another one or lies below it.
fn covers(path: &str, other: &str) -> bool {
    other
        .strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The schema of a field.
fn field<'a>(schema: &'a JSONSchemaProps, name: &str) -> Option<&'a JSONSchemaProps> {
    schema.properties.as_ref()?.get(name)
}

struct Walk {
    root: &'static JSONSchemaProps,
    errors: Vec<FieldError>,
    limits: Vec<FieldError>,
    told: Vec<String>,
}

impl Walk {
    /// Gives the value with everything wrong in it replaced.
    fn value<'a>(&mut self, schema: &JSONSchemaProps, value: &'a Value, path: Path<'_>) -> Cow<'a, Value> {
        if schema.x_kubernetes_preserve_unknown_fields == Some(true) {
            return Cow::Borrowed(value);
        }
        let Some(value) = fitting(schema, value) else {
            return self.stand_in(schema, value, path, mismatch(schema, value));
        };
        let wrong = not_allowed(schema, &value).or_else(|| limits::beyond_type(schema, &value));
        if let Some(message) = wrong {
            return self.stand_in(schema, &value, path, message);
        }
        if let Some(message) = limits::beyond(schema, &value) {
            self.limits.push(FieldError {
                path: path.to_string(),
                value: shown(&value),
                message,
            });
        }
        match value {
            Cow::Borrowed(Value::Object(fields)) => match self.object(schema, fields, path) {
                Some(mended) => Cow::Owned(Value::Object(mended)),
                None => value,
            },
            Cow::Borrowed(Value::Array(items)) => match self.list(schema, items, path) {
                Some(mended) => Cow::Owned(Value::Array(mended)),
                None => value,
            },
            other => other,
        }
    }

    /// The items, if one of them had to be replaced.
    fn list(&mut self, schema: &JSONSchemaProps, items: &[Value], path: Path<'_>) -> Option<Vec<Value>> {
        let Some(JSONSchemaPropsOrArray::Schema(of)) = &schema.items else {
            return None;
        };
        let mut mended = None;
        for (index, item) in items.iter().enumerate() {
            if let Cow::Owned(other) = self.value(of, item, Path::Item(&path, index)) {
                let mended: &mut Vec<Value> = mended.get_or_insert_with(|| items.to_vec());
                mended.splice(index..=index, [other]);
            }
        }
        mended
    }

    /// The fields, if one of them had to be replaced, added or left out.
    fn object(
        &mut self,
        schema: &JSONSchemaProps,
        fields: &Map<String, Value>,
        path: Path<'_>,
    ) -> Option<Map<String, Value>> {
        let mut mended = None;
        let mend = |mended: &mut Option<Map<String, Value>>, name: &str, value: Option<Value>| {
            let fields = mended.get_or_insert_with(|| fields.clone());
            match value {
                Some(value) => fields.insert(name.to_owned(), value),
                None => fields.remove(name),
            };
        };
        for (name, value) in fields {
            let (of, below) = match (field(schema, name), &schema.additional_properties) {
                (Some(of), _) => (of, Path::Field(&path, name)),
                (None, Some(JSONSchemaPropsOrBool::Schema(of))) => (&**of, Path::Key(&path, name)),
                // Its value is not repeated: it may be anything, even a secret.
                (None, _) => {
                    self.errors.push(FieldError {
                        path: Path::Field(&path, name).to_string(),
                        value: name.clone(),
                        message: suggest::for_field(name, &path.to_string(), schema, self.root),
                    });
                    mend(&mut mended, name, None);
                    continue;
                }
            };
            // The API server drops a null, unless a field may be null, and none of ours may.
            if value.is_null() {
                mend(&mut mended, name, None);
            } else if let Cow::Owned(other) = self.value(of, value, below) {
                mend(&mut mended, name, Some(other));
            }
        }
        for name in schema.required.iter().flatten() {
            let is_there = fields.get(name).is_some_and(|value| !value.is_null());
            if let Some(of) = field(schema, name).filter(|_| !is_there) {
                self.tell(Path::Field(&path, name), String::new(), missing(of));
                mend(&mut mended, name, Some(stand_in(of)));
            }
        }
        self.leave_open_beside_type(schema, path);
        mended
    }

    /// Without a true `type` nobody knows which of the settings beside it are the ones.
    fn leave_open_beside_type(&mut self, schema: &JSONSchemaProps, path: Path<'_>) {
        if self.told.is_empty() || !self.told.contains(&Path::Field(&path, "type").to_string()) {
            return;
        }
        let beside = schema.properties.iter().flatten();
        let settings = beside.filter(|(_, of)| of.type_.as_deref() == Some("object"));
        self.told
            .extend(settings.map(|(name, _)| Path::Field(&path, name).to_string()));
    }

    /// Tells of a value that gets a stand-in.
    fn stand_in<'a>(
        &mut self,
        schema: &JSONSchemaProps,
        value: &Value,
        path: Path<'_>,
        message: String,
    ) -> Cow<'a, Value> {
        self.tell(path, shown(value), message);
        Cow::Owned(stand_in(schema))
    }

    /// Tells of a field that gets a stand-in. A wrong `type` leaves the meaning of everything beside it open.
    fn tell(&mut self, path: Path<'_>, value: String, message: String) {
        let path = path.to_string();
        self.told
            .push(path.strip_suffix(".type").unwrap_or(&path).to_owned());
        self.errors.push(FieldError { path, value, message });
    }
}

/// The value, if it has the schema's type; a whole number may be written with a decimal point.
fn fitting<'a>(schema: &JSONSchemaProps, value: &'a Value) -> Option<Cow<'a, Value>> {
    let fits = match schema.type_.as_deref() {
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some("integer") if !value.is_i64() => {
            return limits::whole(value).map(|whole| Cow::Owned(Value::from(whole)));
        }
        _ => true,
    };
    fits.then_some(Cow::Borrowed(value))
}

fn mismatch(schema: &JSONSchemaProps, value: &Value) -> String {
    let text = value.as_str();
    match (schema.type_.as_deref(), value) {
        (Some("string"), Value::Number(_) | Value::Bool(_)) => "must be text; write it in quotes".to_owned(),
        (Some("string"), Value::Object(fields)) if fields.contains_key("name") => {
            "must be text; write only the name".to_owned()
        }
        (Some("string"), _) => "must be text".to_owned(),
        (Some("integer"), _) if text.is_some_and(|text| text.parse::<i64>().is_ok()) => {
            "must be a whole number; write it without quotes".to_owned()
        }
        (Some("integer"), _) => "must be a whole number".to_owned(),
        (Some("boolean"), _) => "must be true or false, without quotes".to_owned(),
        (Some("array"), _) => "must be a list; write a '- ' before each item".to_owned(),
        _ => match &schema.properties {
            Some(fields) => {
                let names: Vec<&str> = fields.keys().map(String::as_str).collect();
                format!("must have fields of its own: {}", names.join(", "))
            }
            None => "must be names with values, for example app: web".to_owned(),
        },
    }
}

/// What to write instead of a value that is none of those allowed.
fn not_allowed(schema: &JSONSchemaProps, value: &Value) -> Option<String> {
    let allowed: Vec<&str> = schema
        .enum_
        .iter()
        .flatten()
        .filter_map(|v| v.0.as_str())
        .collect();
    if allowed.is_empty() || value.as_str().is_some_and(|text| allowed.contains(&text)) {
        return None;
    }
    let meant = suggest::nearest(value.as_str().unwrap_or_default(), allowed.iter().copied());
    let meant = meant
        .map(|meant| format!("; did you mean {meant}?"))
        .unwrap_or_default();
    Some(format!("is not known here; write {}{meant}", one_of(&allowed)))
}

fn one_of(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// What belongs to a field that is missing, in the words of its description.
fn missing(schema: &JSONSchemaProps) -> String {
    let allowed: Vec<&str> = schema
        .enum_
        .iter()
        .flatten()
        .filter_map(|v| v.0.as_str())
        .collect();
    if !allowed.is_empty() {
        return format!("is missing; write {}", one_of(&allowed));
    }
    let description = schema.description.as_deref().unwrap_or_default();
    let first = description
        .split(". ")
        .next()
        .unwrap_or_default()
        .trim_end_matches('.');
    if first.is_empty() {
        "is missing".to_owned()
    } else {
        format!("is missing; write it: {first}")
    }
}

/// A value of the schema's type, for a field that has none.
fn stand_in(schema: &JSONSchemaProps) -> Value {
    if let Some(first) = schema.enum_.iter().flatten().next() {
        return first.0.clone();
    }
    match schema.type_.as_deref() {
        Some("string") => Value::from(""),
        Some("integer") => Value::from(0),
        Some("boolean") => Value::from(false),
        Some("array") => Value::Array(Vec::new()),
        Some("object") => {
            let required = schema.required.iter().flatten();
            let filled = required.filter_map(|name| Some((name.clone(), stand_in(field(schema, name)?))));
            Value::Object(filled.collect())
        }
        _ => Value::Null,
    }
}

/// A value for a message. What has parts of its own is not repeated.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(_) => "[...]".to_owned(),
        Value::Object(_) => "{...}".to_owned(),
        other => other.to_string(),
    }
}
