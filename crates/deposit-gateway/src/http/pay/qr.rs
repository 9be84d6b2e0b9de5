//! QR codes as SVG.

use qrcode::render::svg::Color;
use qrcode::{EcLevel, QrCode};

/// A QR code with error correction M and the quiet zone of four modules; black on white whatever the page's colours, for scanners.
/// With correction L where M has no room. `None` for more than any code holds (2953 bytes).
pub(super) fn svg(payload: &str) -> Option<String> {
    let code = [EcLevel::M, EcLevel::L]
        .into_iter()
        .find_map(|level| QrCode::with_error_correction_level(payload, level).ok())?;
    let svg = code
        .render::<Color<'_>>()
        .dark_color(Color("#000"))
        .light_color(Color("#fff"))
        .quiet_zone(true)
        .module_dimensions(8, 8)
        .build();
    Some(svg)
}
