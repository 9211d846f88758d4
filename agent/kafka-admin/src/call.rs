//! One call of librdkafka's admin interface: asked on a queue of its own, and waited for.

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::admin::AdminClient;
use rdkafka::bindings as native;
use rdkafka::error::RDKafkaErrorCode;

/// How much longer than the question may take its answer is waited for: librdkafka tells itself that time is up.
const GRACE: Duration = Duration::from_secs(1);

/// Says what was asked and why it was not done.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{asked}: {reason}")]
pub struct Error {
    asked: String,
    reason: String,
    code: RDKafkaErrorCode,
}

impl Error {
    /// Returns the code that librdkafka or the broker has for it.
    pub fn code(&self) -> RDKafkaErrorCode {
        self.code
    }

    pub(crate) fn new(asked: &str, code: RDKafkaErrorCode, reason: impl Into<String>) -> Self {
        Self {
            asked: asked.to_owned(),
            reason: reason.into(),
            code,
        }
    }

    pub(crate) fn argument(asked: &str, reason: impl Into<String>) -> Self {
        Self::new(asked, RDKafkaErrorCode::InvalidArgument, reason)
    }
}

/// Something that librdkafka made for us and that we give back.
pub(crate) struct Owned<T> {
    pointer: NonNull<T>,
    destroy: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    /// Takes what librdkafka made; `None` where it made nothing.
    ///
    /// # Safety
    /// The pointer is null or nobody else's, and `destroy` is what librdkafka has to free it.
    pub(crate) unsafe fn new(
        pointer: *mut T,
        destroy: unsafe extern "C" fn(*mut T),
    ) -> Option<Self> {
        let pointer = NonNull::new(pointer)?;
        Some(Self { pointer, destroy })
    }

    pub(crate) fn as_ptr(&self) -> *mut T {
        self.pointer.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: by the promise of `new` it is ours and this frees it; nobody sees it after a drop.
        unsafe { (self.destroy)(self.pointer.as_ptr()) }
    }
}

/// What librdkafka answered.
pub(crate) type Answer = Owned<native::rd_kafka_event_t>;

/// The parts of a call that librdkafka's functions take after what is asked.
pub(crate) struct Way {
    pub(crate) client: *mut native::rd_kafka_t,
    pub(crate) options: *const native::rd_kafka_AdminOptions_t,
    pub(crate) queue: *mut native::rd_kafka_queue_t,
}

/// Asks by a function of librdkafka and waits for its answer. Whether the answer is an error of the whole call is
/// [`refused`]'s to tell.
pub(crate) fn ask<C: ClientContext>(
    client: &AdminClient<C>,
    asked: &str,
    operation: native::rd_kafka_admin_op_t,
    timeout: Duration,
    question: impl FnOnce(&Way),
) -> Result<Answer, Error> {
    let client = client.inner().native_ptr();
    // SAFETY: the client lives as long as this call, which gives the queue back before it ends.
    let queue = unsafe {
        Owned::new(
            native::rd_kafka_queue_new(client),
            native::rd_kafka_queue_destroy,
        )
    };
    // SAFETY: as with the queue; librdkafka copies the options into the question.
    let options = unsafe {
        Owned::new(
            native::rd_kafka_AdminOptions_new(client, operation),
            native::rd_kafka_AdminOptions_destroy,
        )
    };
    let (Some(queue), Some(options)) = (queue, options) else {
        return Err(Error::argument(asked, "librdkafka does not know this call"));
    };
    let mut words = Words::default();
    // SAFETY: the options are ours, and the buffer is as long as is said.
    let set = unsafe {
        native::rd_kafka_AdminOptions_set_request_timeout(
            options.as_ptr(),
            milliseconds(timeout),
            words.as_mut_ptr(),
            words.len(),
        )
    };
    if set != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Err(Error::new(asked, set.into(), words.read()));
    }
    question(&Way {
        client,
        options: options.as_ptr(),
        queue: queue.as_ptr(),
    });
    // SAFETY: the queue is ours, and so is an event that comes from it; null is that none came.
    let answer = unsafe {
        Owned::new(
            native::rd_kafka_queue_poll(queue.as_ptr(), milliseconds(timeout + GRACE)),
            native::rd_kafka_event_destroy,
        )
    };
    answer.ok_or_else(|| {
        let code = RDKafkaErrorCode::OperationTimedOut;
        Error::new(asked, code, "no answer in time")
    })
}

