//! Orders: what stands between one ORC, or one detail segment, and the next.

use crate::hl7v2::reading::Reading;

/// Segments that say what is ordered or was done.
const DETAILS: [&str; 6] = ["OBR", "RXA", "RXE", "RXO", "RXD", "RXG"];

/// A segment with the notes behind it.
pub(in crate::hl7v2) struct Noted<'r, 'a> {
    pub(in crate::hl7v2) segment: &'r Reading<'a>,
    pub(in crate::hl7v2) notes: Vec<&'r Reading<'a>>,
}

/// An order.
#[derive(Default)]
pub(in crate::hl7v2) struct Order<'r, 'a> {
    pub(in crate::hl7v2) orc: Option<&'r Reading<'a>>,
    pub(in crate::hl7v2) detail: Option<Noted<'r, 'a>>,
    pub(in crate::hl7v2) observations: Vec<Noted<'r, 'a>>,
    pub(in crate::hl7v2) timing: Option<&'r Reading<'a>>,
    pub(in crate::hl7v2) route: Option<&'r Reading<'a>>,
    pub(in crate::hl7v2) specimens: Vec<&'r Reading<'a>>,
    pub(in crate::hl7v2) diagnoses: Vec<&'r Reading<'a>>,
}

/// The orders of a message; those before the first one are the patient's own segments.
pub(in crate::hl7v2) fn orders<'r, 'a>(readings: &'r [Reading<'a>]) -> Vec<Order<'r, 'a>> {
    let mut orders: Vec<Order<'r, 'a>> = Vec::new();
    for reading in readings {
        let name = reading.name();
        let is_detail = DETAILS.contains(&name);
        let has_detail = orders.last().is_some_and(|order| order.detail.is_some());
        if name == "ORC" || (is_detail && (orders.is_empty() || has_detail)) {
            orders.push(Order::default());
        }
        let Some(order) = orders.last_mut() else {
            continue;
        };
        match name {
            "ORC" => order.orc = Some(reading),
            "OBX" => order.observations.push(Noted::new(reading)),
            "TQ1" => order.timing = order.timing.or(Some(reading)),
            "RXR" => order.route = order.route.or(Some(reading)),
            "SPM" => order.specimens.push(reading),
            "DG1" => order.diagnoses.push(reading),
            "NTE" => {
                let last = order.observations.last_mut().or(order.detail.as_mut());
                if let Some(noted) = last {
                    noted.notes.push(reading);
                }
            }
            _ if is_detail => order.detail = Some(Noted::new(reading)),
            _ => {}
        }
    }
    orders
}

impl<'r, 'a> Noted<'r, 'a> {
    fn new(segment: &'r Reading<'a>) -> Self {
        Self {
            segment,
            notes: Vec::new(),
        }
    }
}
