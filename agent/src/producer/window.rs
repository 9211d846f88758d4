//! The events on their way: given to the Kafka client and not confirmed yet.

use std::collections::VecDeque;

/// The most events on their way at once: some of librdkafka's requests, and no more than Kafka confirms in about 30 ms.
const EVENTS: usize = 20_000;
/// The most bytes of them, for the same reason; the Kafka client keeps a copy of each.
const BYTES: usize = 4 << 20;

#[derive(Debug)]
struct Slot {
    ticket: u64,
    /// The event's number in the present run; none when it is left from an older one.
    sequence: Option<u64>,
    bytes: usize,
    /// Whether the present Kafka client has it.
    is_sent: bool,
    is_confirmed: bool,
}

/// Events on their way, in the order of their tickets. One that is confirmed leaves when all before it have.
#[derive(Debug, Default)]
pub(super) struct Window {
    slots: VecDeque<Slot>,
    bytes: usize,
}

impl Window {
    /// Returns how many more events may be sent, `next` being the first of them. Those that are in it and are sent again
    /// have their room.
    pub(super) fn room(&self, next: u64) -> usize {
        match self.slots.back() {
            Some(last) if next <= last.ticket => {
                usize::try_from(last.ticket - next + 1).unwrap_or(EVENTS)
            }
            _ if self.bytes >= BYTES => 0,
            _ => EVENTS.saturating_sub(self.slots.len()),
        }
    }

    /// Returns how many events are in it.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns whether nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Returns the ticket of the first event that is not confirmed.
    pub(super) fn first(&self) -> Option<u64> {
        self.slots.front().map(|slot| slot.ticket)
    }

    /// Takes an event in, or finds it again. Returns whether it is to be sent, and regards it as sent.
    pub(super) fn admit(&mut self, ticket: u64, sequence: Option<u64>, bytes: usize) -> bool {
        if let Some(slot) = self.find(ticket) {
            return !slot.is_confirmed && !std::mem::replace(&mut slot.is_sent, true);
        }
        self.bytes += bytes;
        self.slots.push_back(Slot {
            ticket,
            sequence,
            bytes,
            is_sent: true,
            is_confirmed: false,
        });
        true
    }

    /// Notes that an event is confirmed.
    pub(super) fn confirm(&mut self, ticket: u64) {
        if let Some(slot) = self.find(ticket) {
            slot.is_confirmed = true;
        }
    }

    /// Notes that an event is to be sent again.
    pub(super) fn recall(&mut self, ticket: u64) {
        if let Some(slot) = self.find(ticket) {
            slot.is_sent = false;
        }
    }

    /// Notes that all events are to be sent again.
    pub(super) fn recall_all(&mut self) {
        for slot in &mut self.slots {
            slot.is_sent = false;
        }
    }

    /// Returns how many bytes an event has.
    pub(super) fn bytes_of(&mut self, ticket: u64) -> Option<usize> {
        self.find(ticket).map(|slot| slot.bytes)
    }

    /// Lets go what is confirmed with all before it. Returns the last sequence of the present run among it.
    pub(super) fn settle(&mut self) -> Option<u64> {
        let mut last = None;
        while let Some(slot) = self.slots.pop_front_if(|slot| slot.is_confirmed) {
            self.bytes -= slot.bytes;
            last = slot.sequence.or(last);
        }
        last
    }

    fn find(&mut self, ticket: u64) -> Option<&mut Slot> {
        let (first, last) = (self.slots.front()?.ticket, self.slots.back()?.ticket);
        if !(first..=last).contains(&ticket) {
            return None;
        }
        // Tickets follow each other, but for gaps after damage.
        let place = usize::try_from(ticket - first).ok()?;
        let index = match self.slots.get(place) {
            Some(slot) if slot.ticket == ticket => place,
            _ => {
                let found = self.slots.binary_search_by_key(&ticket, |slot| slot.ticket);
                found.ok()?
            }
        };
        self.slots.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_leave_in_their_order_and_confirmed_ones_are_not_sent_again() {
        let mut window = Window::default();
        for ticket in [5, 6, 9] {
            assert!(window.admit(ticket, Some(ticket + 100), 10));
        }
        window.confirm(6);
        window.confirm(77);
        assert_eq!((window.settle(), window.first()), (None, Some(5)));
        assert!(!window.admit(5, Some(105), 10), "it is on its way");
        window.recall(5);
        assert!(window.admit(5, Some(105), 10) && !window.admit(6, Some(106), 10));
        window.recall_all();
        assert!(window.admit(9, Some(109), 10) && window.admit(5, Some(105), 10));
        window.confirm(5);
        assert_eq!((window.settle(), window.first()), (Some(106), Some(9)));
        window.confirm(9);
        assert_eq!(window.settle(), Some(109));
        assert!(window.is_empty() && window.bytes == 0);
    }

    #[test]
    fn the_window_is_bounded_by_number_and_bytes() {
        let mut window = Window::default();
        assert_eq!(window.room(0), EVENTS);
        window.admit(0, None, BYTES);
        assert_eq!(window.room(1), 0);
        // Sent again, they take no more of it.
        window.admit(1, None, 1);
        assert_eq!((window.room(0), window.room(1), window.room(2)), (2, 1, 0));
    }
}
