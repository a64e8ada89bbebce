//! Packs reports.

use std::{
    io::{self, Read},
    sync::Arc,
};

use flate2::{Compress, Compression, FlushCompress, Status, read::ZlibDecoder};
use kymaros_crds::RestoreReport;

/// Largest report that is packed, bytes: the API server takes none that is larger.
const MOST: usize = 4 << 20;

/// Packs reports. Made once: it is much larger than what it packs.
pub struct Packer(Compress);

impl Default for Packer {
    fn default() -> Self {
        Self(Compress::new(Compression::fast(), true))
    }
}

impl Packer {
    /// A report, packed.
    ///
    /// # Errors
    /// It cannot be packed.
    pub fn pack(&mut self, report: &RestoreReport) -> io::Result<Arc<[u8]>> {
        let text = serde_json::to_vec(report)?;
        if text.len() > MOST {
            return Err(io::Error::other(format!("it is larger than {MOST} bytes")));
        }
        self.0.reset();
        // What does not get smaller gets a little larger.
        let mut made = Vec::with_capacity(text.len() + text.len() / 8 + 128);
        match self.0.compress_vec(&text, &mut made, FlushCompress::Finish)? {
            Status::StreamEnd => Ok(made.into()),
            Status::Ok | Status::BufError => Err(io::Error::other("it does not fit")),
        }
    }
}

/// A packed report as it was.
///
/// # Errors
/// It is no packed report.
pub fn unpacked(packed: &[u8]) -> io::Result<RestoreReport> {
    // Most are some thousand bytes.
    let mut text = Vec::with_capacity(8 << 10);
    ZlibDecoder::new(packed).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::sample::report;

    #[test]
    fn a_report_comes_back_as_it_was_and_nothing_else_does() {
        let mut packer = Packer::default();
        for score in [40, 41] {
            let report = report("ops", "shop", 1, "fail", Some(score));
            let bytes = packer.pack(&report).unwrap();
            let back = serde_json::to_value(unpacked(&bytes).unwrap()).unwrap();
            assert_eq!(back, serde_json::to_value(&report).unwrap());
            assert!(unpacked(&bytes[..bytes.len() / 2]).is_err());
        }
    }

    #[test]
    fn a_report_that_no_api_server_takes_is_refused() {
        let mut report = report("ops", "shop", 1, "fail", Some(40));
        report.status.as_mut().unwrap().message = Some("x".repeat(MOST));
        let error = Packer::default().pack(&report).unwrap_err().to_string();
        assert!(error.contains("larger than"), "{error}");
    }
}
