//! Events that are in their topic once also for who reads the topic itself: each batch of the source is one transaction, and the
//! ticket after the batch is a part of it.
//!
//! That ticket is kept as an offset, for the first partition of the topic, of a group that has the producer's name and no members.
//! So Kafka itself says where to go on, however the last process or the last client ended: whoever begins ends what was open,
//! then asks. What was sent and is not a part of what Kafka committed is seen by nobody who reads what is committed.

use std::future::pending;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::delivery::{Sender, transactional_id};
use super::spool::Place;
use super::{Producer, ProducerError, backoff};
use crate::config::Connection;
use crate::kafka::transaction_log;

/// How long Kafka may take over a step of a transaction.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a broker may take to say which there are.
const LOOK: Duration = Duration::from_secs(5);
/// The partition under which the ticket is kept: every topic has it.
const PARTITION: i32 = 0;

/// The transactions of a producer, one after the other.
pub(super) struct Transactions {
    ledger: Arc<Ledger>,
    phase: Phase,
}

/// What Kafka knows of a producer.
struct Ledger {
    connection: Connection,
    /// The name of its transactions, and of the group.
    name: String,
    topic: String,
    /// Which counting of tickets it is: a number of another one says nothing.
    tickets: String,
}

/// What Kafka says of a transaction.
pub(super) enum Told {
    /// A client may begin, or why not.
    Begun(Result<Begun, String>),
    /// A batch is committed.
    Ended(KafkaResult<()>),
}

/// Where a client begins.
pub(super) struct Begun {
    group: ConsumerGroupMetadata,
    /// The ticket after the last batch that was committed.
    ticket: Option<u64>,
}

enum Phase {
    /// A new client ends what an older one left open, and asks how far that came.
    Beginning(JoinHandle<Result<Begun, String>>),
    /// Nothing is open.
    Ready(Arc<ConsumerGroupMetadata>),
    /// A batch is being sent, from this ticket on.
    Open(u64, Arc<ConsumerGroupMetadata>),
    /// All of it is sent, and Kafka is asked to commit it.
    Ending {
        tickets: Range<u64>,
        group: Arc<ConsumerGroupMetadata>,
        outcome: JoinHandle<KafkaResult<()>>,
    },
    /// Nothing can be sent before there is a new client.
    Broken,
}

impl Transactions {
    pub(super) fn new(connection: Connection, client: &str, topic: &str, tickets: &str) -> Self {
        let ledger = Ledger {
            connection,
            name: transactional_id(client),
            topic: topic.to_owned(),
            tickets: tickets.to_owned(),
        };
        Self {
            ledger: Arc::new(ledger),
            phase: Phase::Broken,
        }
    }

    /// Begins with a client that has sent nothing.
    pub(super) fn begin(&mut self, sender: Option<Sender>) {
        let Some(sender) = sender else {
            self.phase = Phase::Broken;
            return;
        };
        let ledger = Arc::clone(&self.ledger);
        let asked = tokio::task::spawn_blocking(move || ledger.begin(&sender));
        self.phase = Phase::Beginning(asked);
    }

    /// Waits for what Kafka says; for ever where there is nothing that it is asked.
    pub(super) async fn told(&mut self) -> Told {
        let lost = |error| format!("the call ended: {error}");
        match &mut self.phase {
            Phase::Beginning(asked) => {
                let begun = asked.await;
                Told::Begun(begun.unwrap_or_else(|error| Err(lost(error))))
            }
            Phase::Ending { outcome, .. } => {
                let ended = outcome.await;
                let ended = ended.map_err(|error| KafkaError::ClientCreation(lost(error)));
                Told::Ended(ended.flatten())
            }
            Phase::Ready(_) | Phase::Open(..) | Phase::Broken => pending().await,
        }
    }
}

impl Ledger {
    /// Begins, or says why that cannot be.
    fn begin(&self, sender: &Sender) -> Result<Begun, String> {
        if let Err(error) = sender.init_transactions(PATIENCE) {
            return Err(unbegun(&error, sender));
        }
        let asked = self.ask();
        asked.map_err(|error| crate::kafka::with_advice(&error))
    }

    /// Asks how far it came.
    fn ask(&self) -> KafkaResult<Begun> {
        let asks: BaseConsumer = self
            .connection
            .client(&self.name)
            .set("group.id", &self.name)
            .create()?;
        let group = asks.group_metadata().ok_or_else(|| {
            KafkaError::ClientCreation("the client has no consumer group".to_owned())
        })?;
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, PARTITION);
        let list = asks.committed_offsets(list, PATIENCE)?;
        let mut ticket = None;
        if let Some(kept) = list.find_partition(&self.topic, PARTITION) {
            kept.error()?;
            if let Offset::Offset(offset) = kept.offset()
                && kept.metadata() == self.tickets
            {
                ticket = u64::try_from(offset).ok();
            }
        }
        Ok(Begun { group, ticket })
    }

    fn end(&self, sender: &Sender, group: &ConsumerGroupMetadata, ticket: u64) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        let offset = Offset::Offset(ticket.cast_signed());
        let mut kept = list.add_partition(&self.topic, PARTITION);
        kept.set_offset(offset)?;
        kept.set_metadata(&self.tickets);
        sender.send_offsets_to_transaction(&list, group, PATIENCE)?;
        sender.commit_transaction(PATIENCE)
    }
}

