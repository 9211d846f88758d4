//! Places for tests that keep the processors busy: so many of them at a time, the others wait. Tests that mostly wait need none.

use std::cell::Cell;
use std::sync::{Condvar, Mutex};

/// How many at a time: two processors are kept busy by three, whose machines boot and whose clients wait in turn.
const PLACES: u32 = 3;

static TAKEN: Mutex<u32> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

thread_local! {
    /// Each test has a thread of its own, so a place is given back when its test ends.
    static PLACE: Cell<Option<Place>> = const { Cell::new(None) };
}

struct Place;

impl Drop for Place {
    fn drop(&mut self) {
        *TAKEN.lock().expect("nobody dies in here") -= 1;
        FREED.notify_one();
    }
}

/// Waits for a place for the test that runs on this thread.
pub(crate) fn take() {
    // The one of the test before, where all run on one thread.
    drop(PLACE.take());
    let taken = TAKEN.lock().expect("nobody dies in here");
    let mut taken = FREED
        .wait_while(taken, |taken| *taken >= PLACES)
        .expect("nobody dies in here");
    *taken += 1;
    PLACE.set(Some(Place));
}
