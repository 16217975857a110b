//! What a run of shapes found, as a table and as JSON, with the growth from size to size.

use std::fmt::Write;

use serde::Serialize;

/// All figures of a run.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// The kind of store.
    pub(super) store: String,
    /// Processors of the machine; the load comes from them as well.
    pub(super) cores: usize,
    /// What was measured at each size, smallest first.
    pub(super) sizes: Vec<Size>,
}

/// What was measured on a database of one size.
#[derive(Debug, Default, Serialize)]
pub(super) struct Size {
    /// Resources stored.
    pub(super) resources: usize,
    /// Seconds that loading them took.
    pub(super) load_s: f64,
    /// Bytes of the files; none where the store does not tell.
    pub(super) stored_bytes: Option<u64>,
    /// The shapes, by numbers of connections.
    pub(super) shapes: Vec<ShapeRow>,
    /// Requests of one client alone.
    pub(super) alone: Vec<AloneRow>,
}

/// A shape over so many connections.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct ShapeRow {
    /// Its name.
    pub(super) shape: String,
    /// Connections that asked at once.
    pub(super) connections: usize,
    /// Answers a second.
    pub(super) per_second: f64,
    /// Half of the requests took at most so many milliseconds.
    pub(super) p50_ms: f64,
    /// 99 of 100 requests took at most so many milliseconds.
    pub(super) p99_ms: f64,
    /// Microseconds of processor that the server used for each.
    pub(super) cpu_us: f64,
    /// What a bare store answers a second.
    pub(super) ceiling_per_second: f64,
    /// Microseconds of processor that it used for each.
    pub(super) ceiling_cpu_us: f64,
    /// What the server reaches of it.
    pub(super) ratio: f64,
}

/// One request, one client.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct AloneRow {
    /// What was asked for; a shape by its name.
    pub(super) request: String,
    /// Half of the requests took at most so many milliseconds.
    pub(super) p50_ms: f64,
    /// 99 of 100 requests took at most so many milliseconds.
    pub(super) p99_ms: f64,
    /// Why there is no figure.
    pub(super) refused: Option<String>,
}

impl Report {
    /// As Markdown.
    pub(super) fn table(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        self.write_table(&mut out).unwrap_or_default();
        out
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        for size in &self.sizes {
            self.write_size(size, out)?;
        }
        self.write_alone(out)
    }

    fn write_size(&self, size: &Size, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "{} store, {} resources loaded in {:.0} s, {} processors shared with the load\n",
            self.store, size.resources, size.load_s, self.cores
        )?;
        writeln!(
            out,
            "| shape | connections | a second | p50 ms | p99 ms | CPU us | ceiling | CPU us | \
             ratio |"
        )?;
        writeln!(
            out,
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
        )?;
        for row in &size.shapes {
            writeln!(
                out,
                "| {} | {} | {:.0} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} | {:.2} |",
                row.shape,
                row.connections,
                row.per_second,
                row.p50_ms,
                row.p99_ms,
                row.cpu_us,
                row.ceiling_per_second,
                row.ceiling_cpu_us,
                row.ratio,
            )?;
        }
        writeln!(out)
    }

    /// One client alone: the median at each size, and how often the first goes into the last.
    fn write_alone(&self, out: &mut String) -> std::fmt::Result {
        write!(out, "| one client, p50 ms |")?;
        for size in &self.sizes {
            write!(out, " {} |", size.resources)?;
        }
        writeln!(out, " growth |")?;
        write!(out, "| --- |")?;
        for _size in &self.sizes {
            write!(out, " ---: |")?;
        }
        writeln!(out, " ---: |")?;
        for row in self.sizes.first().map_or(&[][..], |size| &size.alone) {
            write!(out, "| {} |", row.request.replace('|', "\\|"))?;
            for size in &self.sizes {
                match size.of(&row.request) {
                    Some(AloneRow {
                        refused: Some(why), ..
                    }) => write!(out, " {why} |")?,
                    Some(found) => write!(out, " {:.2} |", found.p50_ms)?,
                    None => write!(out, " |")?,
                }
            }
            match self.growth(&row.request) {
                Some(growth) => writeln!(out, " {growth:.2} |")?,
                None => writeln!(out, " |")?,
            }
        }
        Ok(())
    }

    /// How many times longer a request takes at the last size than at the first.
    pub(super) fn growth(&self, request: &str) -> Option<f64> {
        let [first, .., last] = self.sizes.as_slice() else {
            return None;
        };
        let measured = |size: &Size| {
            let row = size.of(request).filter(|row| row.refused.is_none());
            row.map(|row| row.p50_ms).filter(|p50_ms| *p50_ms > 0.0)
        };
        Some(measured(last)? / measured(first)?)
    }
}

impl Size {
    fn of(&self, request: &str) -> Option<&AloneRow> {
        self.alone.iter().find(|row| row.request == request)
    }
}

#[cfg(test)]
mod tests {
    use super::{AloneRow, Report, ShapeRow, Size};

    fn size(resources: usize, p50_ms: f64) -> Size {
        Size {
            resources,
            alone: vec![
                AloneRow {
                    request: "Patient?a=b|c".to_owned(),
                    p50_ms,
                    ..AloneRow::default()
                },
                AloneRow {
                    request: "Patient?x:y=z".to_owned(),
                    refused: Some("400".to_owned()),
                    ..AloneRow::default()
                },
            ],
            shapes: vec![ShapeRow {
                shape: "sort".to_owned(),
                connections: 8,
                ratio: 0.75,
                ..ShapeRow::default()
            }],
            ..Size::default()
        }
    }

    #[test]
    fn growth_is_from_the_first_size_to_the_last() {
        let mut report = Report {
            sizes: vec![size(10, 0.5)],
            ..Report::default()
        };
        assert_eq!(report.growth("Patient?a=b|c"), None);
        report.sizes.push(size(100, 4.0));
        report.sizes.push(size(1000, 0.75));
        assert_eq!(report.growth("Patient?a=b|c"), Some(1.5));
        assert_eq!(report.growth("Patient?x:y=z"), None);
        assert_eq!(report.growth("Patient"), None);
    }

    #[test]
    fn the_tables_have_a_column_for_each_size() {
        let report = Report {
            sizes: vec![size(10, 0.5), size(100, 1.0)],
            ..Report::default()
        };
        let table = report.table();
        assert!(table.contains("| one client, p50 ms | 10 | 100 | growth |"));
        assert!(table.contains("| Patient?a=b\\|c | 0.50 | 1.00 | 2.00 |"));
        assert!(table.contains("| Patient?x:y=z | 400 | 400 | |"));
        assert_eq!(table.matches("| sort | 8 |").count(), 2);
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["sizes"][1]["shapes"][0]["ratio"], 0.75);
    }
}
