//! What the Secret holds, to and from its entries.

use std::{collections::BTreeMap, fmt::Display};

use jiff::Timestamp;
use k8s_openapi::ByteString;

use crate::{
    authority::Authority,
    certificate::{Certificate, Fingerprint},
    key::Unreadable,
    leaf::Leaf,
    settings::Names,
};

/// Entries of a Secret.
pub type Data = BTreeMap<String, ByteString>;

/// The serving certificate and its key, under the names that everybody uses.
const LEAF: [&str; 2] = ["tls.crt", "tls.key"];
/// The authority that signed it, its key, and when all configurations were first seen to have it.
const CURRENT: [&str; 3] = ["ca.crt", "ca.key", "ca.published"];
/// The authority that will take its place.
const NEXT: [&str; 3] = ["next-ca.crt", "next-ca.key", "next-ca.published"];
/// Authorities that signed certificates which may still be served somewhere, and until when.
const OLD: [&str; 2] = ["old-ca.crt", "old-ca.until"];

/// What the Secret holds; whatever could not be read is left out, and in `flaws`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The authority that signed the serving certificate.
    pub authority: Option<Announced>,
    /// The authority that will take its place.
    pub next: Option<Announced>,
    /// Authorities that are on their way out.
    pub old: Vec<Certificate>,
    /// When those are out; without it, when they are no longer valid.
    pub old_until: Option<Timestamp>,
    /// The serving certificate.
    pub leaf: Option<Leaf>,
    /// What is wrong.
    pub flaws: Vec<Flaw>,
}

/// An authority, and since when all configurations have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The authority.
    pub authority: Authority,
    /// When all configurations were seen to have it.
    pub published: Option<Timestamp>,
}

/// Something wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The entry.
    pub entry: &'static str,
    /// What is wrong. Never says what is in the entry.
    pub why: String,
}

impl Stored {
    /// Reads the entries of a Secret that is ours.
    pub fn read(data: &Data, names: &Names) -> Self {
        let mut reader = Reader {
            data,
            flaws: Vec::new(),
        };
        let authority = reader.announced(CURRENT, names);
        if authority.is_none() {
            reader.missing(CURRENT[0]);
        }
        let stored = Self {
            authority,
            next: reader.announced(NEXT, names),
            old: reader.certificates(OLD[0]),
            old_until: reader.moment(OLD[1]),
            leaf: reader.leaf(),
            flaws: Vec::new(),
        };
        Self {
            flaws: reader.flaws,
            ..stored
        }
    }

    /// Reads the entries of a Secret that somebody else keeps: the serving certificate, and the authority if it is
    /// there.
    pub fn read_foreign(data: &Data) -> Self {
        let mut reader = Reader {
            data,
            flaws: Vec::new(),
        };
        let certificate = reader.certificates(CURRENT[0]).into_iter().next();
        let leaf = reader.leaf();
        Self {
            authority: certificate.map(|certificate| Announced {
                authority: Authority {
                    certificate,
                    key: None,
                },
                published: None,
            }),
            leaf,
            flaws: reader.flaws,
            ..Self::default()
        }
    }

    /// Writes all of it. Entries of others stay.
    pub fn write(&self, data: &mut Data) {
        let mut put = |entry: &str, text: Option<String>| match text.filter(|t| !t.is_empty()) {
            Some(text) => drop(data.insert(entry.to_owned(), ByteString(text.into_bytes()))),
            None => drop(data.remove(entry)),
        };
        for (entries, announced) in [(CURRENT, &self.authority), (NEXT, &self.next)] {
            let authority = announced.as_ref().map(|a| &a.authority);
            put(entries[0], authority.map(|a| a.certificate.pem().to_owned()));
            let key = authority.and_then(|a| a.key.as_ref());
            put(entries[1], key.map(|k| k.pem().to_owned()));
            put(entries[2], announced.as_ref().and_then(Announced::stamp));
        }
        put(OLD[0], Some(self.old.iter().map(Certificate::pem).collect()));
        put(OLD[1], self.old_until.map(|t| t.to_string()));
        put(LEAF[0], self.leaf.as_ref().map(Leaf::pem));
        put(LEAF[1], self.leaf.as_ref().map(|l| l.key().pem().to_owned()));
    }

