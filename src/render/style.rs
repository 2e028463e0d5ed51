//! What pages look like: one style sheet, with the colour that the publication chose.

/// The style sheet. Its colours are variables, which [`of`] sets anew.
const STYLE: &str = include_str!("pages/style.css");
/// What text stands on in light and on dark pages, as the style sheet has it.
const GROUNDS: [Rgb; 2] = [[0xf7, 0xf5, 0xf1], [0x16, 0x14, 0x12]];
/// WCAG 2.2, 1.4.3: the least contrast of text.
const CONTRAST: f64 = 4.5;

type Rgb = [u8; 3];

/// The style sheet with a colour for what can be clicked.
pub(super) fn of(accent: Option<Rgb>) -> String {
    let Some(accent) = accent else { return STYLE.to_owned() };
    let [light, dark] = GROUNDS.map(|ground| hex(readable(accent, ground)));
    format!(
        "{STYLE}\n:root {{ --accent: {light}; }}\n@media (prefers-color-scheme: dark) {{ :root {{ --accent: {dark}; }} }}\n"
    )
}

fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// The colour nearest to one, on the way to black or to white, that can be read on a ground.
fn readable(colour: Rgb, ground: Rgb) -> Rgb {
    let end = if luminance(ground) > 0.5 { 0.0 } else { 255.0 };
    let mixed = |step: u8| colour.map(|channel| mix(channel, end, f64::from(step) / 100.0));
    (0..=100).map(mixed).find(|colour| contrast(*colour, ground) >= CONTRAST).unwrap_or(colour)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between two bytes")]
fn mix(channel: u8, end: f64, part: f64) -> u8 {
    let channel = f64::from(channel);
    (channel + (end - channel) * part).round() as u8
}

/// WCAG 2.2, "contrast ratio".
fn contrast(one: Rgb, other: Rgb) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// WCAG 2.2, "relative luminance".
fn luminance(colour: Rgb) -> f64 {
    let [red, green, blue] = colour.map(|channel| {
        let channel = f64::from(channel) / 255.0;
        if channel <= 0.040_45 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_can_be_read() {
        for accent in
            [[0, 0, 0], [255, 255, 255], [255, 255, 0], [0x80, 0x80, 0x80], [0xa6, 0x3f, 6], [0, 0, 255]]
        {
            for ground in GROUNDS {
                assert!(contrast(readable(accent, ground), ground) >= CONTRAST, "{accent:?} on {ground:?}");
            }
        }
        assert_eq!(readable([0xa6, 0x3f, 6], GROUNDS[0]), [0xa6, 0x3f, 6], "what can be read stays");
        for ground in GROUNDS {
            assert!(STYLE.contains(&format!("--ground: {};", hex(ground))));
        }
    }

    #[test]
    fn a_colour_that_is_chosen_takes_the_place_of_the_first() {
        assert_eq!(of(None), STYLE);
        assert!(
            of(Some([0, 0x66, 0xcc])).ends_with("--accent: #3d8bda; } }\n")
                || of(Some([0, 0x66, 0xcc])).contains("--accent: #0066cc; }")
        );
    }
}
