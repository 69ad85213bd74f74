//! Moments, in UTC: the page's script shows them in the time zone of the reader.

/// A moment, and how much of it is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    year: i64,
    month: i64,
    day: i64,
    second_of_day: i64,
}

impl Moment {
    /// A moment in seconds since 1970.
    pub(crate) fn of(seconds: f64) -> Self {
        // One outside of any calendar becomes one at its end.
        let seconds = (seconds.floor() as i64).clamp(0, 253_402_300_799);
        let (days, second_of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Howard Hinnant's civil_from_days: years begin in March, so that leap days are last.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            second_of_day,
        }
    }

    fn clock(self) -> String {
        let second = self.second_of_day;
        format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
    }

    fn date(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// `12:01 UTC`, with the date if it is not that of `now`.
    pub(crate) fn minute(self, now: Self) -> String {
        let clock = self.clock();
        let minute = &clock[..5];
        if self.date() == now.date() {
            format!("{minute} UTC")
        } else {
            format!("{} {minute} UTC", self.date())
        }
    }

    /// As an element: `<time datetime="2026-11-29T12:01:07Z">2026-11-29 12:01:07 UTC</time>`.
    pub(crate) fn element(self) -> String {
        let (date, clock) = (self.date(), self.clock());
        format!("<time datetime=\"{date}T{clock}Z\">{date} {clock} UTC</time>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_the_date_of_the_calendar() {
        let dates = [
            (0.0, "1970-01-01 00:00:00"),
            (951_782_399.0, "2000-02-28 23:59:59"),
            (951_782_400.9, "2000-02-29 00:00:00"),
            (1_764_400_000.123, "2025-11-29 07:06:40"),
            (4_107_542_400.0, "2100-03-01 00:00:00"),
        ];
        for (seconds, text) in dates {
            let moment = Moment::of(seconds);
            assert_eq!(format!("{} {}", moment.date(), moment.clock()), text);
        }
        assert_eq!(Moment::of(f64::NAN).date(), "1970-01-01");
        assert_eq!(Moment::of(f64::INFINITY).date(), "9999-12-31");
    }

    #[test]
    fn a_minute_has_its_date_on_other_days() {
        let now = Moment::of(951_782_400.0);
        assert_eq!(Moment::of(951_782_460.0).minute(now), "00:01 UTC");
        assert_eq!(Moment::of(951_782_399.0).minute(now), "2000-02-28 23:59 UTC");
    }
}
