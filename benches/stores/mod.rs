//! Stores as watches fill them.

use kube::runtime::{reflector::store::Writer, watcher::Event};

/// Takes a first full list.
pub fn fill<K>(writer: &mut Writer<K>, objects: impl Iterator<Item = K>)
where
    K: kube::Resource<DynamicType = ()> + Clone + 'static,
{
    writer.apply_watcher_event(&Event::Init);
    for object in objects {
        writer.apply_watcher_event(&Event::InitApply(object));
    }
    writer.apply_watcher_event(&Event::InitDone);
}
