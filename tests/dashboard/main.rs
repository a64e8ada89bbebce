//! The dashboard over a made-up fleet: in process, and as a real browser sees it. None of it needs a cluster.

#[cfg(test)]
mod accessibility;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod clusters;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod script;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod world;
