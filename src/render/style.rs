//! The style sheet of pages, with the accent colour of the publication.

/// The style sheet. Its colours are variables, which [`style_sheet`] can replace.
const STYLE: &str = include_str!("pages/style.css");
/// The background colours of light and of dark pages in the style sheet.
const GROUNDS: [Rgb; 2] = [[0xf7, 0xf5, 0xf1], [0x16, 0x14, 0x12]];
/// The minimum contrast of text (WCAG 2.2, 1.4.3).
const CONTRAST: f64 = 4.5;

type Rgb = [u8; 3];

/// Returns the style sheet with a colour for links and buttons.
pub(super) fn style_sheet(accent: Option<Rgb>) -> String {
    let Some(accent) = accent else { return STYLE.to_owned() };
    let [light, dark] = GROUNDS.map(|ground| hex(readable(accent, ground)));
    format!(
        "{STYLE}\n:root {{ --accent: {light}; }}\n@media (prefers-color-scheme: dark) {{ :root {{ --accent: {dark}; }} }}\n"
    )
}

/// Returns a style sheet as pages contain it. Some tools that check policies ignore white space at its
/// end, so there is none.
pub(super) fn inline(style_sheet: &str) -> &str {
    style_sheet.trim_end()
}

fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Returns the colour nearest to the given one, towards black or white, that is readable on a
/// background.
fn readable(colour: Rgb, ground: Rgb) -> Rgb {
    let end = if luminance(ground) > 0.5 { 0.0 } else { 255.0 };
    let mixed = |step: u8| colour.map(|channel| mix(channel, end, f64::from(step) / 100.0));
    (0..=100).map(mixed).find(|colour| contrast(*colour, ground) >= CONTRAST).unwrap_or(colour)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the result lies between two bytes"
)]
fn mix(channel: u8, end: f64, part: f64) -> u8 {
    let channel = f64::from(channel);
    (channel + (end - channel) * part).round() as u8
}

/// Returns the contrast ratio as WCAG 2.2 defines it.
fn contrast(one: Rgb, other: Rgb) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// Returns the relative luminance as WCAG 2.2 defines it.
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
    fn accent_is_adjusted_to_be_readable() {
        for accent in
            [[0, 0, 0], [255, 255, 255], [255, 255, 0], [0x80, 0x80, 0x80], [0xa6, 0x3f, 6], [0, 0, 255]]
        {
            for ground in GROUNDS {
                assert!(contrast(readable(accent, ground), ground) >= CONTRAST, "{accent:?} on {ground:?}");
            }
        }
        assert_eq!(readable([0xa6, 0x3f, 6], GROUNDS[0]), [0xa6, 0x3f, 6], "a readable colour stays");
        for ground in GROUNDS {
            assert!(STYLE.contains(&format!("--ground: {};", hex(ground))));
        }
    }

    #[test]
    fn accent_replaces_the_default_colour() {
        assert_eq!(style_sheet(None), STYLE);
        assert!(
            style_sheet(Some([0, 0x66, 0xcc])).ends_with("--accent: #3d8bda; } }\n")
                || style_sheet(Some([0, 0x66, 0xcc])).contains("--accent: #0066cc; }")
        );
    }
}
