//! The process itself: its certificate, and whether it leads.

use kymaros_certs::Expiry;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use tokio::sync::watch;

/// What the process knows of itself.
#[derive(Debug)]
pub struct Process {
    /// How long its certificates last.
    pub expiry: watch::Receiver<Expiry>,
    /// Whether it leads.
    pub leading: watch::Receiver<bool>,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let expiry = self.expiry.borrow().clone();
        let help = "When a certificate of the webhooks expires, as a Unix time";
        let mut family = encoder.encode_descriptor(
            "certificate_expiry_timestamp_seconds",
            help,
            None,
            MetricType::Gauge,
        )?;
        for (what, until) in [("served", expiry.leaf), ("authority", expiry.authority)] {
            if let Some(until) = until {
                let labels = [("certificate", what)];
                ConstGauge::new(until.as_second()).encode(family.encode_family(&labels)?)?;
            }
        }
        let leads = i64::from(*self.leading.borrow());
        let help = "1 for the replica that runs tests and tells of them, 0 for the others";
        let one = encoder.encode_descriptor("leader", help, None, MetricType::Gauge)?;
        ConstGauge::new(leads).encode(one)?;
        let help = "The version that runs";
        let mut family = encoder.encode_descriptor("build_info", help, None, MetricType::Gauge)?;
        let labels = [("version", env!("CARGO_PKG_VERSION"))];
        ConstGauge::new(1_i64).encode(family.encode_family(&labels)?)
    }
}
