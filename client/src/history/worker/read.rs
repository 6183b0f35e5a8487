//! Questions about what is stored, answered over all periods.

use inhaul_core::event::{Event, EventId, UnixMillis};
use inhaul_journal::ReadError;
use uuid::Uuid;

use super::{
    super::{
        Found, HistoryError, Relation, Status,
        error::with_causes,
        fold::Indexed,
        index::{Extent, OpenEvents},
        period::{PeriodName, ReadBackError, date_of},
        record::Change,
        same::SameKey,
    },
    periods::{Known, Periods},
};
use crate::{
    draft::{Edit, EditId},
    row::{EventRow, EventState},
};

/// How far a relay's clock may be ahead.
const CLOCK_DIFFERENCE_SECONDS: u64 = 24 * 60 * 60;

/// How many of several events with the same beginning are named.
const FOUND_MAX: usize = 20;

impl Periods {
    /// Where an event is: the number of its period, and its entry. One that is deleted is nowhere.
    pub(super) fn locate(&mut self, id: EventId) -> Result<Option<(u64, Indexed)>, HistoryError> {
        Ok(self.locate_any(id)?.filter(|(_, entry)| !entry.is_deleted()))
    }

    /// As [`Periods::locate`], also of an event that is deleted. When it is in none that can be opened and an old one that cannot may
    /// hold it, or the disk refused to read its records, that is [`HistoryError::Unreadable`]: taken for unknown, the event would be stored a second time.
    pub(super) fn locate_any(&mut self, id: EventId) -> Result<Option<(u64, Indexed)>, HistoryError> {
        let newest = self.newest();
        let may_hold = |known: &&Known| {
            Some(known.name.number) == newest || known.extent.is_some_and(|extent| extent.covers(id))
        };
        let names: Vec<PeriodName> =
            self.known.iter().rev().filter(may_hold).map(|known| known.name.clone()).collect();
        let mut unreadable = None;
        for name in names {
            match self.with(name.number, |period| Ok((period.index().get(id)?, period.holds_back(id)))) {
                Ok((Some(entry), _)) => return Ok(Some((name.number, entry))),
                Ok((None, false)) => {}
                Ok((None, true)) => {
                    let reason = "its records could not be read when it was opened".to_owned();
                    unreadable.get_or_insert_with(|| self.unreadable(id, &name, reason));
                }
                Err(error) if Some(name.number) == newest => return Err(error),
                Err(error) if may_have_been_delivered_in(&name, id) => {
                    unreadable.get_or_insert_with(|| self.unreadable(id, &name, error.to_string()));
                }
                Err(_) => {}
            }
        }
        unreadable.map_or(Ok(None), Err)
    }

    fn unreadable(&self, id: EventId, name: &PeriodName, reason: String) -> HistoryError {
        HistoryError::Unreadable { id, path: self.directory(name), reason }
    }

    /// Why what is at an event's place in a period is not what should be there.
    fn misread(&self, number: u64, id: EventId, error: &ReadBackError) -> HistoryError {
        let reason = with_causes(error);
        let name = self.known.iter().map(|known| &known.name).find(|name| name.number == number);
        match (error, name) {
            (ReadBackError::Journal(ReadError::Io { .. }), Some(name)) => self.unreadable(id, name, reason),
            _ => HistoryError::Damaged { id, reason },
        }
    }

    /// One event whole.
    pub(super) fn event(&mut self, id: EventId) -> Result<Option<(Event, EventRow)>, HistoryError> {
        let Some((number, entry)) = self.locate(id)? else { return Ok(None) };
        match self.open(number)?.read(entry.location) {
            Ok(Some(Change::Arrived(_, event))) if event.id == id => Ok(Some((event, entry.row))),
            Ok(_) => Err(HistoryError::Damaged { id, reason: "another record is in its place".to_owned() }),
            Err(error) => Err(self.misread(number, id, &error)),
        }
    }

