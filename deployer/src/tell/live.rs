//! What a program elsewhere prints, shown as it comes.

use std::io::{Stdout, Write as _};
use std::sync::Mutex;

use crate::report::pipe::Pipe;
use crate::run::runner::Stop;

/// Prints what it is given. When nobody reads any more, or nothing can be written, that is the wish to stop.
pub fn live<'a>(
    out: &'a mut Pipe<Stdout>,
    stop: &'a Stop,
) -> impl Fn(&[u8]) + Send + Sync + use<'a> {
    let out = Mutex::new(out);
    move |bytes| {
        let written = out.lock().is_ok_and(|mut out| {
            let written = out.write_all(bytes).and_then(|()| out.flush());
            written.is_ok() && !out.is_closed()
        });
        if !written {
            stop.set();
        }
    }
}
