//! Measures a shape beside its ceiling, and single requests of one client.

use std::sync::Arc;
use std::time::Duration;

use crate::cli::Failure;
use crate::cli::bench::drive::Sample;
use crate::cli::bench::process::Process;
use crate::cli::bench::run::{TURNS, send};
use crate::cli::bench::shape::list::Shape;
use crate::cli::bench::shape::report::{AloneRow, ShapeRow};
use crate::cli::bench::traffic::{Call, Calls, send_alone};

/// Requests before a measurement.
const WARM_UP: usize = 16;

/// Letters of a refusal that are shown.
const REFUSAL_LETTERS: usize = 24;

/// What is measured, and for how long.
pub(super) struct Measuring<'a> {
    /// The server.
    pub(super) server: &'a Process,
    /// The bare store.
    pub(super) ceiling: &'a Process,
    /// Seconds that each of them is asked.
    pub(super) seconds: f64,
}

impl Measuring<'_> {
    /// A shape over so many connections.
    pub(super) async fn shape(&self, shape: &Shape, count: usize) -> Result<ShapeRow, Failure> {
        let paths = shape.paths.iter().map(|path| format!("/fhir/{path}"));
        let asked = calls(paths.collect());
        let by_hand = shape.by_hand.iter().map(|path| format!("/{path}"));
        let by_hand = calls(by_hand.collect());
        send(self.server, 1, &first(&asked), None).await?;
        send(self.ceiling, 1, &first(&by_hand), None).await?;
        let turn = Some(Duration::from_secs_f64(self.seconds / f64::from(TURNS)));
        let (mut over_http, mut bare) = (Sample::default(), Sample::default());
        for _ in 0..TURNS {
            over_http.add(send(self.server, count, &asked, turn).await?);
            bare.add(send(self.ceiling, count, &by_hand, turn).await?);
        }
        let per_second = over_http.steps() / over_http.elapsed_s;
        let ceiling_per_second = bare.steps() / bare.elapsed_s;
        Ok(ShapeRow {
            shape: shape.name.to_owned(),
            connections: count,
            per_second,
            p50_ms: over_http.per_mille_ms(500),
            p99_ms: over_http.per_mille_ms(990),
            cpu_us: over_http.cpu_s * 1e6 / over_http.steps(),
            ceiling_per_second,
            ceiling_cpu_us: bare.cpu_s * 1e6 / bare.steps(),
            ratio: per_second / ceiling_per_second,
        })
    }

    /// Requests of one client, one after another.
    pub(super) async fn alone(&self, name: &str, paths: &[String]) -> Result<AloneRow, Failure> {
        let paths: Vec<_> = paths.iter().map(|path| format!("/fhir/{path}")).collect();
        let mut row = AloneRow {
            request: name.to_owned(),
            ..AloneRow::default()
        };
        let one = paths.first().cloned().unwrap_or_default();
        if let Err(refused) = send_alone(self.server.address(), Call::get(one)).await {
            let text = refused.to_string();
            let text = text.trim_start_matches("the server answered ");
            row.refused = Some(text.chars().take(REFUSAL_LETTERS).collect());
            return Ok(row);
        }
        let asked = calls(paths);
        send(self.server, 1, &first(&asked), None).await?;
        let time = Duration::from_secs_f64(self.seconds / 2.0);
        let mut sample = send(self.server, 1, &asked, Some(time)).await?;
        row.p50_ms = sample.per_mille_ms(500);
        row.p99_ms = sample.per_mille_ms(990);
        Ok(row)
    }
}

/// All paths in turn, on every connection.
fn calls(paths: Vec<String>) -> Calls {
    Arc::new(move |place, sent| {
        let at = (place + sent) % paths.len().max(1);
        paths.get(at).map(|path| Call::get(path.clone()))
    })
}

/// The first of some calls.
fn first(calls: &Calls) -> Calls {
    let calls = Arc::clone(calls);
    Arc::new(move |place, sent| calls(place, sent).filter(|_| sent < WARM_UP))
}
