//! What writers write while their store is killed, and how much of it is there afterwards.

use vesta::search::plan::Predicate;
use vesta::store::batch::Put;
use vesta::store::{Address, Store, Version};

use crate::store::sample::{address, create, found, key, next, replace, version};

/// How many writers write in a round.
pub(crate) const WRITERS: i64 = 4;

/// How many resources a batch creates.
pub(crate) const CREATES: i64 = 3;

/// Ids and sequences of what one writer writes in one round.
#[derive(Clone, Copy)]
pub(crate) struct Plot {
    /// The round.
    pub(crate) round: i64,
    /// The writer.
    pub(crate) writer: i64,
}

impl Plot {
    fn sequence(self, batch: i64, place: i64) -> i64 {
        ((self.round * WRITERS + self.writer) * 1_000_000 + batch) * 10 + place + 1
    }

    fn created(self, batch: i64, place: i64) -> Version {
        let Self { round, writer } = self;
        let text = format!("Observation/o-{round}-{writer}-{batch}-{place}");
        version(&text, self.sequence(batch, place))
    }

    /// The patient that every batch of the writer writes the next version of.
    pub(crate) fn updated(self) -> Address {
        address(&format!("Patient/p-{}-{}", self.round, self.writer))
    }

    /// The puts of a batch: some creates, and the next version of the writer's patient.
    pub(crate) fn batch(self, batch: i64, patient: Option<&Version>) -> (Vec<Put>, Version) {
        let mut puts: Vec<_> = (0..CREATES)
            .map(|place| {
                let created = self.created(batch, place);
                let all = key(1, b"all");
                create(&created, &[all, key(2, &created.sequence.to_be_bytes())])
            })
            .collect();
        let mark = key(3, &batch.to_be_bytes());
        let new = match patient {
            None => {
                let text = format!("Patient/{}", self.updated().id);
                let new = version(&text, self.sequence(0, 8));
                puts.push(create(&new, &[mark]));
                new
            }
            Some(old) => {
                let new = next(old);
                puts.push(replace(old, &new, &[mark]));
                new
            }
        };
        (puts, new)
    }
}

/// How many batches of a plot are in the store; each of them has to be whole.
pub(crate) async fn whole_batches(store: &dyn Store, plot: Plot) -> i64 {
    let patient = store.get(&plot.updated()).await.unwrap();
    let batches = patient.map_or(0, |patient| patient.version_id);
    for batch in 0..batches {
        for place in 0..CREATES {
            let created = plot.created(batch, place);
            let read = store.get(&created.address).await.unwrap();
            assert_eq!(read.as_ref(), Some(&created));
            let ids = found(
                store,
                Predicate::Key(key(2, &created.sequence.to_be_bytes())),
            )
            .await;
            assert_eq!(ids, [created.address.id]);
        }
        let version = store.get_version(&plot.updated(), batch + 1).await.unwrap();
        let body = version.unwrap().body.unwrap();
        assert!(body.ends_with(format!(" version {}", batch + 1).as_bytes()));
    }
    for place in 0..CREATES {
        let half = plot.created(batches, place).address;
        assert_eq!(store.get(&half).await.unwrap(), None);
    }
    batches
}
