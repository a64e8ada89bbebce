//! A world for property tests: one Secret, two configurations, API servers that notice bundles late, and two replicas that
//! look and act whenever they are told to, on what they saw last.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use k8s_openapi::ByteString;

use crate::{
    bundle::Bundle,
    change::{Change, Rules},
    clock::{after, before},
    decide::{Decision, decide, is_settled},
    leaf::Leaf,
    published::{Configuration, Kind, Live, Publication, Sight, Sights, Webhook},
    registration::Registration,
    serve,
    settings::Lifetimes,
    stored::{Data, Stored},
    tests::{LEAF, PROPAGATION, at},
};

/// Lives short enough for several authorities in one history.
fn rules() -> Rules {
    Rules {
        lifetimes: Lifetimes::new(LEAF * 3, LEAF, PROPAGATION).unwrap(),
        ..crate::tests::rules()
    }
}

/// A Secret, at one version.
#[derive(Clone)]
struct Version {
    number: u64,
    data: Data,
    stored: Stored,
}

/// Something that a replica has decided and not done yet.
enum Effect {
    Write(Change),
    LookAgain,
    Publish(Publication),
}

/// A replica: what it saw last, what it still has to do, and what it serves.
pub struct Replica {
    secret: Sight<u64>,
    stored: Stored,
    sights: Sights,
    effects: Vec<Effect>,
    pub served: Option<Leaf>,
}

impl Replica {
    /// It has just started.
    fn new(configurations: &Configurations) -> Self {
        Self {
            secret: Sight::NotSeen,
            stored: Stored::default(),
            sights: configurations
                .keys()
                .map(|c| (c.clone(), Sight::NotSeen))
                .collect(),
            effects: Vec::new(),
            served: None,
        }
    }
}

type Configurations = BTreeMap<Configuration, Option<Live>>;

pub struct World {
    pub now: Timestamp,
    rules: Rules,
    versions: u64,
    secret: Option<Version>,
    configurations: Configurations,
    /// What each webhook's bundle was, and since when: API servers may still have it.
    history: BTreeMap<(Configuration, String), Vec<(Timestamp, Bundle)>>,
    pub replicas: [Replica; 2],
    last_round: Timestamp,
    /// Replicas look at least this often.
    attention: Duration,
    trusted: BTreeMap<(Vec<u8>, String), bool>,
}

impl World {
    /// A world in which nothing is installed yet.
    pub fn empty(attention: Duration) -> Self {
        let names = [(Kind::Validating, vec!["a", "b"]), (Kind::Mutating, vec!["c"])];
        let configurations = names.map(|(kind, webhooks)| {
            let name = "kymaros".to_owned();
            let webhooks = webhooks.into_iter().map(|name| webhook(name, ""));
            let live = Live {
                version: "0".into(),
                webhooks: webhooks.collect(),
            };
            (Configuration { kind, name }, Some(live))
        });
        let configurations = configurations.into_iter().collect();
        Self {
            now: at(0),
            rules: rules(),
            versions: 0,
            secret: None,
            replicas: [Replica::new(&configurations), Replica::new(&configurations)],
            configurations,
            history: BTreeMap::new(),
            last_round: at(0),
            attention,
            trusted: BTreeMap::new(),
        }
    }

    /// A world in which all is well, and the authority is so old.
    pub fn installed(age: Duration, attention: Duration) -> Self {
        let mut world = Self::empty(attention);
        let (now, founded) = (world.now, before(world.now, age));
        let stored = Change::Found
            .apply(&Stored::default(), &world.rules, founded)
            .unwrap();
        let stored = Change::Announce.apply(&stored, &world.rules, founded).unwrap();
        let stored = Change::Renew.apply(&stored, &world.rules, now).unwrap();
        world.put_secret(&stored);
        world.round();
        world.forget_history();
        world
    }

    /// What the Secret holds.
    pub fn stored(&self) -> Stored {
        self.secret.as_ref().map(|s| s.stored.clone()).unwrap_or_default()
    }

    /// Which version of the Secret there is.
    fn number(&self) -> Sight<u64> {
        self.secret.as_ref().map(|s| s.number).into()
    }

    /// The bundles as they are.
    pub fn bundles(&self) -> impl Iterator<Item = &Bundle> {
        let live = self.configurations.values().flatten();
        live.flat_map(|live| live.webhooks.iter().map(|w| &w.bundle))
    }

    /// Bundles that API servers had before do not count from here on.
    pub fn forget_history(&mut self) {
        for seen in self.history.values_mut() {
            seen.drain(..seen.len() - 1);
        }
    }