/// Why no transaction may begin. Where Kafka's time was up, a broker tells whether it could have been otherwise.
fn unbegun(error: &KafkaError, sender: &Sender) -> String {
    let words = crate::kafka::with_advice(error);
    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::OperationTimedOut) {
        return words;
    }
    match sender.client().fetch_metadata(None, LOOK) {
        Ok(metadata) => {
            let why = transaction_log::what_is_wrong(&metadata);
            format!("no transaction begins ({words}): {why}")
        }
        // No broker answers: what the client itself said of that is shown beside.
        Err(_) => words,
    }
}

impl Producer {
    /// Begins anew with the present client, where batches are sent in transactions.
    pub(super) fn begin_transactions(&mut self) {
        if let Some(transactions) = &mut self.transactions {
            transactions.begin(self.client.sender());
        }
    }

    /// Gives the Kafka client the batch that is next in the spool, all of it: its source has bounded it.
    pub(super) async fn send_batch(
        &mut self,
        transactions: &mut Transactions,
    ) -> Result<(), ProducerError> {
        while self.renew_at.is_none() {
            let Some(sender) = self.client.sender() else {
                break;
            };
            let (first, group) = match &transactions.phase {
                Phase::Open(first, group) => (*first, Arc::clone(group)),
                Phase::Ready(group) if self.spool.position() < self.spool.end() => {
                    if let Err(error) = sender.begin_transaction() {
                        transactions.phase = Phase::Broken;
                        self.fail(&crate::kafka::with_advice(&error));
                        break;
                    }
                    let first = self.spool.position();
                    let group = Arc::clone(group);
                    transactions.phase = Phase::Open(first, Arc::clone(&group));
                    (first, group)
                }
                _ => break,
            };
            let mut is_last = false;
            let given = self.give(1, |record| is_last = record.place != Place::Within);
            if given.await? == 0 {
                break;
            }
            if is_last {
                let end = self.spool.position();
                let (ledger, of) = (Arc::clone(&transactions.ledger), Arc::clone(&group));
                let ended = move || ledger.end(&sender, &of, end);
                transactions.phase = Phase::Ending {
                    tickets: first..end,
                    group,
                    outcome: tokio::task::spawn_blocking(ended),
                };
            }
        }
        Ok(())
    }

    /// Notes what Kafka says of a transaction.
    pub(super) fn hear(&mut self, told: Told) -> Result<(), ProducerError> {
        let Some(transactions) = &mut self.transactions else {
            return Ok(());
        };
        match (
            std::mem::replace(&mut transactions.phase, Phase::Broken),
            told,
        ) {
            (Phase::Beginning(_), Told::Begun(Ok(begun))) => {
                transactions.phase = Phase::Ready(Arc::new(begun.group));
                self.go_on_from(begun.ticket)?;
            }
            (Phase::Ending { tickets, group, .. }, Told::Ended(Ok(()))) => {
                transactions.phase = Phase::Ready(group);
                self.metrics.confirmed.inc_by(tickets.end - tickets.start);
                tickets.for_each(|ticket| self.window.confirm(ticket));
                self.is_heard();
            }
            // By this client nothing more can be sent: nobody knows what became of its batch.
            (_, Told::Begun(Err(reason))) => self.fail(&reason),
            (_, Told::Ended(Err(error))) => self.fail(&crate::kafka::with_advice(&error)),
            (phase, Told::Begun(Ok(_)) | Told::Ended(Ok(()))) => transactions.phase = phase,
        }
        Ok(())
    }

    /// Regards what Kafka committed as confirmed, though nobody lived to hear it.
    fn go_on_from(&mut self, ticket: Option<u64>) -> Result<(), ProducerError> {
        let ticket = ticket.map_or(0, |ticket| ticket.min(self.spool.end()));
        if ticket <= self.state.ticket {
            return Ok(());
        }
        self.spool.rewind(self.state.ticket)?;
        while self.spool.position() < ticket {
            let left = usize::try_from(ticket - self.spool.position()).unwrap_or(usize::MAX);
            let (window, run) = (&mut self.window, &self.state.run);
            let seen = self.spool.next(left, |ticket, record| {
                let sequence = Some(record.sequence).filter(|_| record.run == *run);
                window.admit(ticket, sequence, record.event.len());
                window.confirm(ticket);
            })?;
            if seen == 0 {
                break;
            }
        }
        self.is_heard();
        Ok(())
    }

    /// Notes that Kafka takes events.
    fn is_heard(&mut self) {
        self.heard_at = Instant::now();
        self.client.last_error().clear();
        self.backoff = backoff();
    }
}
