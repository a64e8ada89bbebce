//! Certificates of the webhooks: made, kept, published, served and renewed without anybody's help.
//!
//! - `settings`: what they are for and how long they live
//! - `key`, `certificate`, `leaf`, `authority`, `bundle`: what there is; `authority` issues, `bundle` trusts
//! - `stored`: all of it in one Secret; `published`: what the webhook configurations hold
//! - `decide`: every rule about rotation; `change` carries a step out on what is stored
//! - `serve`, `resolver`: which certificate is shown, and showing it
//! - `registration`: what a webhook is registered for; `fence`: what is wrong with one that must be there
//! - `readiness`: whether the API server can talk to us, does so as it was meant to, and how long that lasts
//! - `cluster`, `watches`, `view`, `act`, `pace`, `controller`: the loop around it

mod act;
mod authority;
mod bundle;
mod certificate;
mod change;
mod clock;
mod cluster;
mod controller;
mod decide;
mod fence;
mod key;
mod leaf;
mod pace;
mod published;
mod readiness;
mod registration;
mod resolver;
mod serve;
mod settings;
mod stored;
#[cfg(test)]
mod tests;
mod view;
mod watches;

use std::sync::Arc;

use kube::Client;
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use fence::{Fence, Flaw, flaw};
pub use published::{Configuration, Kind};
pub use readiness::{Expiry, Readiness};
pub use registration::{Condition, Registration, Requirement, Rule};
pub use settings::{Configurations, InvalidLifetimes, InvalidNames, Lifetimes, Names, Settings, Source};

use change::Rules;
use cluster::Cluster;
use controller::{Controller, Duty};
use resolver::Resolver;
use view::View;

/// The certificates of the webhooks, in one replica.
#[derive(Clone, Debug)]
pub struct Certificates {
    server_config: Arc<ServerConfig>,
    readiness: watch::Receiver<Readiness>,
    expiry: watch::Receiver<Expiry>,
}

impl Certificates {
    /// The certificates, and the work that keeps them: it ends only when `stop` is cancelled, and must be polled all the
    /// time. Every replica does it.
    ///
    /// # Errors
    /// When the TLS library does not support any version of TLS.
    pub fn start(
        client: Client,
        settings: Settings,
        stop: CancellationToken,
    ) -> Result<(Self, impl Future<Output = ()> + Send), rustls::Error> {
        let resolver = Arc::new(Resolver::default());
        let server_config = Arc::new(resolver::server_config(resolver.clone())?);
        let (readiness, told_readiness) = watch::channel(Readiness::default());
        let (expiry, told_expiry) = watch::channel(Expiry::default());
        let configurations = configurations(settings.configurations);
        let cluster = Cluster::new(client, settings.namespace, settings.source.secret().to_owned());
        let seen = watches::watch(&cluster, &configurations);
        let names = settings.names;
        let controller = Controller {
            duty: match settings.source {
                Source::Own { lifetimes, .. } => Duty::Keep(Rules { names, lifetimes }),
                Source::Foreign { .. } => Duty::Follow(names),
            },
            fences: settings.fences,
            cluster,
            view: View::new(configurations.into_iter()),
            resolver,
            readiness,
            expiry,
            error: None,
        };
        let certificates = Self {
            server_config,
            readiness: told_readiness,
            expiry: told_expiry,
        };
        Ok((certificates, controller.run(seen, stop)))
    }

    /// For the server. It always shows the certificate of the moment; without one, handshakes fail.
    #[must_use]
    pub fn server_config(&self) -> Arc<ServerConfig> {
        self.server_config.clone()
    }

    /// Whether the API server can talk to us, whenever that changes.
    #[must_use]
    pub fn readiness(&self) -> watch::Receiver<Readiness> {
        self.readiness.clone()
    }

    /// How long the certificates last, whenever that changes.
    #[must_use]
    pub fn expiry(&self) -> watch::Receiver<Expiry> {
        self.expiry.clone()
    }
}

fn configurations(names: Configurations) -> Vec<Configuration> {
    let of = |kind, names: Vec<String>| names.into_iter().map(move |name| Configuration { kind, name });
    of(Kind::Validating, names.validating)
        .chain(of(Kind::Mutating, names.mutating))
        .collect()
}