    /// When the last of the old authorities is out.
    pub fn old_end(&self) -> Option<Timestamp> {
        let valid_until = self.old.iter().map(Certificate::until).max()?;
        Some(self.old_until.unwrap_or(valid_until))
    }

    /// The old authorities that are still trusted.
    pub fn trusted_old(&self, now: Timestamp) -> impl Iterator<Item = &Certificate> {
        let still = self.old_until.is_none_or(|end| now < end);
        self.old.iter().filter(move |c| still && c.is_valid(now))
    }

    /// Whether something is wrong in what is not needed to serve; whatever is needed is replaced anyway.
    pub fn has_litter(&self) -> bool {
        let needed = |entry| CURRENT.contains(&entry) || LEAF.contains(&entry);
        self.flaws.iter().any(|flaw| !needed(flaw.entry))
    }
}

impl Announced {
    /// An authority that nobody has seen yet.
    pub fn new(authority: Authority) -> Self {
        Self {
            authority,
            published: None,
        }
    }

    /// The moment goes with the authority it is about: whoever puts another one there starts anew.
    fn stamp(&self) -> Option<String> {
        let about = self.authority.certificate.fingerprint();
        self.published.map(|moment| format!("{about} {moment}"))
    }
}

/// Reads entries and collects what is wrong.
struct Reader<'a> {
    data: &'a Data,
    flaws: Vec<Flaw>,
}