    /// Time passes. A replica that would not look for too long looks before.
    pub fn pass(&mut self, while_: Duration) {
        if after(self.last_round, self.attention) <= after(self.now, while_) {
            self.round();
        }
        self.now = after(self.now, while_);
    }

    /// Every replica does all that is to be done.
    pub fn round(&mut self) {
        let mut before = None;
        while before.replace(self.versions) != Some(self.versions) {
            (0..self.replicas.len()).for_each(|replica| self.work(replica));
        }
        self.last_round = self.now;
    }

    /// The replica sees everything and does all that is to be done.
    pub fn work(&mut self, replica: usize) {
        for _ in 0..40 {
            while self.act(replica, true) {}
            let before = self.versions;
            self.sees_secret(replica);
            self.sees_configurations(replica, usize::MAX);
            self.look(replica);
            while self.act(replica, true) {}
            if self.versions == before {
                return;
            }
        }
        panic!("it never comes to rest: {:?}", self.stored());
    }

    /// The replica dies and starts anew.
    pub fn restart(&mut self, replica: usize) {
        self.replicas[replica] = Replica::new(&self.configurations);
    }

    /// The watch on the Secret delivers, as soon as the replica has done what it decided.
    pub fn sees_secret(&mut self, replica: usize) {
        if self.replicas[replica].effects.is_empty() {
            self.read_secret(replica);
        }
    }

    fn read_secret(&mut self, replica: usize) {
        let (number, stored) = (self.number(), self.stored());
        let replica = &mut self.replicas[replica];
        replica.secret = number;
        replica.stored = stored;
    }

    /// The watch on a configuration delivers, or all of them; likewise.
    pub fn sees_configurations(&mut self, replica: usize, which: usize) {
        if !self.replicas[replica].effects.is_empty() {
            return;
        }
        for (index, (configuration, live)) in self.configurations.iter().enumerate() {
            if which == usize::MAX || index == which {
                let sights = &mut self.replicas[replica].sights;
                sights.insert(configuration.clone(), live.clone().into());
            }
        }
    }

    /// The replica swaps its certificate, and decides what to do.
    pub fn look(&mut self, replica: usize) {
        let replica = &mut self.replicas[replica];
        if replica.secret == Sight::NotSeen || !replica.effects.is_empty() {
            return;
        }
        let (stored, sights, now) = (&replica.stored, &replica.sights, self.now);
        if let Some(offered) = &stored.leaf {
            let settled = stored
                .authority
                .as_ref()
                .is_some_and(|a| is_settled(a, &self.rules, now));
            let served = replica.served.as_ref();
            if serve::changes(served, offered, settled, sights, &self.rules.names, now) {
                replica.served = Some(offered.clone());
            }
        }
        let Decision { change, publications } = decide(stored, sights, &self.rules, now);
        let look_again = (!publications.is_empty()).then_some(Effect::LookAgain);
        let publications = publications.into_iter().map(Effect::Publish);
        replica.effects = change
            .map(Effect::Write)
            .into_iter()
            .chain(look_again)
            .chain(publications)
            .collect();
    }

    /// The replica does the first thing that it has decided; the API server may refuse. Whether there is more to do.
    pub fn act(&mut self, index: usize, works: bool) -> bool {
        if self.replicas[index].effects.is_empty() {
            return false;
        }
        match self.replicas[index].effects.remove(0) {
            effect if !works => {
                if matches!(effect, Effect::LookAgain) {
                    self.replicas[index].effects.clear();
                }
            }
            Effect::Write(change) => {
                self.write(index, change);
                // Whether or not somebody else was faster: it has the newest, and decides again.
                self.read_secret(index);
                self.replicas[index].effects.clear();
            }
            Effect::LookAgain => {
                if self.replicas[index].secret != self.number() {
                    self.read_secret(index);
                    self.replicas[index].effects.clear();
                }
            }
            Effect::Publish(publication) => self.publish(index, publication),
        }
        !self.replicas[index].effects.is_empty()
    }

    fn write(&mut self, index: usize, change: Change) {
        let replica = &self.replicas[index];
        if replica.secret == self.number() {
            // Fails when so much time has passed since it was decided that it makes no sense any more.
            if let Ok(after) = change.apply(&replica.stored, &self.rules, self.now) {
                self.put_secret(&after);
            }
        }
    }

    fn put_secret(&mut self, stored: &Stored) {
        let mut data = self.secret.take().map(|s| s.data).unwrap_or_default();
        stored.write(&mut data);
        self.put_data(data);
        let read = Stored {
            flaws: Vec::new(),
            ..self.stored()
        };
        assert_eq!(&read, stored, "it reads back as it was written");
    }

