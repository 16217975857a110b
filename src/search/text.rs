//! How texts are made comparable: case, accents, punctuation and spacing do not count.
//!
//! NFKD, accents dropped, case folded, everything that is neither letter nor digit dropped, white
//! space collapsed. Marks that carry a sound (vowel signs of Indic scripts, kana voicing) stay.
//! Spec: <https://hl7.org/fhir/R4/search.html#string>.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The comparable form of a text; a text of nothing but signs keeps its signs.
pub fn normalise(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    if text.is_ascii() {
        for byte in text.bytes() {
            push(&mut folded, char::from(byte).to_ascii_lowercase());
        }
    } else {
        for letter in text.nfkd() {
            fold(letter, &mut folded);
        }
        // What was dropped may have kept marks apart that now have an order among themselves.
        folded = folded.nfkd().collect();
    }
    folded.truncate(folded.trim_end().len());
    if folded.is_empty() {
        return text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    folded
}

/// Appends one character of the decomposed text, folded.
fn fold(letter: char, folded: &mut String) {
    if is_accent(letter) {
        return;
    }
    let plain = match letter {
        'ø' | 'Ø' => "o",
        'ł' | 'Ł' => "l",
        'đ' | 'Đ' | 'ð' | 'Ð' => "d",
        'ħ' | 'Ħ' => "h",
        'ŧ' | 'Ŧ' => "t",
        'ı' => "i",
        'ẞ' => "ss",
        'æ' | 'Æ' => "ae",
        'œ' | 'Œ' => "oe",
        'þ' | 'Þ' => "th",
        _ => "",
    };
    if !plain.is_empty() {
        folded.push_str(plain);
        return;
    }
    // Up and down again folds what lower case alone keeps apart: ß and ss, ς and σ.
    for lower in letter.to_uppercase().flat_map(char::to_lowercase) {
        push(folded, lower);
    }
}

fn push(folded: &mut String, letter: char) {
    if letter.is_whitespace() {
        if !folded.is_empty() && !folded.ends_with(' ') {
            folded.push(' ');
        }
    } else if letter.is_alphanumeric() || is_combining_mark(letter) {
        folded.push(letter);
    }
}

/// Marks that can be left out of a word without making it another one.
fn is_accent(letter: char) -> bool {
    matches!(
        u32::from(letter),
        0x0300..=0x036f // Latin, Greek and Cyrillic diacritics
            | 0x0483..=0x0489
            | 0x0591..=0x05c7 // Hebrew points
            | 0x0610..=0x061a
            | 0x064b..=0x065f // Arabic vowels
            | 0x0670
            | 0x06d6..=0x06ed
            | 0x1ab0..=0x1aff
            | 0x1dc0..=0x1dff
            | 0x20d0..=0x20ff
            | 0xfe20..=0xfe2f
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::normalise;

    #[test]
    fn case_accents_punctuation_and_spacing_do_not_count() {
        for (text, expected) in [
            ("  O'Brien-Smith,\t Jr. ", "obriensmith jr"),
            ("Éric  Müller", "eric muller"),
            ("E\u{301}ric", "eric"),
            ("STRASSE", "strasse"),
            ("Straße", "strasse"),
            ("Søren Łukasz", "soren lukasz"),
            ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
            ("Σίσυφος", "σισυφοσ"),
            ("İstanbul", "istanbul"),
            ("ﬁn", "fin"),
            ("１２３", "123"),
            ("", ""),
            (" - ", "-"),
        ] {
            assert_eq!(normalise(text), expected, "{text:?}");
        }
    }

    #[test]
    fn other_scripts_stay() {
        assert_eq!(normalise("田中　太郎"), "田中 太郎");
        assert_ne!(normalise("が"), normalise("か"));
        assert_ne!(normalise("कि"), normalise("क"));
        assert_eq!(normalise("محمّد"), normalise("محمد"));
        assert_eq!(normalise("שָׁלוֹם"), normalise("שלום"));
        assert_eq!(normalise("ЁЛКА"), normalise("елка"));
    }

    proptest! {
        #[test]
        fn normal_texts_stay_as_they_are(text in "\\PC{0,30}") {
            let once = normalise(&text);
            prop_assert_eq!(normalise(&once), once);
        }

        #[test]
        fn ascii_and_unicode_paths_agree(text in "[ -~]{0,20}") {
            let through_unicode = normalise(&format!("é{text}"));
            if text.chars().any(|c| c.is_ascii_alphanumeric()) {
                let expected = normalise(&format!("e{text}"));
                prop_assert_eq!(through_unicode, expected);
            }
        }
    }
}