    /// One draft of an event; nothing when it is not among those that can be found.
    pub(super) fn edited(&mut self, id: EventId, edit: EditId) -> Result<Option<Edit>, HistoryError> {
        let Some((number, entry)) = self.locate(id)? else { return Ok(None) };
        let Some(place) = entry.edits.iter().find(|known| known.id == edit) else { return Ok(None) };
        match self.open(number)?.read(place.location) {
            Ok(Some(Change::Edited(found))) if found.draft.id() == edit => Ok(Some(found)),
            Ok(_) => {
                Err(HistoryError::Damaged { id, reason: "another record is in its draft's place".to_owned() })
            }
            Err(error) => Err(self.misread(number, id, &error)),
        }
    }

    /// Rows from the newest on, or from before an event on; with a state, only of events in it.
    pub(super) fn rows(
        &mut self,
        state: Option<EventState>,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<EventRow>, HistoryError> {
        let (from_period, from_arrival) = match before {
            None => (u64::MAX, u64::MAX),
            Some(id) => {
                let (number, entry) = self.locate_any(id)?.ok_or(HistoryError::Unknown(id))?;
                (number, entry.arrival)
            }
        };
        if state.is_some() {
            self.renew_extents()?;
        }
        let mut rows = Vec::new();
        let could = |extent: Extent| state.is_none_or(|state| extent.open.of(state) > 0);
        for number in self.where_could_be(|known| known.extent.is_some_and(could)) {
            if number > from_period {
                continue;
            }
            let wanted = limit - rows.len();
            if wanted == 0 {
                break;
            }
            let entries = self.with_or_without(number, Vec::new(), |periods| {
                periods.with(number, |period| match state {
                    None => period.index().before(from_arrival, wanted),
                    Some(state) => period.index().in_state(state, from_arrival, wanted),
                })
            })?;
            rows.extend(entries.into_iter().map(|entry| entry.row));
        }
        Ok(rows)
    }

    /// The rows of the events that are to be forwarded, in their turn.
    pub(super) fn pending(&mut self) -> Result<Vec<EventRow>, HistoryError> {
        self.renew_extents()?;
        let mut rows = Vec::new();
        let mut numbers =
            self.where_could_be(|known| known.extent.is_some_and(|extent| extent.open.pending > 0));
        numbers.reverse();
        for number in numbers {
            let mut entries = self.with_or_without(number, Vec::new(), |periods| {
                periods
                    .with(number, |period| period.index().in_state(EventState::Pending, u64::MAX, usize::MAX))
            })?;
            entries.sort_by_key(Indexed::turn);
            rows.extend(entries.into_iter().map(|entry| entry.row));
        }
        Ok(rows)
    }

    /// Deliveries with this key, the one stored last first. Of older periods, those of the last days are looked into.
    pub(super) fn deliveries(&mut self, key: SameKey, limit: usize) -> Result<Vec<EventRow>, HistoryError> {
        let mut rows = Vec::new();
        for number in self.where_could_be(|known| known.keys.as_ref().is_some_and(|keys| keys.may_hold(key)))
        {
            let wanted = limit - rows.len();
            if wanted == 0 {
                break;
            }
            let entries = self.with_or_without(number, Vec::new(), |periods| {
                periods.with(number, |period| period.index().deliveries(key, wanted))
            })?;
            rows.extend(entries.into_iter().map(|entry| entry.row));
        }
        Ok(rows)
    }

    /// The rows of these events, as far as they are stored.
    pub(super) fn rows_of(&mut self, ids: &[EventId]) -> Result<Vec<EventRow>, HistoryError> {
        let mut rows = Vec::new();
        for id in ids {
            rows.extend(self.locate(*id)?.map(|(_, entry)| entry.row));
        }
        Ok(rows)
    }

    /// Events that have something in common with one, itself among them, the one stored first first.
    pub(super) fn related(
        &mut self,
        id: EventId,
        relation: Relation,
        limit: usize,
    ) -> Result<Vec<EventRow>, HistoryError> {
        let (_, entry) = self.locate(id)?.ok_or(HistoryError::Unknown(id))?;
        let key = match relation {
            Relation::SameEvent => entry.same,
            Relation::SameObject => entry.object,
        };
        let Some(key) = key else { return Ok(vec![entry.row]) };
        let mut rows = self.deliveries(key, limit)?;
        rows.reverse();
        // Its period may be older than those that are looked into.
        if !rows.iter().any(|row| row.id == id) {
            rows.insert(0, entry.row);
        }
        Ok(rows)
    }

    /// The events whose ids begin like this.
    pub(super) fn find(&mut self, prefix: &str) -> Result<Found, HistoryError> {
        let Some((low, high)) = range_of(prefix) else { return Ok(Found::None) };
        let mut ids: Vec<EventId> = Vec::new();
        for number in
            self.where_could_be(|known| known.extent.is_some_and(|extent| extent.overlaps(low, high)))
        {
            let wanted = FOUND_MAX - ids.len();
            ids.extend(self.with_or_without(number, Vec::new(), |periods| {
                periods.with(number, |period| period.index().ids_between(low, high, wanted))
            })?);
        }
        ids.sort_unstable();
        Ok(match ids.as_slice() {
            [] => Found::None,
            [one] => Found::One(*one),
            _ => Found::Many(ids),
        })
    }

    /// The history in numbers, without the notes.
    pub(super) fn status(&mut self) -> Result<Status, HistoryError> {
        self.renew_extents()?;
        let newest = match self.newest() {
            Some(newest) => self.with(newest, |period| period.index().extent())?,
            None => None,
        };
        let extents: Vec<_> = self.known.iter().filter_map(|known| known.extent).chain(newest).collect();
        let sum = |of: fn(&OpenEvents) -> u64| extents.iter().map(|extent| of(&extent.open)).sum();
        Ok(Status {
            events: extents.iter().map(|extent| extent.events).sum(),
            pending: sum(|open| open.pending),
            held: sum(|open| open.held),
            given_up: sum(|open| open.given_up),
            periods: self.known.len() as u64,
            notes: Vec::new(),
        })
    }

    /// The periods worth a look, the newest first: that one always, of the others those that `could`.
    fn where_could_be(&self, could: impl Fn(&Known) -> bool) -> Vec<u64> {
        let newest = self.newest();
        let readable = self.known.iter().rev().filter(|known| !known.is_unreadable);
        let worth = readable.filter(|known| Some(known.name.number) == newest || could(known));
        worth.map(|known| known.name.number).collect()
    }

    /// What a period says; an old one that cannot be opened says `nothing`, and a note says that.
    pub(super) fn with_or_without<T>(
        &mut self,
        number: u64,
        nothing: T,
        ask: impl FnOnce(&mut Self) -> Result<T, HistoryError>,
    ) -> Result<T, HistoryError> {
        match ask(self) {
            Ok(value) => Ok(value),
            Err(error) if self.newest() == Some(number) => Err(error),
            Err(error) => {
                self.leave_out(number, &error);
                Ok(nothing)
            }
        }
    }
}

/// Whether an event could have been delivered on the day of a period: its id, a UUIDv7, is not from behind that day, though the clock of
/// its relay may be ahead by a day. An imported event may have any id, and must not keep away what is delivered later.
fn may_have_been_delivered_in(period: &PeriodName, id: EventId) -> bool {
    let Some((seconds, _)) = id.0.get_timestamp().map(|made_at| made_at.to_unix()) else { return true };
    date_of(UnixMillis(seconds.saturating_sub(CLOCK_DIFFERENCE_SECONDS).saturating_mul(1000))) <= period.date
}

/// The lowest and the highest id that begin like this.
fn range_of(prefix: &str) -> Option<(EventId, EventId)> {
    let digits: String = prefix.chars().filter(|&letter| letter != '-').collect();
    let is_beginning =
        (1..=32).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let end = |filler: &str| {
        let digits = format!("{digits}{}", filler.repeat(32 - digits.len()));
        u128::from_str_radix(&digits, 16).ok().map(|number| EventId(Uuid::from_u128(number)))
    };
    if is_beginning { end("0").zip(end("f")) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_id_is_a_range() {
        let id: EventId = "01935b1e-7c00-7000-8000-0000000000ab".parse().unwrap();
        for prefix in ["0", "01935b1e", "01935B1E-7", "01935b1e7c00", "01935b1e-7c00-7000-8000-0000000000ab"]
        {
            let (low, high) = range_of(prefix).unwrap();
            assert!(low <= id && id <= high, "{prefix}");
        }
        let (low, high) = range_of("02").unwrap();
        assert!(id < low && low < high);
        for other in ["", "-", "x", "0193 5", "é", &"0".repeat(33)] {
            assert_eq!(range_of(other), None, "{other}");
        }
    }
}
