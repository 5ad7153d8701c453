//! When somebody is there: weekly hours, and holidays, which win.

use crate::{ScheduleId, TenantId};
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Timelike, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// A schedule as configured.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Assigned when created.
    pub id: ScheduleId,
    /// The tenant that it belongs to; empty: the system.
    #[serde(default)]
    pub tenant_id: Option<TenantId>,
    /// A label, unique.
    pub name: String,
    /// Time zone, as `Europe/Berlin`; empty: the tenant's, else UTC.
    #[serde(default)]
    pub timezone: Option<String>,
    /// When it is open. None: always, but on holidays.
    #[serde(default)]
    pub hours: Vec<Hours>,
    /// Days that are holidays whatever the hours say.
    #[serde(default)]
    pub holidays: Vec<Holiday>,
}

/// Hours of some days of the week.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// On these days; empty: on all.
    #[serde(default)]
    pub weekdays: Vec<Day>,
    /// From this time on, as `09:00`.
    #[serde(default = "midnight")]
    pub from: Clock,
    /// Until just before this time, as `17:30`; `24:00` is the end of the day. Before `from`: until then on the day after.
    #[serde(default = "end_of_day")]
    pub to: Clock,
    /// Only from this day on, as `2026-07-01`.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date)]
    pub first_date: Option<Date>,
    /// Only until this day, which is included.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date)]
    pub last_date: Option<Date>,
}

/// A holiday of one day or several.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Holiday {
    /// A label.
    #[serde(default)]
    pub name: Option<String>,
    /// Its first day, as `2026-12-25`.
    #[schema(value_type = String, format = Date)]
    pub date: Date,
    /// Its last day; empty: the first.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date)]
    pub last_date: Option<Date>,
    /// Every year on the same days.
    #[serde(default)]
    pub yearly: bool,
}

/// What a schedule says of a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Openness {
    /// Within the hours.
    Open,
    /// Outside of them.
    Closed,
    /// A holiday.
    Holiday,
}

impl Schedule {
    /// What it says of a moment, milliseconds since the Unix epoch, in its own time zone, else in `timezone`.
    pub fn at(&self, unix_millis: u64, timezone: &str) -> Openness {
        let local = local(unix_millis, self.timezone.as_deref().unwrap_or(timezone));
        let (date, minute) = (local.date_naive(), (local.hour() * 60 + local.minute()) as u16);
        if self.holidays.iter().any(|holiday| holiday.is_on(date)) {
            Openness::Holiday
        } else if self.hours.is_empty() || self.hours.iter().any(|hours| hours.are_on(date, minute)) {
            Openness::Open
        } else {
            Openness::Closed
        }
    }
}

impl Hours {
    fn are_on(&self, date: NaiveDate, minute: u16) -> bool {
        let Clock(from) = self.from;
        let Clock(to) = self.to;
        if from < to {
            return self.takes(date) && (from..to).contains(&minute);
        }
        // Past midnight: the day after belongs to the day before.
        minute >= from && self.takes(date)
            || minute < to && date.pred_opt().is_some_and(|before| self.takes(before))
    }

    fn takes(&self, date: NaiveDate) -> bool {
        (self.weekdays.is_empty() || self.weekdays.iter().any(|day| day.is(date.weekday())))
            && self.first_date.is_none_or(|first| first.0 <= date)
            && self.last_date.is_none_or(|last| date <= last.0)
    }
}

impl Holiday {
    fn is_on(&self, date: NaiveDate) -> bool {
        let (first, last) = (self.date.0, self.last_date.unwrap_or(self.date).0);
        if !self.yearly {
            return (first..=last).contains(&date);
        }
        let day = |date: NaiveDate| (date.month(), date.day());
        let (first, last, day) = (day(first), day(last), day(date));
        if first <= last { (first..=last).contains(&day) } else { day >= first || day <= last }
    }
}

/// A day of the week.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Day {
    fn is(self, weekday: Weekday) -> bool {
        self as u32 == weekday.num_days_from_monday()
    }
}

/// A time of day, in minutes since midnight, up to 24:00. Serialises as `09:00`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String)]
pub struct Clock(u16);

fn midnight() -> Clock {
    Clock(0)
}
fn end_of_day() -> Clock {
    Clock(24 * 60)
}

impl TryFrom<String> for Clock {
    type Error = String;
    fn try_from(text: String) -> Result<Clock, String> {
        if text == "24:00" {
            return Ok(end_of_day());
        }
        let time = NaiveTime::parse_from_str(&text, "%H:%M");
        let time = time
            .map_err(|_| "this is no time of day; write it as `09:00`, from `00:00` to `24:00`".to_owned())?;
        Ok(Clock((time.hour() * 60 + time.minute()) as u16))
    }
}

