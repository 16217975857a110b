//! What pages say of moments and browsers, in words.

use time::OffsetDateTime;
use time::macros::format_description;

/// A moment, in the time of the server's clock.
pub fn moment(millis: i64) -> String {
    let form =
        format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
    let at = OffsetDateTime::from_unix_timestamp(millis.div_euclid(1_000));
    at.ok()
        .and_then(|at| at.format(form).ok())
        .unwrap_or_default()
}

/// A name for a browser, by what it calls itself.
pub fn browser(agent: &str) -> String {
    let browsers = ["Firefox", "Edg", "Chrome", "Safari"];
    let systems = ["Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux"];
    let named = |words: &[&'static str]| words.iter().find(|word| agent.contains(**word)).copied();
    let browser = match named(&browsers) {
        Some("Edg") => "Edge",
        Some(other) => other,
        None => "A browser",
    };
    match named(&systems) {
        Some("Mac OS X") => format!("{browser} on macOS"),
        Some(system) => format!("{browser} on {system}"),
        None => browser.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{browser, moment};

    #[test]
    fn moments_are_written_out() {
        assert_eq!(moment(1_800_000_000_000), "15 January 2027, 08:00 UTC");
    }

    #[test]
    fn browsers_are_known_by_what_they_say() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/130.0 Safari/537.36";
        assert_eq!(browser(chrome), "Chrome on Linux");
        let safari = "Mozilla/5.0 (Macintosh; Intel Mac OS X) Safari/605";
        assert_eq!(browser(safari), "Safari on macOS");
        assert_eq!(browser("curl/8"), "A browser");
    }
}
