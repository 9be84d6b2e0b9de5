//! Reading a QR code back from its SVG.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

/// What a scanner reads from the SVG.
pub fn scanned(svg: &str) -> String {
    let document = roxmltree::Document::parse(svg).unwrap();
    let root = document.root_element();
    let side: usize = root.attribute("width").unwrap().parse().unwrap();
    let path =
        document.descendants().find(|node| node.has_tag_name((root.tag_name().namespace().unwrap(), "path")));
    let mut dark = vec![false; side * side];
    for rect in path.unwrap().attribute("d").unwrap().split('M').filter(|rect| !rect.is_empty()) {
        // `{x} {y}h{w}v{h}H{x}V{y}`
        let numbers: Vec<usize> =
            rect.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
        let [x, y, w, h, ..] = numbers[..] else { panic!("{rect}") };
        for row in y..y + h {
            dark[row * side + x..row * side + x + w].fill(true);
        }
    }
    let mut image = rqrr::PreparedImage::prepare_from_bitmap(side, side, |x, y| dark[y * side + x]);
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1, "one code in {svg}");
    grids[0].decode().unwrap().1
}
