//! The report that is published beside the table.

use super::Worker;
use crate::{layout::ReportHeader, memory::Offset};

impl Worker {
    /// Calls `read` with the bytes published last by `Publisher::report`; none before the first.
    pub fn with_report<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> T {
        let process_entry = self.process_entry();
        let place = Offset(process_entry.report.set(&self.zone.header().report));
        let bytes = if place.0 == 0 {
            &[][..]
        } else {
            // SAFETY: the pin keeps the report, which was complete before it was published, until
            // `clear` below.
            unsafe {
                let header: &ReportHeader = self.zone.memory.get(place.bytes());
                self.zone
                    .memory
                    .slice(place.bytes() + size_of::<ReportHeader>(), header.length as usize)
            }
        };
        let result = read(bytes);
        process_entry.report.clear();
        result
    }
}