/// A function of librdkafka's by which several things are asked for at once.
pub(crate) type Several<T> = unsafe extern "C" fn(
    *mut native::rd_kafka_t,
    *mut *mut T,
    usize,
    *const native::rd_kafka_AdminOptions_t,
    *mut native::rd_kafka_queue_t,
);

/// Asks for several things at once, by one of the functions that are for this. An error of the whole call is one here.
///
/// # Safety
/// The function copies what is in the array that it is given.
pub(crate) unsafe fn ask_for<C: ClientContext, T>(
    client: &AdminClient<C>,
    asked: &str,
    operation: native::rd_kafka_admin_op_t,
    timeout: Duration,
    things: &[Owned<T>],
    function: Several<T>,
) -> Result<Answer, Error> {
    let mut pointers: Vec<_> = things.iter().map(Owned::as_ptr).collect();
    let answer = ask(client, asked, operation, timeout, |way| {
        // SAFETY: all live during the call, the array is as long as is said, and by the promise of the caller it is copied.
        unsafe {
            function(
                way.client,
                pointers.as_mut_ptr(),
                pointers.len(),
                way.options,
                way.queue,
            );
        }
    })?;
    refused(asked, &answer)?;
    Ok(answer)
}

/// Returns the error of a whole call, if its answer is one.
pub(crate) fn refused(asked: &str, answer: &Answer) -> Result<(), Error> {
    let code = code_of(answer);
    if code == native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    // SAFETY: the text belongs to the event, which lives while it is copied.
    let reason = unsafe { text(native::rd_kafka_event_error_string(answer.as_ptr())) };
    Err(Error::new(asked, code.into(), reason))
}

/// Returns the code of a whole call.
pub(crate) fn code_of(answer: &Answer) -> native::rd_kafka_resp_err_t {
    // SAFETY: the event is ours and lives.
    unsafe { native::rd_kafka_event_error(answer.as_ptr()) }
}

/// Returns the error of a part of an answer, if it is one.
///
/// # Safety
/// The pointer is null or to an error that lives.
pub(crate) unsafe fn failed(
    asked: &str,
    error: *const native::rd_kafka_error_t,
) -> Result<(), Error> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: it lives by the promise of the caller.
    let (code, reason) = unsafe {
        (
            native::rd_kafka_error_code(error),
            text(native::rd_kafka_error_string(error)),
        )
    };
    if code == native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    Err(Error::new(asked, code.into(), reason))
}

/// Copies the pointers of an array of which librdkafka tells by a function of what holds it.
///
/// # Safety
/// `of` is what the function takes, and lives.
pub(crate) unsafe fn items<R, T>(
    of: *const R,
    array: unsafe extern "C" fn(*const R, *mut usize) -> *mut *const T,
) -> Vec<*const T> {
    let mut count = 0;
    // SAFETY: by the promise of the caller.
    let array = unsafe { array(of, &raw mut count) };
    if array.is_null() || count == 0 {
        return Vec::new();
    }
    // SAFETY: librdkafka says how long its array is, which lives as long as what holds it.
    unsafe { std::slice::from_raw_parts(array, count) }.to_vec()
}

/// Copies the pointers of what an answer consists of; they live as long as the answer.
///
/// # Safety
/// The answer is one to the call that both functions are for, and no error.
pub(crate) unsafe fn parts<R, T>(
    answer: &Answer,
    result: unsafe extern "C" fn(*mut native::rd_kafka_event_t) -> *const R,
    array: unsafe extern "C" fn(*const R, *mut usize) -> *mut *const T,
) -> Vec<*const T> {
    // SAFETY: by the promise of the caller.
    unsafe { items(result(answer.as_ptr()), array) }
}

/// Copies a text of librdkafka's; none is an empty one.
///
/// # Safety
/// The pointer is null or to a text that ends and lives.
pub(crate) unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: by the promise of the caller.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_string_lossy().into_owned()
}

/// Makes a text for librdkafka.
pub(crate) fn c_string(asked: &str, text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::argument(asked, "a name holds a byte that is zero"))
}

/// A buffer into which librdkafka writes why it refuses an argument.
pub(crate) struct Words([c_char; 256]);

impl Default for Words {
    fn default() -> Self {
        Self([0; 256])
    }
}

impl Words {
    pub(crate) fn as_mut_ptr(&mut self) -> *mut c_char {
        self.0.as_mut_ptr()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn read(&self) -> String {
        // SAFETY: it began as zeros, and librdkafka ends what it writes into it by one.
        unsafe { text(self.0.as_ptr()) }
    }
}

fn milliseconds(time: Duration) -> c_int {
    c_int::try_from(time.as_millis())
        .unwrap_or(c_int::MAX)
        .max(1)
}
