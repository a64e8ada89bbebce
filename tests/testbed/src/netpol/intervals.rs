//! Sets of numbers as sorted intervals: addresses and ports both are, and nftables refuses sets that overlap.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail};

/// A set of numbers: inclusive intervals in ascending order that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intervals(Vec<(u32, u32)>);

impl Intervals {
    /// No number.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// All numbers: every IPv4 address.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![(0, u32::MAX)])
    }

    /// The numbers from `first` to `last`, both included; none if `last` comes before `first`.
    #[must_use]
    pub fn range(first: u32, last: u32) -> Self {
        if first <= last {
            Self(vec![(first, last)])
        } else {
            Self::none()
        }
    }

    /// These addresses.
    #[must_use]
    pub fn addresses(addresses: impl IntoIterator<Item = Ipv4Addr>) -> Self {
        let intervals = addresses
            .into_iter()
            .map(|address| (u32::from(address), u32::from(address)));
        Self::collapse(intervals.collect())
    }

    /// The addresses of a block such as `10.0.0.0/8`.
    ///
    /// # Errors
    ///
    /// When it is no IPv4 block.
    pub fn block(cidr: &str) -> Result<Self> {
        let (address, length) = cidr
            .split_once('/')
            .with_context(|| format!("{cidr} has no prefix length"))?;
        let address: Ipv4Addr = address
            .parse()
            .with_context(|| format!("{cidr} is no IPv4 block"))?;
        let length: u32 = length
            .parse()
            .with_context(|| format!("{cidr} has no prefix length"))?;
        if length > 32 {
            bail!("{cidr} has a prefix longer than an address");
        }
        // A shift by all 32 bits is an overflow, and means an empty mask.
        let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
        let first = u32::from(address) & mask;
        Ok(Self::range(first, first | !mask))
    }

    /// The numbers of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::collapse(self.0.iter().chain(&other.0).copied().collect())
    }

    /// The numbers that are not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        for &(first, last) in &self.0 {
            // Where what is left of this interval begins; nowhere once a cut reaches its end.
            let mut start = Some(first);
            for &(cut_first, cut_last) in other.0.iter().filter(|cut| cut.0 <= last && cut.1 >= first) {
                let Some(from) = start else { break };
                if cut_first > from {
                    left.push((from, cut_first - 1));
                }
                start = (cut_last < last).then(|| cut_last + 1);
            }
            if let Some(from) = start {
                left.push((from, last));
            }
        }
        Self(left)
    }

    /// Whether the number is in the set.
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        self.0
            .iter()
            .any(|&(first, last)| (first..=last).contains(&number))
    }

    /// Whether the set has no number.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the set has every address.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0 == [(0, u32::MAX)]
    }

    /// The intervals.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        self.0.iter().copied()
    }

    fn collapse(mut intervals: Vec<(u32, u32)>) -> Self {
        intervals.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(intervals.len());
        for (first, last) in intervals {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(intervals: &[(u32, u32)]) -> Intervals {
        Intervals::collapse(intervals.to_vec())
    }

    #[test]
    fn neighbours_and_overlaps_become_one() {
        assert_eq!(set(&[(5, 9), (1, 2), (3, 4), (7, 20)]).0, [(1, 20)]);
        assert_eq!(set(&[(0, u32::MAX), (7, 7)]).0, [(0, u32::MAX)]);
        assert_eq!(set(&[(1, 2), (4, 5)]).0, [(1, 2), (4, 5)]);
    }

    #[test]
    fn cuts_leave_what_is_around_them() {
        let from = set(&[(10, 20), (30, 40)]);
        for (cut, left) in [
            (set(&[]), vec![(10, 20), (30, 40)]),
            (set(&[(10, 20)]), vec![(30, 40)]),
            (set(&[(0, 10), (20, 30), (40, 50)]), vec![(11, 19), (31, 39)]),
            (
                set(&[(12, 13), (15, 16)]),
                vec![(10, 11), (14, 14), (17, 20), (30, 40)],
            ),
            (set(&[(15, 35)]), vec![(10, 14), (36, 40)]),
            (Intervals::all(), vec![]),
        ] {
            assert_eq!(from.without(&cut).0, left, "without {cut:?}");
        }
        assert_eq!(
            Intervals::all().without(&set(&[(u32::MAX, u32::MAX)])).0,
            [(0, u32::MAX - 1)]
        );
    }

    #[test]
    fn blocks_are_read() {
        for (cidr, first, last) in [
            ("10.1.2.3/32", "10.1.2.3", "10.1.2.3"),
            // Bits behind the prefix do not count.
            ("10.1.2.3/8", "10.0.0.0", "10.255.255.255"),
            ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),
            ("128.0.0.0/1", "128.0.0.0", "255.255.255.255"),
        ] {
            let (first, last): (Ipv4Addr, Ipv4Addr) = (first.parse().unwrap(), last.parse().unwrap());
            assert_eq!(
                Intervals::block(cidr).unwrap(),
                Intervals::range(first.into(), last.into()),
                "{cidr}"
            );
        }
        for cidr in [
            "fd00::/8",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0/8",
            "",
        ] {
            assert!(Intervals::block(cidr).is_err(), "{cidr}");
        }
    }
}
