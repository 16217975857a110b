//! What a run found, as a table and as JSON.

use std::fmt::Write;

use serde::Serialize;

use crate::cli::bench::drive::Sample;
use crate::cli::bench::process::Memory;
use crate::cli::bench::workload::Workload;

/// All figures of a run.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// The kind of store.
    pub(super) store: String,
    /// How many resources were loaded.
    pub(super) resources: usize,
    /// Connections that asked at once.
    pub(super) connections: usize,
    /// Processors of the machine; the load comes from them as well.
    pub(super) cores: usize,
    /// The workloads.
    pub(super) workloads: Vec<Row>,
    /// What the server held of the memory, by moment.
    pub(super) memory: Vec<MemoryRow>,
}

/// One workload.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// Its name.
    pub(super) workload: String,
    /// What the rate counts.
    pub(super) unit: String,
    /// How many of it a second.
    pub(super) per_second: f64,
    /// Half of the requests took at most so many milliseconds.
    pub(super) p50_ms: f64,
    /// 99 of 100 requests took at most so many milliseconds.
    pub(super) p99_ms: f64,
    /// Microseconds of processor that the server used for each.
    pub(super) cpu_us: f64,
    /// What it is measured by.
    pub(super) ceilings: Vec<Ceiling>,
}

/// What cannot be surpassed.
#[derive(Debug, Serialize)]
pub(super) struct Ceiling {
    /// What it does.
    pub(super) name: String,
    /// How many a second.
    pub(super) per_second: f64,
    /// Microseconds of processor that each took.
    pub(super) cpu_us: f64,
    /// What the workload reaches of it.
    pub(super) ratio: f64,
}

/// Memory at a moment.
#[derive(Debug, Serialize)]
pub(super) struct MemoryRow {
    /// When.
    pub(super) moment: String,
    /// MiB resident then.
    pub(super) resident_mib: f64,
    /// MiB resident at most until then.
    pub(super) peak_mib: f64,
}

impl Row {
    /// The row of a workload; each step did `units_per_step`.
    pub(super) fn new(workload: Workload, mut sample: Sample, units_per_step: f64) -> Self {
        let units = sample.steps() * units_per_step;
        Self {
            workload: workload.name(),
            unit: workload.unit().to_owned(),
            per_second: units / sample.elapsed_s,
            p50_ms: sample.per_mille_ms(500),
            p99_ms: sample.per_mille_ms(990),
            cpu_us: sample.cpu_s * 1e6 / units,
            ceilings: Vec::new(),
        }
    }

    /// The same with a ceiling that was measured in the same units.
    pub(super) fn beside(mut self, name: &str, ceiling: &Sample, units_per_step: f64) -> Self {
        let units = ceiling.steps() * units_per_step;
        let per_second = units / ceiling.elapsed_s;
        self.ceilings.push(Ceiling {
            name: name.to_owned(),
            per_second,
            cpu_us: ceiling.cpu_s * 1e6 / units,
            ratio: self.per_second / per_second,
        });
        self
    }
}

impl Report {
    /// Notes what a server holds.
    pub(super) fn remember(&mut self, moment: &str, memory: Memory) {
        self.memory.push(MemoryRow {
            moment: moment.to_owned(),
            resident_mib: mib(memory.resident_bytes),
            peak_mib: mib(memory.peak_bytes),
        });
    }

    /// As Markdown.
    pub(super) fn table(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        self.write_table(&mut out).unwrap_or_default();
        out
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "{} store, {} resources, {} connections, {} processors shared with the load\n",
            self.store, self.resources, self.connections, self.cores
        )?;
        writeln!(
            out,
            "| workload | a second | p50 ms | p99 ms | CPU us | ceiling | a second | CPU us | ratio |"
        )?;
        writeln!(
            out,
            "| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: |"
        )?;
        for row in &self.workloads {
            write!(
                out,
                "| {} | {:.0} {} | {:.2} | {:.2} | {:.1} |",
                row.workload, row.per_second, row.unit, row.p50_ms, row.p99_ms, row.cpu_us
            )?;
            for (place, ceiling) in row.ceilings.iter().enumerate() {
                if place > 0 {
                    write!(out, "\n| | | | | |")?;
                }
                let Ceiling {
                    name,
                    per_second,
                    cpu_us,
                    ratio,
                } = ceiling;
                write!(
                    out,
                    " {name} | {per_second:.0} | {cpu_us:.0} | {ratio:.2} |"
                )?;
            }
            if row.ceilings.is_empty() {
                write!(out, " | | | |")?;
            }
            writeln!(out)?;
        }
        writeln!(out, "\n| memory of the server | resident MiB | peak MiB |")?;
        writeln!(out, "| --- | ---: | ---: |")?;
        for row in &self.memory {
            writeln!(
                out,
                "| {} | {:.0} | {:.0} |",
                row.moment, row.resident_mib, row.peak_mib
            )?;
        }
        Ok(())
    }
}

fn mib(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) / 1024.0
}
