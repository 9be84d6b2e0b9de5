//! A payment link as a QR code on a terminal: two modules to a character.

use clap::ValueEnum;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// When to draw one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum When {
    /// On a terminal that is wide enough.
    #[default]
    Auto,
    /// Wherever the output goes.
    Always,
    /// Not at all.
    Never,
}

/// A drawn code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Drawing {
    pub(super) text: String,
    /// Characters in a line.
    pub(super) columns: usize,
}

/// What a wallet reads. The letters of an invoice in capitals make a much smaller code, and mean the same.
pub(super) fn payload(link: &str) -> String {
    let head = link.get(..10).unwrap_or_default();
    if head.eq_ignore_ascii_case("lightning:") { link.to_ascii_uppercase() } else { link.to_owned() }
}

/// Draws it; `None` for a text that no code holds. With colours it is black on white, as printed ones are; without, light modules are
/// the drawn ones, which is right on a dark screen and read by most scanners on a light one.
pub(super) fn draw(payload: &str, colours: bool) -> Option<Drawing> {
    // A screen has no scratches: the lowest level makes the smallest code.
    let code = QrCode::with_error_correction_level(payload, EcLevel::L).ok()?;
    let mut image = code.render::<Dense1x2>();
    let image = image.module_dimensions(1, 1).quiet_zone(true);
    if !colours {
        image.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark);
    }
    let text = image.build();
    let columns = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let text = if colours {
        text.lines().map(|line| format!("\u{1b}[30;107m{line}\u{1b}[0m")).collect::<Vec<_>>().join("\n")
    } else {
        text
    };
    Some(Drawing { text, columns })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a drawing as a camera would; `dark` says whether a drawn pixel is a dark one.
    fn scan(text: &str, dark: bool) -> String {
        const SCALE: usize = 4;
        let lines: Vec<Vec<char>> = text
            .lines()
            .map(|line| {
                line.trim_start_matches("\u{1b}[30;107m").trim_end_matches("\u{1b}[0m").chars().collect()
            })
            .collect();
        let drawn = |x: usize, y: usize| match lines[y / 2][x] {
            ' ' => false,
            '█' => true,
            '▀' => y.is_multiple_of(2),
            '▄' => !y.is_multiple_of(2),
            other => panic!("{other:?}"),
        };
        let (width, height) = (lines[0].len() * SCALE, lines.len() * 2 * SCALE);
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
            if drawn(x / SCALE, y / SCALE) == dark { 0 } else { 255 }
        });
        let grids = image.detect_grids();
        grids[0].decode().unwrap().1
    }

    #[test]
    fn a_drawn_code_says_the_link() {
        for link in [
            "bitcoin:bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4?amount=0.0004",
            "zano:action=send&address=ZxD5aoLDPTdcaRx4uCpyW4XiLfEXejepAVz8cSY2fwHNEiJNu6NmpBBDLGTJzCsUvn3acCVDVDPMV8yQXdPooAp338Se7AxeH&amount=12.5",
            "https://pay.example/pay/Jq4vT9mZxK2cRw7LbYd3Hp",
        ] {
            assert_eq!(scan(&draw(link, true).unwrap().text, true), link);
            assert_eq!(scan(&draw(link, false).unwrap().text, false), link);
        }
    }

    #[test]
    fn an_invoice_is_drawn_in_capitals_and_fits_a_usual_terminal() {
        let invoice = format!("lightning:lnbc{}", "4pj2s8wqsxe7".repeat(22));
        let payload = payload(&invoice);
        assert_eq!(payload, invoice.to_uppercase());
        let drawing = draw(&payload, false).unwrap();
        assert!(drawing.columns <= 80, "{}", drawing.columns);
        assert_eq!(scan(&drawing.text, false), payload);
        assert_eq!(super::payload("bitcoin:bc1q?amount=1"), "bitcoin:bc1q?amount=1");
    }

    #[test]
    fn a_text_that_no_code_holds_is_not_drawn() {
        assert_eq!(draw(&"x".repeat(4000), false), None);
    }
}
