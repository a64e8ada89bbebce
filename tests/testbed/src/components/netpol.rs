//! What enforces `NetworkPolicy`, run by the machine's own program.

use super::{Component, Ready, kubeconfig};
use crate::places;

pub(super) fn component() -> Component {
    let mut component = Component::new("netpol", places::machine_program(), Ready::Running)
        .args([crate::machine::NETPOL.to_owned(), kubeconfig("netpol")]);
    component.needs = &["apiserver"];
    component
}
