//! Judges all files together.

use std::collections::{BTreeMap, btree_map::Entry};

use kymaros_webhooks::validate::{TestName, validate};

use super::{
    among::Among,
    document,
    input::Input,
    object::{Object, Sorted},
    report::{Finding, Place, Report, Severity, Unread},
};

/// What every manifest of ours holds somewhere.
const MARK: &str = "kymaros.io";

/// Judges all files together.
pub(super) fn judge(inputs: Vec<Input>) -> Report {
    let mut report = Report::default();
    let mut files = Vec::new();
    for input in inputs {
        let mut sorted = Sorted::default();
        read(&input, &mut sorted, &mut report);
        report.skipped += sorted.others;
        files.push((input.name, sorted.objects));
    }
    let among = Among::of(files.iter().flat_map(|(_, objects)| objects));
    let mut places = Places::default();
    for (file, objects) in &files {
        let mut findings = Vec::new();
        for object in objects {
            report.checked += 1;
            let about = About { file, object };
            findings.extend(places.double(&about));
            match &object.kind {
                Err(wrong) => {
                    findings.push(about.error(wrong.path, wrong.value.clone(), wrong.message.clone()));
                }
                Ok(kind) => {
                    let verdict = validate(*kind, &object.value, None, &among);
                    report.unchecked.extend(verdict.unchecked);
                    let errors = verdict.errors.into_iter();
                    findings.extend(errors.map(|e| about.error(&e.path, e.value, e.message)));
                    let warnings = verdict.warnings.into_iter();
                    findings
                        .extend(warnings.map(|w| about.finding(Severity::Warning, &w.path, None, w.message)));
                }
            }
        }
        findings.sort_by_key(|finding| finding.place);
        report.findings.extend(findings);
    }
    report
}

fn read(input: &Input, sorted: &mut Sorted, report: &mut Report) {
    let mut unread = |place, message| {
        report.unread.push(Unread {
            file: input.name.clone(),
            place,
            message,
        });
    };
    let text = match &input.text {
        Ok(text) => text,
        Err(why) => return unread(None, why.clone()),
    };
    match document::parse(text) {
        Ok(documents) => {
            for (place, node) in documents {
                sorted.take(place, node);
            }
        }
        // A folder may hold templates and other things that are no business of ours.
        Err(_) if input.is_found && !text.contains(MARK) => sorted.others += 1,
        Err(broken) => unread(broken.place, format!("is not YAML: {}", broken.message)),
    }
}

/// An object in its file.
struct About<'a> {
    file: &'a str,
    object: &'a Object,
}

impl About<'_> {
    fn error(&self, path: &str, value: String, message: String) -> Finding {
        self.finding(Severity::Error, path, Some(value), message)
    }

    fn finding(&self, severity: Severity, path: &str, value: Option<String>, message: String) -> Finding {
        let TestName { namespace, name } = self.object.name();
        Finding {
            file: self.file.to_owned(),
            place: self.object.node.place_of(path, self.object.own),
            severity,
            kind: self.object.kind_text().to_owned(),
            namespace,
            name,
            field: path.to_owned(),
            value,
            message,
        }
    }
}

/// Where objects were seen first.
#[derive(Default)]
struct Places(BTreeMap<(String, TestName), (String, Place)>);

impl Places {
    /// Applied together, only the last one of the same name would be left.
    fn double(&mut self, about: &About<'_>) -> Option<Finding> {
        let name = about.object.name();
        if name.name.is_empty() {
            return None;
        }
        let key = (about.object.kind_text().to_owned(), name.clone());
        match self.0.entry(key) {
            Entry::Vacant(free) => {
                free.insert((about.file.to_owned(), about.object.own));
                None
            }
            Entry::Occupied(taken) => {
                let (file, place) = taken.get();
                let message = format!("is there twice, first at {file}:{}; keep one", place.line);
                Some(about.error("metadata.name", name.to_string(), message))
            }
        }
    }
}