    fn put_data(&mut self, data: Data) {
        self.versions += 1;
        self.secret = Some(Version {
            number: self.versions,
            stored: Stored::read(&data, &self.rules.names),
            data,
        });
    }

    fn publish(&mut self, index: usize, publication: Publication) {
        let live = self
            .configurations
            .get(&publication.configuration)
            .cloned()
            .flatten();
        if let Some(mut live) = live.filter(|live| live.version == publication.version) {
            for (webhook, (_, bundle)) in live.webhooks.iter_mut().zip(&publication.bundles) {
                webhook.text = bundle.pem().into_bytes();
                webhook.bundle = bundle.clone();
            }
            self.put_configuration(&publication.configuration, Some(live));
        }
        let live = self.configurations[&publication.configuration].clone();
        self.replicas[index]
            .sights
            .insert(publication.configuration, live.into());
    }

    fn put_configuration(&mut self, configuration: &Configuration, live: Option<Live>) {
        self.versions += 1;
        let version = self.versions.to_string();
        let live = live.map(|live| Live { version, ..live });
        if live.is_none() {
            self.history.retain(|(c, _), _| c != configuration);
        }
        for webhook in live.iter().flat_map(|live| &live.webhooks) {
            let history = self.history.entry((configuration.clone(), webhook.name.clone()));
            history.or_default().push((self.now, webhook.bundle.clone()));
        }
        self.configurations.insert(configuration.clone(), live);
    }

    /// Every bundle that some API server may have now, against what every replica serves.
    pub fn everybody_is_trusted(&mut self) -> bool {
        let oldest = before(self.now, PROPAGATION);
        let mut pairs = Vec::new();
        for leaf in self.replicas.iter().filter_map(|r| r.served.as_ref()) {
            for history in self.history.values() {
                let ends = history
                    .iter()
                    .skip(1)
                    .map(|(since, _)| *since)
                    .chain([Timestamp::MAX]);
                let in_use = history.iter().zip(ends).filter(|(_, end)| oldest < *end);
                pairs.extend(in_use.map(|((_, bundle), _)| (leaf.clone(), bundle.clone())));
            }
        }
        pairs.iter().all(|(leaf, bundle)| self.is_trusted(leaf, bundle))
    }

    /// Verifies once; a certificate stays trusted as long as it is valid, because its authority lives longer.
    fn is_trusted(&mut self, leaf: &Leaf, bundle: &Bundle) -> bool {
        let (now, names) = (self.now, &self.rules.names);
        let key = (leaf.certificate().der().to_vec(), bundle.pem());
        let verified = self.trusted.entry(key);
        leaf.certificate().is_valid(now)
            && *verified.or_insert_with(|| bundle.trusts(leaf, names.service(), now).is_ok())
    }

    // What others do.

    /// Somebody deletes the Secret.
    pub fn delete_secret(&mut self) {
        self.secret = None;
    }

    /// Somebody damages an entry of the Secret, or removes it.
    pub fn damage(&mut self, entry: &str, with: Option<&str>) {
        if let Some(Version { mut data, .. }) = self.secret.take() {
            data.remove(entry);
            data.extend(with.map(|text| (entry.to_owned(), ByteString(text.into()))));
            self.put_data(data);
        }
    }

    /// Somebody puts another authority and certificate into the Secret, and leaves the rest.
    pub fn replace(&mut self) {
        let foreign = Change::Found
            .apply(&Stored::default(), &self.rules, self.now)
            .unwrap();
        let mut replaced = Data::new();
        foreign.write(&mut replaced);
        if let Some(Version { mut data, .. }) = self.secret.take() {
            data.extend(replaced);
            self.put_data(data);
        }
    }

    /// Somebody writes something else into a bundle.
    pub fn overwrite(&mut self, index: usize, text: &str) {
        let (configuration, live) = self.configurations.iter().nth(index).unwrap();
        let (configuration, mut live) = (configuration.clone(), live.clone());
        if let Some(first) = live.as_mut().and_then(|live| live.webhooks.first_mut()) {
            *first = webhook(&first.name, text);
        }
        self.put_configuration(&configuration, live);
    }

    /// Somebody removes a configuration, or makes it again without bundles.
    pub fn remove_or_make(&mut self, index: usize) {
        let (configuration, live) = self.configurations.iter().nth(index).unwrap();
        let configuration = configuration.clone();
        let made = live.is_none().then(|| Live {
            version: String::new(),
            webhooks: vec![webhook("a", "")],
        });
        self.put_configuration(&configuration, made);
    }
}

fn webhook(name: &str, text: &str) -> Webhook {
    Webhook {
        name: name.to_owned(),
        text: text.into(),
        bundle: Bundle::read(text.as_bytes()),
        registration: Registration::default(),
    }
}
