//! Why Kafka lets no transaction begin: it keeps a log of them, and says nothing of that but that time is up.

use rdkafka::metadata::Metadata;

/// Kafka's own topic of transactions.
const LOG: &str = "__transaction_state";
/// How many copies of it Kafka makes unless its brokers are told otherwise.
const COPIES: usize = 3;

/// Says what is wrong with Kafka's log of transactions, as far as what a broker tells shows it.
pub fn what_is_wrong(metadata: &Metadata) -> String {
    let log = metadata.topics().iter().find(|topic| topic.name() == LOG);
    let parts = log.map(|log| {
        let parts = log.partitions().iter();
        parts
            .map(|part| Part {
                has_leader: part.leader() >= 0,
                copies: part.replicas().len(),
                in_step: part.isr().len(),
            })
            .collect()
    });
    words(metadata.brokers().len(), parts)
}

/// A partition of the log.
struct Part {
    has_leader: bool,
    copies: usize,
    in_step: usize,
}

fn words(brokers: usize, parts: Option<Vec<Part>>) -> String {
    match parts {
        // A user who may not see it is told the same as where it is not there.
        None if brokers < COPIES => format!(
            "it seems that Kafka cannot make its log of transactions ({LOG}): it has {brokers} of the {COPIES} brokers that this \
             wants by default; set `transaction.state.log.replication.factor={brokers}` and `transaction.state.log.min.isr=1` in \
             server.properties of each broker and restart them, or add brokers"
        ),
        Some(parts) if parts.iter().any(|part| !part.has_leader) => format!(
            "parts of Kafka's log of transactions ({LOG}) have no leader: start the brokers that hold them"
        ),
        Some(parts)
            if parts
                .iter()
                .any(|part| part.in_step == 1 && part.copies > 1) =>
        {
            format!(
                "parts of Kafka's log of transactions ({LOG}) have one copy in step, and Kafka wants 2 by default \
             (`transaction.state.log.min.isr`): start the brokers that hold the others"
            )
        }
        _ => {
            format!("the brokers' own logs say why their log of transactions ({LOG}) is not ready")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_brokers_tell_says_what_to_do() {
        let parts = |has_leader, copies, in_step| {
            let part = || Part {
                has_leader,
                copies,
                in_step,
            };
            Some(vec![part(), part()])
        };
        for (brokers, parts, said) in [
            (2, None, "`transaction.state.log.replication.factor=2`"),
            (1, None, "`transaction.state.log.replication.factor=1`"),
            (3, None, "the brokers' own logs"),
            (3, parts(false, 3, 0), "have no leader"),
            (3, parts(true, 3, 1), "one copy in step"),
            (1, parts(true, 1, 1), "the brokers' own logs"),
        ] {
            let told = words(brokers, parts);
            assert!(told.contains(said), "{brokers}: {told}");
        }
    }
}