impl From<Clock> for String {
    fn from(Clock(minutes): Clock) -> String {
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// A day of the calendar. Serialises as `2026-12-25`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date(NaiveDate);

impl Date {
    /// The day that a moment, milliseconds since the Unix epoch, is in, in a time zone; in UTC where there is no such zone.
    pub fn of(unix_millis: u64, timezone: &str) -> Date {
        Date(local(unix_millis, timezone).date_naive())
    }
}

/// A moment as clocks in a time zone show it.
fn local(unix_millis: u64, timezone: &str) -> DateTime<Tz> {
    let moment = i64::try_from(unix_millis).ok().and_then(DateTime::from_timestamp_millis);
    moment.unwrap_or_default().with_timezone(&timezone.parse().unwrap_or(Tz::UTC))
}

impl TryFrom<String> for Date {
    type Error = String;
    fn try_from(text: String) -> Result<Date, String> {
        let date = NaiveDate::parse_from_str(&text, "%Y-%m-%d");
        date.map(Date).map_err(|_| "this is no day of the calendar; write it as `2026-12-25`".to_owned())
    }
}

impl From<Date> for String {
    fn from(date: Date) -> String {
        date.0.to_string()
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether this is the name of a time zone.
pub(crate) fn is_timezone(name: &str) -> bool {
    name.parse::<Tz>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::Openness::{Closed, Open};
    use super::*;
    use serde_json::{Value, json};

    fn schedule(body: Value) -> Schedule {
        let mut whole = json!({ "id": ScheduleId::NIL, "name": "s" });
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    fn at(schedule: &Schedule, utc: &str) -> Openness {
        let moment = chrono::NaiveDateTime::parse_from_str(utc, "%Y-%m-%d %H:%M").unwrap();
        schedule.at(moment.and_utc().timestamp_millis() as u64, "Europe/Berlin")
    }

    #[test]
    fn hours_are_those_of_the_time_zone_summer_and_winter() {
        let office =
            schedule(json!({ "hours": [{ "weekdays": ["mon", "thu"], "from": "09:00", "to": "17:00" }] }));
        // 26 November 2026 and 2 July 2026 are Thursdays; Berlin is one hour ahead, two in summer.
        for (moment, openness) in [
            ("2026-11-26 07:59", Closed),
            ("2026-11-26 08:00", Open),
            ("2026-11-26 15:59", Open),
            ("2026-11-26 16:00", Closed),
            ("2026-11-27 10:00", Closed),
            ("2026-07-02 07:00", Open),
            ("2026-07-02 15:00", Closed),
        ] {
            assert_eq!(at(&office, moment), openness, "{moment}");
        }
        let utc = schedule(json!({ "timezone": "UTC", "hours": [{ "from": "09:00", "to": "17:00" }] }));
        assert_eq!(at(&utc, "2026-11-26 16:59"), Open);
    }

    #[test]
    fn hours_past_midnight_belong_to_the_day_they_began() {
        let bar = schedule(
            json!({ "timezone": "UTC", "hours": [{ "weekdays": ["fri"], "from": "20:00", "to": "02:00" }] }),
        );
        assert_eq!(at(&bar, "2026-11-27 23:00"), Open);
        assert_eq!(at(&bar, "2026-11-28 01:59"), Open);
        assert_eq!(at(&bar, "2026-11-28 02:00"), Closed);
        assert_eq!(at(&bar, "2026-11-27 01:00"), Closed, "that is Thursday's night");
    }

    #[test]
    fn holidays_win_and_may_come_every_year() {
        let mut days = schedule(json!({ "timezone": "UTC", "holidays": [
            { "date": "2025-12-24", "last_date": "2026-01-01", "yearly": true }, { "date": "2026-05-01" },
        ] }));
        for (moment, openness) in [
            ("2029-12-31 12:00", Openness::Holiday),
            ("2030-01-01 12:00", Openness::Holiday),
            ("2030-01-02 12:00", Open),
            ("2026-05-01 12:00", Openness::Holiday),
            ("2027-05-01 12:00", Open),
        ] {
            assert_eq!(at(&days, moment), openness, "{moment}");
        }
        days.hours = vec![
            serde_json::from_value(json!({ "first_date": "2026-01-01", "last_date": "2026-06-30" })).unwrap(),
        ];
        assert_eq!(at(&days, "2026-05-01 12:00"), Openness::Holiday);
        assert_eq!(at(&days, "2026-06-30 23:59"), Open);
        assert_eq!(at(&days, "2026-07-01 00:00"), Closed);
    }

    #[test]
    fn times_and_days_are_read_as_they_are_written() {
        for time in ["00:00", "09:30", "24:00"] {
            assert_eq!(String::from(Clock::try_from(time.to_owned()).unwrap()), time);
        }
        for wrong in ["9", "24:01", "25:00", "9:5 pm"] {
            assert!(Clock::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
        assert!(Date::try_from("2026-02-30".to_owned()).is_err());
    }
}