impl Reader<'_> {
    fn bytes(&self, entry: &str) -> Option<&[u8]> {
        let bytes = self.data.get(entry).map(|b| b.0.as_slice());
        bytes.filter(|b| !b.is_empty())
    }

    fn flaw(&mut self, entry: &'static str, why: impl Display) {
        let why = why.to_string();
        self.flaws.push(Flaw { entry, why });
    }

    fn missing(&mut self, entry: &'static str) {
        if self.flaws.iter().all(|flaw| flaw.entry != entry) {
            self.flaw(entry, Unreadable::Missing);
        }
    }

    fn announced(&mut self, entries: [&'static str; 3], names: &Names) -> Option<Announced> {
        let [certificate, key, published] = entries;
        let text = self.bytes(certificate)?;
        let read = Authority::read(text);
        let mut authority = read.map_err(|why| self.flaw(certificate, why)).ok()?;
        match authority.with_key(self.bytes(key).unwrap_or_default(), names) {
            Ok(whole) => authority = whole,
            Err(why) => self.flaw(key, why),
        }
        let published = self.stamp(published, &authority);
        Some(Announced { authority, published })
    }

    fn stamp(&self, entry: &str, authority: &Authority) -> Option<Timestamp> {
        let text = str::from_utf8(self.bytes(entry)?).ok()?;
        let (about, moment) = text.trim().split_once(' ')?;
        let ours = Fingerprint::from(about) == authority.certificate.fingerprint();
        moment.parse().ok().filter(|_| ours)
    }

    fn certificates(&mut self, entry: &'static str) -> Vec<Certificate> {
        let Some(text) = self.bytes(entry) else {
            return Vec::new();
        };
        let some = Certificate::read_some(text);
        if let Err(why) = Certificate::read_all(text) {
            self.flaw(entry, why);
        }
        some
    }

    fn moment(&mut self, entry: &'static str) -> Option<Timestamp> {
        let text = self.bytes(entry)?;
        let moment = str::from_utf8(text).ok().and_then(|t| t.trim().parse().ok());
        if moment.is_none() {
            self.flaw(entry, Unreadable::Garbage);
        }
        moment
    }

    fn leaf(&mut self) -> Option<Leaf> {
        let [chain, key] = LEAF.map(|entry| self.bytes(entry).unwrap_or_default());
        let read = Leaf::read(chain, key);
        read.map_err(|why| self.flaw(LEAF[0], why)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        change::Change,
        tests::{at, authority, names, rules},
    };

    /// Everything that can be stored.
    fn full() -> Stored {
        let stored = Change::Found.apply(&Stored::default(), &rules(), at(0)).unwrap();
        let stored = Change::Announce.apply(&stored, &rules(), at(1)).unwrap();
        let stored = Change::Introduce.apply(&stored, &rules(), at(2)).unwrap();
        Stored {
            old: vec![authority().certificate],
            old_until: Some(at(9)),
            ..Change::AnnounceNext.apply(&stored, &rules(), at(3)).unwrap()
        }
    }

    fn entries(stored: &Stored) -> Data {
        let mut data = Data::new();
        stored.write(&mut data);
        data
    }

    #[test]
    fn what_is_written_is_read() {
        let stored = full();
        let mut data = entries(&stored);
        assert_eq!(data.len(), 10);
        assert_eq!(Stored::read(&data, &names()), stored);
        // Entries that have no meaning any more go, those of others stay.
        data.insert("mine".into(), ByteString(b"text".to_vec()));
        let less = Stored {
            next: None,
            old: Vec::new(),
            old_until: None,
            ..stored
        };
        less.write(&mut data);
        assert_eq!(Stored::read(&data, &names()), less);
        assert!(data.len() == 6 && data.contains_key("mine"));
    }

    #[test]
    fn nothing_shows_a_key() {
        let stored = full();
        let shown = format!("{stored:?}");
        for announced in [&stored.authority, &stored.next] {
            let key = announced.clone().unwrap().authority.key.unwrap();
            let body = key.pem().lines().nth(1).unwrap().to_owned();
            assert!(!shown.contains(&body) && shown.contains("hidden"), "{shown}");
        }
        assert!(!shown.contains(stored.leaf.unwrap().key().pem().lines().nth(1).unwrap()));
    }

    #[test]
    fn each_damaged_entry_is_named_and_the_rest_is_read() {
        let whole = full();
        for entry in LEAF.iter().chain(&CURRENT).chain(&NEXT).chain(&OLD) {
            let mut data = entries(&whole);
            data.insert((*entry).to_owned(), ByteString(b"garbage".to_vec()));
            let read = Stored::read(&data, &names());
            assert_ne!(
                Stored {
                    flaws: Vec::new(),
                    ..read.clone()
                },
                whole,
                "{entry}"
            );
            let lost = [
                read.authority != whole.authority,
                read.next != whole.next,
                read.leaf != whole.leaf,
            ];
            assert!(lost.iter().filter(|lost| **lost).count() <= 1, "{entry}");
            if !entry.ends_with(".published") {
                let named = entry.replace("tls.key", "tls.crt");
                assert_eq!(read.flaws.iter().map(|f| f.entry).collect::<Vec<_>>(), [named]);
            }
        }
    }

    #[test]
    fn a_stamp_is_about_one_authority_only() {
        let mut data = entries(&full());
        let other = authority();
        data.insert("ca.crt".into(), ByteString(other.certificate.pem().into()));
        let read = Stored::read(&data, &names()).authority.unwrap();
        assert_eq!(
            (read.authority.certificate, read.published),
            (other.certificate, None)
        );
    }

    #[test]
    fn a_foreign_secret_needs_no_authority() {
        let mut data = entries(&full());
        assert_eq!(Stored::read_foreign(&data).leaf, full_leaf(&data));
        data.retain(|entry, _| entry.starts_with("tls."));
        let read = Stored::read_foreign(&data);
        assert!(read.authority.is_none() && read.leaf.is_some() && read.flaws.is_empty());
    }

    fn full_leaf(data: &Data) -> Option<Leaf> {
        Stored::read(data, &names()).leaf
    }
}
